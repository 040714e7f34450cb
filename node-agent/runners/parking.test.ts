// What a slot has read, kept for its conversation: with real child processes and one slot.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { forkLlama } from "../adapters/llama-process.ts";
import { type Model, startModel } from "./infer.ts";
import type { Generation } from "./llama-protocol.ts";
import { hasModelFiles, modelFile } from "./model-files.ts";

const never = new AbortController().signal;
/** 300 tokens and some, of 512. */
const tale = (hero: string): string => `${hero} went to the park. It was a sunny day. `.repeat(20);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gantry-parked-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const start = (parkFolder?: string, file = "stories260K"): Promise<Model> =>
  startModel(
    {
      path: modelFile(`${file}.gguf`),
      name: "story",
      slots: 1,
      contextTokens: file === "stories260K" ? 512 : 1_024,
      threads: 1,
      ...(parkFolder === undefined ? {} : { parkFolder }),
    },
    {
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
      fork: (onMessage) => forkLlama({ environment: {} }, onMessage),
    },
    never,
  );

const ask = (model: Model, session: string, content: string): Promise<Generation> =>
  model.generate(
    { requestId: "r", session, messages: [{ role: "user", content }], maxTokens: 20 },
    () => {},
    never,
  );

describe.skipIf(!hasModelFiles)(
  "parked conversations (needs ../shared/models)",
  { timeout: 60_000 },
  () => {
    it("a conversation finds what was read of it after another one had its slot, and gets the same text", async () => {
      await using plain = await start();
      const cold = await ask(plain, "lily", tale("Lily"));
      expect(cold.cachedTokens).toBe(0);
      await using model = await start(folder);
      await ask(model, "lily", tale("Lily"));
      await ask(model, "tom", tale("Tom"));
      const back = await ask(model, "lily", tale("Lily"));
      expect(back.text).toBe(cold.text);
      expect(back.cachedTokens).toBeGreaterThanOrEqual(cold.promptTokens - 1);
    });

    it("after a restart too, and never in another model (LP1)", async () => {
      const first = await start(folder);
      const cold = await ask(first, "lily", tale("Lily"));
      await ask(first, "tom", tale("Tom"));
      await first.close();
      const names = await readdir(folder);
      expect(names).toHaveLength(1);
      await using other = await start(folder, "tiny-random");
      expect((await ask(other, "lily", tale("Lily"))).cachedTokens).toBe(0);
      expect(await readdir(folder)).toEqual(names);
      await using again = await start(folder);
      const back = await ask(again, "lily", tale("Lily"));
      expect(back.text).toBe(cold.text);
      expect(back.cachedTokens).toBeGreaterThanOrEqual(cold.promptTokens - 1);
      expect(await readdir(folder)).toEqual([]);
    });
  },
);
