// The parent's side alone, with a child that does what each test says: no model file is needed.
import { GantryError } from "@gantry/shared/base/errors.ts";
import { BREAKER, RECONNECT } from "@gantry/shared/base/policy.ts";
import { type Clock, reasonOf, systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { expect, it } from "vitest";
import type { ChildEnd, ForkLlama } from "../adapters/llama-process.ts";
import { makeModel, type Model } from "./infer.ts";
import type { FromChild, Generation, ModelFacts, ToChild } from "./llama-protocol.ts";

const never = new AbortController().signal;

const FACTS: ModelFacts = {
  slots: 1,
  contextTokens: 512,
  threads: 1,
  gpu: "none",
  hasChatTemplate: false,
  memoryBytes: 1,
  loadMs: 1,
};

const WHOLE: Generation = {
  text: "ok",
  finishReason: "stop",
  promptTokens: 1,
  completionTokens: 1,
  cachedTokens: 0,
  firstTokenMs: 1,
  totalMs: 1,
};

interface FakeChild {
  readonly heard: ToChild[];
  say(message: FromChild): void;
  end(end?: Partial<ChildEnd>): void;
}

/** `script` is called for each message to the child of the given life, 1 first. */
function fakeFork(script: (message: ToChild, child: FakeChild, life: number) => void) {
  const lives: FakeChild[] = [];
  const fork: ForkLlama = (onMessage) => {
    const ended = Promise.withResolvers<ChildEnd>();
    const child: FakeChild = {
      heard: [],
      say: onMessage,
      end: (end) => ended.resolve({ code: 1, signal: null, lastWords: "", ...end }),
    };
    lives.push(child);
    const life = lives.length;
    return {
      pid: life,
      send(message) {
        child.heard.push(message);
        queueMicrotask(() => script(message, child, life));
        return true;
      },
      kill: () => child.end({ code: null, signal: "SIGKILL" }),
      ended: ended.promise,
    };
  };
  return { fork, lives };
}

/** Sleeps of a restart pass at once and are noted; all others last until they are aborted. */
function restartClock(): { clock: Clock; delaysMs: number[] } {
  const delaysMs: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      if (ms <= RECONNECT.maxMs || ms === BREAKER.openMs) {
        delaysMs.push(ms);
        if (delaysMs.length < 8) return;
      }
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => aborted.reject(reasonOf(signal)), { once: true });
      await aborted.promise;
    },
  };
  return { clock, delaysMs };
}

function modelWith(fork: ForkLlama, clock: Clock = restartClock().clock): Model {
  const ports = { clock, random: () => 0, log: silentLogger, fork };
  return makeModel({ path: "/models/fake.gguf", name: "fake" }, ports);
}

const ask = (model: Model, signal: AbortSignal = never): Promise<Generation> => {
  const messages = [{ role: "user" as const, content: "hello" }];
  return model.generate({ requestId: "r", messages }, () => {}, signal);
};

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => (error instanceof GantryError ? error.code : String(error)),
  );

async function eventually(isSo: () => boolean): Promise<void> {
  const deadline = systemClock.timeout(2_000);
  while (!isSo()) await systemClock.sleep(1, deadline);
}

it("waits longer after each failed start, then once a minute (I2)", async () => {
  const { clock, delaysMs } = restartClock();
  const { fork } = fakeFork((_, child) => child.end());
  await using model = modelWith(fork, clock);
  expect(await codeOf(ask(model))).toBe("model_failed");
  await eventually(() => delaysMs.length === 8);
  expect(delaysMs).toEqual([50, 100, 200, 400, 60_000, 60_000, 60_000, 60_000]);
});

it("begins with short waits again once the child has served", async () => {
  const { clock, delaysMs } = restartClock();
  const { fork } = fakeFork((message, child) => {
    if (message.kind === "load") child.say({ kind: "ready", facts: FACTS });
    if (message.kind !== "generate") return;
    child.say({ kind: "done", id: message.id, generation: WHOLE });
    child.end();
  });
  await using model = modelWith(fork, clock);
  for (let round = 0; round < 3; round += 1) expect((await ask(model)).text).toBe("ok");
  await eventually(() => delaysMs.length >= 3);
  expect(delaysMs.slice(0, 3)).toEqual([50, 50, 50]);
});

it("never tries a file again that is no model (I4)", async () => {
  const error = { code: "model_invalid", message: "no model" } as const;
  const { fork, lives } = fakeFork((_, child) => child.say({ kind: "refused", error }));
  await using model = modelWith(fork);
  expect(await codeOf(ask(model))).toBe("model_invalid");
  expect(await codeOf(ask(model))).toBe("model_invalid");
  expect(lives.length).toBe(1);
});

it("tells running requests to try again even if the child cannot come back", async () => {
  const { fork } = fakeFork((message, child) => {
    if (message.kind === "load") child.say({ kind: "ready", facts: FACTS });
    if (message.kind === "generate") child.end({ lastWords: "terminate: std::bad_alloc\n" });
  });
  await using model = modelWith(fork);
  expect(await codeOf(ask(model))).toBe("out_of_memory");
});

it("replaces a child whose memory ran out in an answer, and what waits goes to the next one (I7)", async () => {
  const error = { code: "out_of_memory", message: "llama.cpp failed: bad_alloc" } as const;
  const { fork, lives } = fakeFork((message, child, life) => {
    if (message.kind === "load") child.say({ kind: "ready", facts: FACTS });
    if (message.kind !== "generate") return;
    if (life === 1) child.say({ kind: "failed", id: message.id, error });
    else child.say({ kind: "done", id: message.id, generation: WHOLE });
  });
  await using model = modelWith(fork);
  const [first, second] = [codeOf(ask(model)), codeOf(ask(model))];
  expect([await first, await second]).toEqual(["out_of_memory", "no error"]);
  expect(lives.length).toBe(2);
  expect(lives[0]?.heard.map(({ kind }) => kind)).toEqual(["load", "generate"]);
});

it("replaces a child that fails twice in a row, and none that answers in between or refuses (I7)", async () => {
  const script = ["f", "ok", "f", "bad", "ok", "f", "bad", "f", "ok"];
  let asked = 0;
  const { fork, lives } = fakeFork((message, child) => {
    if (message.kind === "load") child.say({ kind: "ready", facts: FACTS });
    if (message.kind !== "generate") return;
    const { id } = message;
    const step = script[asked];
    asked += 1;
    const code = step === "bad" ? "bad_request" : "model_failed";
    if (step === "ok") child.say({ kind: "done", id, generation: WHOLE });
    else child.say({ kind: "failed", id, error: { code, message: "llama.cpp failed" } });
  });
  await using model = modelWith(fork);
  const counts: number[] = [];
  for (const _ of script) {
    await codeOf(ask(model));
    counts.push(lives.length);
  }
  expect(counts).toEqual([1, 1, 1, 1, 1, 1, 1, expect.any(Number), 2]);
});

it("ignores words about a request that is settled", async () => {
  const { fork, lives } = fakeFork((message, child) => {
    if (message.kind === "load") child.say({ kind: "ready", facts: FACTS });
    if (message.kind !== "generate") return;
    child.say({ kind: "done", id: message.id, generation: WHOLE });
    child.say({ kind: "chunk", id: message.id, text: "late" });
    child.say({ kind: "done", id: message.id, generation: WHOLE });
  });
  await using model = modelWith(fork);
  expect((await ask(model)).text).toBe("ok");
  expect(model.running).toBe(0);
  expect((await ask(model)).text).toBe("ok");
  expect(lives.length).toBe(1);
});

it("sends an abort before, during and after the answer to the right place", async () => {
  const { fork, lives } = fakeFork((message, child) => {
    if (message.kind === "load") child.say({ kind: "ready", facts: FACTS });
    if (message.kind !== "cancel") return;
    const generation: Generation = { ...WHOLE, finishReason: "cancelled" };
    child.say({ kind: "done", id: message.id, generation });
  });
  await using model = modelWith(fork);
  await model.ready(never);
  const [running, waiting] = [new AbortController(), new AbortController()];
  const answers = [ask(model, running.signal), ask(model, waiting.signal)];
  expect([model.running, model.waiting]).toEqual([1, 1]);
  waiting.abort();
  running.abort();
  running.abort();
  const reasons = (await Promise.all(answers)).map((answer) => answer.finishReason);
  expect(reasons).toEqual(["cancelled", "cancelled"]);
  const aborted = new AbortController();
  aborted.abort();
  expect((await ask(model, aborted.signal)).finishReason).toBe("cancelled");
  const kinds = lives[0]?.heard.map((message) => message.kind);
  expect(kinds).toEqual(["load", "generate", "cancel"]);
});

it("closes while the child loads, and twice", async () => {
  const { fork } = fakeFork(() => {});
  const model = modelWith(fork);
  const answer = codeOf(ask(model));
  await Promise.all([model.close(), model.close()]);
  expect(await answer).toBe("stopping");
  expect(await codeOf(model.ready(never))).toBe("stopping");
});
