// Memory, knowledge and answers that are given again, with the real hub, agent, model and embedder.

import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Appliance, MODELS, until } from "../support/appliance.ts";
import { PATIENCE_MS, startFast, untilModel } from "./steps.ts";

/** As `api` gives it: what a test looks at is what it is about. */
type Body = Awaited<ReturnType<Appliance["api"]>>["body"];

const MODEL = join(MODELS, "stories260K.gguf");
const EMBEDDER = join(MODELS, "tiny-embed-glove25.onnx");
const VOCABULARY = join(MODELS, "bert-vocab.txt");

describe.skipIf(![MODEL, EMBEDDER, VOCABULARY].every((path) => existsSync(path)))(
  "what is remembered",
  { timeout: 3 * PATIENCE_MS },
  () => {
    let a: Appliance;
    beforeAll(async () => {
      a = await startFast({
        env: {
          GANTRY_LLM_MODELS: MODEL,
          GANTRY_EMBED_MODEL: EMBEDDER,
          GANTRY_EMBED_VOCAB: VOCABULARY,
        },
      });
      await untilModel(a, "stories260K");
    }, 2 * PATIENCE_MS);
    afterAll(() => a[Symbol.asyncDispose]());

    const ask = async (prompt: string, more: object = {}): Promise<Body> =>
      (await a.api("POST", "/api/query", { prompt, ...more })).body;
    /** Ends at a full stop, so that the answer is whole and may be kept. */
    const complete = async (content: string): Promise<Record<string, unknown>> => {
      const messages = [{ role: "user", content }];
      const { body } = await a.api("POST", "/v1/chat/completions", { messages, stop: ["."] });
      return body;
    };
    const lastRouting = async (): Promise<Body> => {
      const { body } = await a.api("GET", "/api/audit?limit=40");
      return body.entries.find(({ action }: { action: string }) => action === "question.answered")
        .detail;
    };
    const cache = async (): Promise<Body> => (await a.api("GET", "/api/cache")).body;

    it("gives an answer again to a question that asks the same, and to no other", async () => {
      await complete("How do I clean the nozzle of a printer?");
      await until("its vector", async () => (await cache()).vectors === 1);
      await complete("How can I clean the nozzle of the printer?");
      expect(await cache()).toMatchObject({ semanticHits: 1, size: 1, dimensions: 64 });
      expect(await lastRouting()).toMatchObject({ cached: true });
      await complete("How do I clean the belt of a printer?");
      expect(await lastRouting()).toMatchObject({ cached: false });
      await complete("How do I clean the nozzle of 2 printers?");
      expect(await lastRouting()).toMatchObject({ cached: false });
      expect((await cache()).semanticHits).toBe(1);
    });

    it("[K19] remembers what a person said in one conversation, and recalls it in another", async () => {
      const told = await ask("Remember that my favourite filament is green Fillamentum PETG.");
      expect(told.result.output).toMatch(/I will remember: my favourite filament is green/);
      const { body: list } = await a.api("GET", "/api/memory");
      expect(list.memories).toMatchObject([
        { text: "my favourite filament is green Fillamentum PETG", about: "my favourite filament" },
      ]);
      expect(list.memories[0].source.message).toBe(`${told.conversationId}/0`);
      const other = await ask("Which filament do I like best?");
      expect(other.conversationId).not.toBe(told.conversationId);
      expect(other.routing.metadata).toMatchObject({ memories: 1, recalled: list.memories[0].id });
    });

    it("takes another value of the same thing for the newer one, and forgets both", async () => {
      await ask("Remember that my favourite filament is black PLA.");
      const { body } = await a.api("GET", "/api/memory");
      expect(body.memories.map(({ text }: { text: string }) => text)).toEqual([
        "my favourite filament is black PLA",
      ]);
      const { body: gone } = await a.api("DELETE", `/api/memory/${body.memories[0].id}`);
      expect(gone.count).toBe(2);
      const after = await ask("Which filament do I like best?");
      expect(after.routing.metadata.memories).toBeUndefined();
    });

    it("knows a folder, names its source, and reads what changed", async () => {
      const folder = join(a.dataDir, "knowledge", "manuals");
      await mkdir(folder, { recursive: true });
      await writeFile(
        join(folder, "dryer.md"),
        "# Dryer\n\n## Nylon\n\nDry nylon at 70 C for 12 hours.\n",
      );
      const made = await a.api("POST", "/api/knowledge", { name: "manuals", folder });
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({ version: 1, documents: 1, faults: [] });
      const found = await until("a hit", async () => {
        const { body } = await a.api("GET", "/api/knowledge/search?q=how+long+to+dry+nylon");
        return body.hits.length > 0 ? body.hits : undefined;
      });
      expect(found[0]).toMatchObject({
        path: "dryer.md",
        headings: ["Dryer", "Nylon"],
        line: 5,
      });
      const answer = await ask("How long do I dry nylon?");
      expect(answer.routing.metadata.sources).toBe("[1] dryer.md:5");
      await writeFile(join(folder, "dryer.md"), "# Dryer\n\nDry nylon at 80 C for 8 hours.\n");
      await writeFile(join(folder, "bad.txt"), Uint8Array.of(0xff, 0xfe, 0xff));
      const { body: again } = await a.api("POST", "/api/knowledge/manuals/refresh");
      expect(again).toMatchObject({ version: 2, read: 1, gone: 0, faults: 1 });
      await until("the new text", async () => {
        const { body } = await a.api("GET", "/api/knowledge/search?q=dry+nylon");
        return body.hits[0]?.text.includes("80 C");
      });
      const outside = await a.api("POST", "/api/knowledge", { name: "etc", folder: "/etc" });
      expect(outside.status).toBe(403);
      await rm(folder, { recursive: true });
    });

    it("has all of it after kill -9 of the hub", async () => {
      await a.api("POST", "/api/memory", { text: "the spare nozzles are in drawer 4" });
      await a.kill("hub", "SIGKILL");
      await a.start("hub");
      const hits = await until("the hub", async () => {
        const { body, status } = await a
          .api("GET", "/api/memory/search?q=where+are+the+nozzles")
          .catch(() => ({ body: undefined, status: 0 }));
        return status === 200 && body.memories.length > 0 ? body.memories : undefined;
      });
      expect(hits[0]).toMatchObject({ text: "the spare nozzles are in drawer 4", byWords: true });
      await until("vectors of kept answers", async () => (await cache()).vectors >= 1, PATIENCE_MS);
      await complete("How should I clean the nozzle of the printer?");
      expect((await cache()).semanticHits).toBe(2);
    });
  },
);
