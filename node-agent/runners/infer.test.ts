import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { forkLlama } from "../adapters/llama-process.ts";
import type { GenerateRequest } from "./generate-request.ts";
import { type Model, makeModel, type ModelOptions, startModel } from "./infer.ts";
import type { Generation } from "./llama-protocol.ts";
import { hasModelFiles, modelFile } from "./model-files.ts";

const never = new AbortController().signal;

const ports = (nodeArguments: readonly string[] = []) => ({
  clock: systemClock,
  random: seededRandom(1),
  log: silentLogger,
  fork: (onMessage: Parameters<typeof forkLlama>[1]) =>
    forkLlama({ environment: {}, nodeArguments }, onMessage),
});

const options = (file: string, more: Partial<ModelOptions> = {}): ModelOptions => ({
  path: modelFile(file),
  name: file,
  slots: 2,
  contextTokens: 512,
  threads: 1,
  ...more,
});

const ask = (content: string, more: Partial<GenerateRequest> = {}): GenerateRequest => ({
  requestId: "request-1",
  messages: [{ role: "user", content }],
  ...more,
});

/** Real processes on a machine that others use too. */
const SLOW = { timeout: 30_000 };

const silent = (): void => {};

/** Waits for `isSo`, looking every 5 ms, at most 10 s. */
async function eventually(isSo: () => boolean): Promise<void> {
  const deadline = systemClock.timeout(10_000);
  while (!isSo()) await systemClock.sleep(5, deadline);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return error instanceof GantryError ? error.code : String(error);
  }
}

async function draw(model: Model, seed: number): Promise<string> {
  const request = ask("Once", { maxTokens: 30, temperature: 1, seed });
  return (await model.generate(request, silent, never)).text;
}

function pidOf(model: Model): number {
  return model.state.kind === "ready" ? model.state.pid : 0;
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const STORY =
  ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball.";

describe.skipIf(!hasModelFiles)(
  "a model in its child process (needs ../shared/models)",
  SLOW,
  () => {
    let story: Model;
    let random: Model;

    beforeAll(async () => {
      story = await startModel(options("stories260K.gguf"), ports(), never);
      random = await startModel(
        options("tiny-random.gguf", { contextTokens: 1_024 }),
        ports(),
        never,
      );
    });
    afterAll(async () => {
      await story.close();
      await random.close();
    });

    it("[K12] answers with a tiny GGUF, the same text with a cold and a warm cache", async () => {
      const chunks: string[] = [];
      const request = ask("Once upon a time", { maxTokens: 60 });
      const cold = await story.generate(request, (text) => chunks.push(text), never);
      const warm = await story.generate(request, silent, never);
      expect(cold.text.startsWith(STORY)).toBe(true);
      expect(chunks.join("")).toBe(cold.text);
      expect(cold).toMatchObject({ finishReason: "length", completionTokens: 60, cachedTokens: 0 });
      expect(warm.text).toBe(cold.text);
      expect(warm.cachedTokens).toBeGreaterThan(0);
      expect(warm.cachedTokens).toBeGreaterThanOrEqual(warm.promptTokens - 1);
    });

    it("says how probable its words were: sure of its story, unsure at a temperature, silent with a grammar", async () => {
      const greedy = await story.generate(
        ask("Once upon a time", { maxTokens: 60 }),
        silent,
        never,
      );
      expect(greedy.confidence).toBeGreaterThan(0.6);
      expect(greedy.confidence).toBeLessThanOrEqual(1);
      const noise = ask("Once upon a time", { maxTokens: 60, temperature: 2, seed: 1 });
      const guessed = await story.generate(noise, silent, never);
      expect(guessed.confidence).toBeGreaterThan(0);
      expect(guessed.confidence).toBeLessThan((greedy.confidence ?? 0) - 0.2);
      // tiny-random.gguf has random weights: no token of its vocabulary is probable.
      const clueless = await random.generate(ask("hello", { maxTokens: 20 }), silent, never);
      expect(clueless.confidence).toBeGreaterThan(0);
      expect(clueless.confidence).toBeLessThan(0.2);
      const schema = ask("Once", { maxTokens: 40, jsonSchema: { type: "boolean" } });
      expect((await story.generate(schema, silent, never)).confidence).toBeUndefined();
    });

    it("uses the model's own chat template where it has one", async () => {
      expect(story.state).toMatchObject({ kind: "ready", facts: { hasChatTemplate: false } });
      expect(random.state).toMatchObject({ kind: "ready", facts: { hasChatTemplate: true } });
      const plain = await story.generate(ask("hello", { maxTokens: 1 }), silent, never);
      const chat = await random.generate(ask("hello", { maxTokens: 1 }), silent, never);
      expect(chat.promptTokens).toBeGreaterThan(plain.promptTokens + 5); // the template's words
    });

    it.each(["stories260K.gguf", "tiny-random.gguf"])(
      "reads a prompt that nearly fills the context of %s whole, and only once",
      async (file) => {
        await using model = await startModel(options(file), ports(), never);
        const sentence = file.startsWith("stories") ? "a little girl. " : "abc def ";
        const messages = [{ role: "user" as const, content: "" }];
        let prompt = { ...ask(""), messages, maxTokens: 1 };
        let cold = await model.generate(prompt, silent, never);
        for (let count = 1; cold.promptTokens < 480; count += 1) {
          prompt = { ...prompt, messages: [{ role: "user", content: sentence.repeat(count) }] };
          cold = await model.generate(prompt, silent, never);
        }
        const warm = await model.generate(prompt, silent, never);
        expect(warm.promptTokens).toBe(cold.promptTokens);
        expect(warm.cachedTokens).toBe(warm.promptTokens - 1);
        const longer = { ...prompt, maxTokens: 8 };
        const { cachedTokens } = await model.generate(longer, silent, never);
        expect(cachedTokens).toBe(warm.cachedTokens);
      },
    );

    it("stops before a stop text and says so", async () => {
      const request = ask("Once upon a time", { maxTokens: 60, stop: ["Lily"] });
      const { text, finishReason } = await story.generate(request, silent, never);
      expect(text).toBe(", there was a little girl named");
      expect(finishReason).toBe("stop");
    });

    it("gives the same random text for the same seed and another for another", async () => {
      const [one, again, other] = [
        await draw(story, 7),
        await draw(story, 7),
        await draw(story, 8),
      ];
      expect(again).toBe(one);
      expect(other).not.toBe(one);
    });

    it("never cuts a character in two between chunks", async () => {
      const chunks: string[] = [];
      const jsonSchema = { const: "🖨️ é 漢字 🧵" };
      const request = ask("hello", { maxTokens: 200, jsonSchema });
      const { text } = await random.generate(request, (chunk) => chunks.push(chunk), never);
      expect(JSON.parse(text)).toBe(jsonSchema.const);
      expect(chunks.join("")).toBe(text);
      expect(chunks.some((chunk) => chunk.includes("\uFFFD"))).toBe(false);
    });

    it("serves more requests than it has slots, in order, and refuses beyond the bound", async () => {
      const settled: number[] = [];
      const count = 2 + LIMIT.answersWaiting.max;
      const answers = Array.from({ length: count }, async (_, index) => {
        await story.generate(ask("Once", { maxTokens: 2 }), silent, never);
        settled.push(index);
      });
      expect([story.running, story.waiting]).toEqual([2, LIMIT.answersWaiting.max]);
      expect(await codeOf(story.generate(ask("Once"), silent, never))).toBe("busy");
      await Promise.all(answers);
      expect(settled.indexOf(count - 1)).toBeGreaterThan(settled.indexOf(0) + 10);
      expect([story.running, story.waiting]).toEqual([0, 0]);
    });

    it("[A93] frees the slot within 20 ms of an abort and keeps the text so far", async () => {
      const took: number[] = [];
      for (let round = 0; round < 5; round += 1) {
        const controller = new AbortController();
        let heard = "";
        let abortedMs = 0;
        const request = ask("Once upon a time", { maxTokens: 400 });
        const answer = await story.generate(
          request,
          (text) => {
            heard += text;
            if (heard.length < 50 || abortedMs > 0) return;
            abortedMs = performance.now();
            controller.abort();
          },
          controller.signal,
        );
        took.push(performance.now() - abortedMs);
        expect(answer.finishReason).toBe("cancelled");
        expect(answer.text.startsWith(", there was")).toBe(true);
        expect(story.running).toBe(0);
      }
      // The median: this machine is shared, one round may be late by no fault of ours.
      expect(took.toSorted((a, b) => a - b)[2]).toBeLessThan(20);
    });

    it("cancels a request that still waits without touching the running ones", async () => {
      const controller = new AbortController();
      const running = [1, 2].map(() =>
        story.generate(ask("Once", { maxTokens: 40 }), silent, never),
      );
      const waiting = story.generate(ask("Once"), silent, controller.signal);
      controller.abort();
      expect(await waiting).toMatchObject({ finishReason: "cancelled", text: "" });
      for (const answer of await Promise.all(running)) expect(answer.completionTokens).toBe(40);
    });

    it("refuses what cannot be answered and names the field", async () => {
      const tooLong = ask("word ".repeat(2_000), { maxTokens: 4 });
      expect(await codeOf(story.generate(tooLong, silent, never))).toBe("bad_request");
      const faults: Partial<GenerateRequest>[] = [
        { messages: [] },
        { maxTokens: 0 },
        { temperature: 3 },
        { topP: 0 },
        { seed: 0.5 },
        { jsonSchema: { not: {} } },
      ];
      for (const fault of faults) {
        expect(await codeOf(story.generate(ask("x", fault), silent, never))).toBe("bad_request");
      }
    });

    it("ends an answer at the end of the context instead of forgetting its beginning", async () => {
      const request = ask("Once upon a time", {
        maxTokens: 1_024,
        temperature: 1,
        seed: 3,
        stop: [],
      });
      const answer = await story.generate(request, silent, never);
      expect(answer.promptTokens + answer.completionTokens).toBeLessThanOrEqual(512);
    });

    it("survives kill -9 of the child: the running one fails, the waiting one is answered", async () => {
      const before = pidOf(story);
      let heard = false;
      const running = [1, 2].map(() =>
        codeOf(story.generate(ask("Once", { maxTokens: 400 }), () => (heard = true), never)),
      );
      const waiting = story.generate(ask("Once upon a time", { maxTokens: 30 }), silent, never);
      await eventually(() => heard);
      process.kill(before, "SIGKILL");
      expect(await Promise.all(running)).toEqual(["model_failed", "model_failed"]);
      expect((await waiting).text.startsWith(", there was a little girl")).toBe(true);
      expect(pidOf(story)).not.toBe(before);
    });
  },
);

describe.skipIf(!hasModelFiles)("a model that goes wrong (needs ../shared/models)", SLOW, () => {
  it("kills a child that is silent and says model_failed; the next request works", async () => {
    await using model = await startModel(
      options("stories260K.gguf", { firstTokenMs: 300 }),
      ports(),
      never,
    );
    const before = pidOf(model);
    process.kill(before, "SIGSTOP");
    expect(await codeOf(model.generate(ask("Once"), silent, never))).toBe("model_failed");
    expect(isAlive(before)).toBe(false);
    const answer: Generation = await model.generate(ask("Once", { maxTokens: 5 }), silent, never);
    expect(answer.completionTokens).toBe(5);
  });

  it("says out_of_memory when the child has too little, and the agent goes on", async () => {
    const starved = makeModel(options("stories260K.gguf"), ports(["--max-old-space-size=4"]));
    expect(["out_of_memory", "model_failed"]).toContain(await codeOf(starved.ready(never)));
    expect(starved.state).toMatchObject({ kind: "failed" });
    await starved.close();
  });

  it("opens fewer slots, or says out_of_memory, when the context is too large", async () => {
    const huge = makeModel(
      options("tiny-random.gguf", { slots: 64, contextTokens: 1_000_000 }),
      ports(),
    );
    const code = await codeOf(huge.ready(never));
    const slots = huge.state.kind === "ready" ? huge.state.facts.slots : 0;
    expect(code === "out_of_memory" || (slots >= 1 && slots <= 64)).toBe(true);
    await huge.close();
  });

  it("names the path of a file that is no model, and does not try it again", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gantry-models-"));
    try {
      const path = join(folder, "wrong.gguf");
      writeFileSync(path, "GGUF but not really");
      const model = makeModel(options("", { path }), ports());
      const error: unknown = await model.ready(never).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "model_invalid" });
      expect(String(error)).toContain(path);
      expect(model.state).toMatchObject({ kind: "failed", retryInMs: undefined });
      expect(await codeOf(model.generate(ask("x"), silent, never))).toBe("model_invalid");
      await model.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("ends its child when it is closed, and refuses afterwards", async () => {
    const model = await startModel(options("stories260K.gguf"), ports(), never);
    const pid = pidOf(model);
    const last = model.generate(ask("Once", { maxTokens: 20 }), silent, never);
    await model.close();
    expect((await last).completionTokens).toBe(20); // drained, not cut
    await eventually(() => !isAlive(pid));
    expect(await codeOf(model.generate(ask("x"), silent, never))).toBe("stopping");
    expect(model.state.kind).toBe("absent");
  });

  it("leaves no child behind when the agent is killed", async () => {
    const { spawn } = await import("node:child_process");
    const script = `
      import { startModel } from ${JSON.stringify(join(import.meta.dirname, "infer.ts"))};
      import { forkLlama } from ${JSON.stringify(join(import.meta.dirname, "../adapters/llama-process.ts"))};
      import { systemClock } from "@gantry/shared/flow/clock.ts";
      import { silentLogger } from "@gantry/shared/flow/logger.ts";
      const fork = (on) => forkLlama({ environment: {} }, on);
      const model = await startModel(${JSON.stringify(options("stories260K.gguf"))},
        { clock: systemClock, random: () => 0, log: silentLogger, fork }, new AbortController().signal);
      console.log(model.state.pid);
      setInterval(() => {}, 1000);`;
    const agent = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
      cwd: import.meta.dirname,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = await new Promise<number>((resolve) => {
      agent.stdout.on("data", (text: Buffer) => resolve(Number(text.toString())));
    });
    expect(isAlive(pid)).toBe(true);
    agent.kill("SIGKILL");
    await eventually(() => !isAlive(pid));
  });
});

it("does not load llama.cpp into the agent's own process", async () => {
  const { spawnSync } = await import("node:child_process");
  const script = `
    import { makeModel } from ${JSON.stringify(join(import.meta.dirname, "infer.ts"))};
    if (typeof makeModel !== "function") process.exit(2);
    console.log(process.report.getReport().sharedObjects.filter((name) => name.includes("llama")).length);`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", script], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  });
  expect(stdout.trim()).toBe("0");
});
