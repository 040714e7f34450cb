// The model runtime of a whole appliance with two tiny models and memory for one of them: turns, queues,
// and a model's process that dies in the middle of an answer. One real machine, slow on purpose: 2 slots.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ModelMachines } from "@gantry/shared/contract/schemas/models.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gantry as cli } from "../support/gantry.ts";
import { type Appliance, MODELS, startAppliance, until } from "../support/appliance.ts";

const STORY = "stories260K";
const RANDOM = "tiny-random";
const SLOW = { timeout: 120_000 };

let gantry: Appliance;

beforeAll(async () => {
  if (!existsSync(MODELS)) return;
  gantry = await startAppliance({
    parts: ["hub", "agent"],
    env: {
      GANTRY_LLM_MODELS: [STORY, RANDOM].map((name) => join(MODELS, `${name}.gguf`)).join(","),
      GANTRY_LLM_CONTEXT: "512",
      GANTRY_LLM_SLOTS: "2",
      GANTRY_LLM_MEMORY_MB: "200",
      GANTRY_LOG_LEVEL: "info",
    },
  });
  await until("both models", async () => {
    const { body } = await gantry.api("GET", "/v1/models");
    const ids = new Set(body.data.map(({ id }: { id: string }) => id));
    return ids.has(STORY) && ids.has(RANDOM);
  });
}, 60_000);
afterAll(async () => gantry?.[Symbol.asyncDispose]());

const childrenOf = (pid: number): number[] => {
  try {
    const text = execFileSync("pgrep", ["-P", String(pid), "-f", "llama-child"], {
      encoding: "utf8",
    });
    return text.trim().split("\n").map(Number);
  } catch {
    return []; // none
  }
};

const complete = (
  model: string,
  content: string,
  maxTokens: number,
  more: Record<string, unknown> = {},
): ReturnType<Appliance["api"]> =>
  gantry.api("POST", "/v1/chat/completions", {
    model,
    messages: [{ role: "user", content }],
    max_tokens: maxTokens,
    ...more,
  });

async function* stream(body: Record<string, unknown>): AsyncGenerator<string> {
  const reply = await fetch(`${gantry.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${gantry.token}`, "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true }),
  });
  let held = "";
  const decoder = new TextDecoder();
  for await (const bytes of reply.body as ReadableStream<Uint8Array>) {
    held += decoder.decode(bytes, { stream: true });
    const events = held.split("\n\n");
    held = events.pop() ?? "";
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (!data.startsWith("{")) continue;
      const chunk = JSON.parse(data) as {
        error?: { message: string };
        choices?: { delta: { content?: string } }[];
      };
      if (chunk.error !== undefined) throw new Error(chunk.error.message);
      const text = chunk.choices?.[0]?.delta.content ?? "";
      if (text !== "") yield text;
    }
  }
}

describe.skipIf(!existsSync(MODELS))("models that take turns", SLOW, () => {
  it("[D8] answers 12 and 64 questions at once on one machine with two slots: each with its own text, none lost", async () => {
    for (const count of [12, 64]) {
      const replies = await Promise.all(
        Array.from({ length: count }, (_, index) => complete(STORY, `Tale ${index}`, 8)),
      );
      const refused = replies.filter(({ status }) => status !== 200);
      expect(refused.map(({ status, body }) => [status, body.error.type])).toEqual(
        refused.map(() => [429, "rate_limit_error"]),
      );
      expect(replies.length - refused.length).toBeGreaterThanOrEqual(Math.min(count, 60));
      const ids = new Set(replies.map(({ body }) => body.id));
      expect(ids.size).toBe(count - refused.length + (refused.length > 0 ? 1 : 0));
    }
  });

  it("refuses what the bounded queue has no place for, at once, with its place and Retry-After", async () => {
    const replies = await Promise.all(
      Array.from({ length: 90 }, async (_, index) => {
        const reply = await fetch(`${gantry.url}/v1/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${gantry.token}`, "content-type": "application/json" },
          body: JSON.stringify({
            model: STORY,
            messages: [{ role: "user", content: `Crowd ${index}` }],
            max_tokens: 48,
          }),
        });
        const retryAfter = reply.headers.get("retry-after");
        return {
          status: reply.status,
          retryAfter,
          body: (await reply.json()) as { error: { message: string } },
        };
      }),
    );
    const refused = replies.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, retryAfter, body } of refused) {
      expect(status).toBe(429);
      expect(Number(retryAfter)).toBeGreaterThan(0);
      expect(body.error.message).toMatch(/this would be number \d+/);
    }
  });

  it("two models that do not fit together answer in turns, each loaded for it", async () => {
    const first = await complete(RANDOM, "Hello", 4);
    expect(first).toMatchObject({ status: 200, body: { model: RANDOM } });
    expect(childrenOf(gantry.pid("agent"))).toHaveLength(1);
    const second = await complete(STORY, "Once more", 4);
    expect(second).toMatchObject({ status: 200, body: { model: STORY } });
    expect(childrenOf(gantry.pid("agent"))).toHaveLength(1);
  });

  it("[D9] an answer goes on when its model's process is killed in the middle: each word once", async () => {
    const question = {
      model: STORY,
      messages: [{ role: "user", content: "Once upon a time" }],
      max_tokens: 60,
      temperature: 0,
    };
    const whole = await gantry.api("POST", "/v1/chat/completions", {
      ...question,
      stop: ["never said"],
    });
    const pieces: string[] = [];
    for await (const text of stream({ ...question, stop: ["nor this"] })) {
      pieces.push(text);
      if (pieces.length === 1)
        for (const pid of childrenOf(gantry.pid("agent"))) process.kill(pid, "SIGKILL");
    }
    expect(pieces.join("")).toBe(whole.body.choices[0].message.content);
    expect(gantry.output("agent")).toContain("ended by SIGKILL");
  });

  it("an answer that would come out otherwise a second time ends with a clear word when its process is killed", async () => {
    const pieces: string[] = [];
    const drawn = {
      model: STORY,
      messages: [{ role: "user", content: "Once upon a time" }],
      max_tokens: 300,
      temperature: 1,
    };
    const reading = async (): Promise<void> => {
      for await (const text of stream(drawn)) {
        pieces.push(text);
        if (pieces.length === 1)
          for (const pid of childrenOf(gantry.pid("agent"))) process.kill(pid, "SIGKILL");
      }
    };
    await expect(reading()).rejects.toThrow(/ended by SIGKILL/);
    expect(pieces.length).toBeGreaterThan(0);
  });

  it("a machine fetches a model's file from another one through the hub, goes on after a break, and checks it", async () => {
    const bytes = readFileSync(join(MODELS, `${RANDOM}.gguf`));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const folder = join(gantry.dataDir, "models");
    writeFileSync(join(folder, "peer.gguf.sha256"), `${sha256}\n`);
    copyFileSync(join(MODELS, `${RANDOM}.gguf`), join(folder, "peer.gguf"));
    await until("the hash at the hub", async () => {
      const { body } = await gantry.api("GET", "/api/models");
      const models = body.machines.flatMap(
        (machine: ModelMachines["machines"][number]) => machine.models,
      );
      return models.some((model: { sha256?: string }) => model.sha256 === sha256);
    });
    const env = { GANTRY_TOKEN: gantry.token };
    const there = mkdtempSync(join(tmpdir(), "gantry-peer-"));
    const url = `${gantry.url}/api/models/files/${sha256}/peer.gguf`;
    const authorization = { authorization: `Bearer ${gantry.token}` };
    const rest = await fetch(url, { headers: { ...authorization, range: "bytes=500000-" } });
    expect([rest.status, rest.headers.get("content-range")]).toEqual([
      206,
      `bytes 500000-${bytes.length - 1}/${bytes.length}`,
    ]);
    expect(Buffer.from(await rest.arrayBuffer())).toEqual(bytes.subarray(500_000));
    // What an earlier try left there is not fetched again.
    writeFileSync(join(there, "peer.gguf.part"), bytes.subarray(0, 300_000));
    writeFileSync(join(there, "peer.gguf.part.json"), JSON.stringify({ etag: `"${sha256}"` }));
    const pulled = await cli(["models", "pull", "peer", "--dir", there, "--hub", gantry.url], env);
    expect(pulled).toMatchObject({ code: 0, err: "" });
    expect(readFileSync(join(there, "peer.gguf"))).toEqual(bytes);
    const unknown = await fetch(`${gantry.url}/api/models/files/${"0".repeat(64)}/x.gguf`, {
      headers: authorization,
    });
    expect(unknown.status).toBe(404);
    rmSync(there, { recursive: true });
    rmSync(join(folder, "peer.gguf"));
  });

  it("no child outlives an agent that is killed", async () => {
    const [child] = childrenOf(gantry.pid("agent"));
    expect(child).toBeGreaterThan(0);
    await gantry.kill("agent", "SIGKILL");
    await until("the child's end", async () => {
      try {
        process.kill(Number(child), 0);
        return false;
      } catch {
        return true;
      }
    });
    await gantry.start("agent");
    await until("the model again", async () => (await complete(STORY, "Again", 2)).status === 200);
  });
});
