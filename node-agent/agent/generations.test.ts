// Answers and vectors of a whole node.

import { expect, test, vi } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { NodeMessage } from "@gantry/shared/contract/link.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { makeGenerations } from "./generations.ts";
import { holdAnswer } from "./held-answer.test.support.ts";
import { ask, fakeHands, generated, openAll, request, serving, WAIT } from "./node.test.support.ts";

// ── answers ─────────────────────────────────────────────────────────────────────────────────────

test("a generation streams its text and ends with one result", async () => {
  const { hub } = await openAll();
  hub.tell(ask("r1"));
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  expect(
    hub
      .saidOf("chunk")
      .map(({ text }) => text)
      .join(""),
  ).toBe("hello world");
  expect(hub.saidOf("generated")[0]?.result).toEqual(generated());
});

test("cancel reaches the model, and a model that is not held is capability_missing", async () => {
  const hands = fakeHands({
    generate: (_id, { model }, _onChunk, signal) =>
      new Promise((resolve, reject) => {
        if (model !== "tiny") reject(new GantryError("capability_missing", "not held"));
        signal.addEventListener("abort", () =>
          resolve(generated({ text: "", finishReason: "cancelled" })),
        );
      }),
  });
  const { hub } = await openAll(hands);
  hub.tell(ask("r1"), { type: "cancel", id: "r1" });
  hub.tell({ type: "generate", id: "r2", request: { ...request, messages: [], model: "none" } });
  await vi.waitFor(() => {
    expect(hub.saidOf("generated")[0]?.result.finishReason).toBe("cancelled");
    expect(hub.saidOf("failed")).toMatchObject([
      { id: "r2", error: { code: "capability_missing" } },
    ]);
  }, WAIT);
});

test("texts are embedded", async () => {
  const { hub } = await openAll();
  hub.tell({ type: "embed", id: "e1", texts: ["a", "b"] });
  const embedded = {
    type: "embedded",
    id: "e1",
    tag: "t",
    tokens: 0,
    vectors: [
      [1, 0],
      [1, 0],
    ],
  };
  await vi.waitFor(() => expect(hub.saidOf("embedded")).toEqual([embedded]), WAIT);
});

test("G1: a generation goes on while the hub is away and its result is told in the next session", async () => {
  const held = holdAnswer();
  const { hub, node } = await openAll(held.hands);
  hub.tell(ask("r1"));
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(1), WAIT);
  hub.link.drop("node_1");
  held.say("during ");
  await vi.waitFor(() => expect(hub.hellos).toHaveLength(2), WAIT);
  await serving(node);
  held.say("after");
  held.end();
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  expect(hub.saidOf("generated")[0]?.result.text).toBe("before during after");
  const texts = hub.saidOf("chunk").map(({ text }) => text);
  expect(texts.at(-1)).toBe("after");
});

// ── a hub that takes over, and a reader that is slow (G3, G4) ───────────────────────────────────

const withCredit = (credit: number) => ({
  type: "generate" as const,
  id: "r1",
  request: { ...request, messages: [] },
  credit,
});

test("[D9] G3: a hub that asks under the same id is told all that was said, and then the rest", async () => {
  const held = holdAnswer();
  const { hub } = await openAll(held.hands);
  hub.tell(ask("r1"));
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(1), WAIT);
  held.say("during ");
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(2), WAIT);
  hub.tell(ask("r1")); // as the next leader does
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(3), WAIT);
  held.say("after");
  held.end();
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  expect(hub.saidOf("chunk").map(({ seq, text }) => [seq, text])).toEqual([
    [0, "before "],
    [1, "during "],
    [0, "before during "],
    [1, "after"],
  ]);
});

test("G4: no chunk goes out beyond the credit, the model is told to wait, and goes on with more of it", async () => {
  const paces: boolean[] = [];
  let say: ((text: string) => void) | undefined;
  const ended = Promise.withResolvers<void>();
  const hands = fakeHands({
    generate: async (_id, _request, onChunk, signal, pace) => {
      pace?.listen((isHeld) => paces.push(isHeld), signal);
      say = onChunk;
      for (const text of ["a", "b", "c", "d"]) onChunk(text);
      await ended.promise;
      return generated({ text: "abcdefg" });
    },
  });
  const { hub } = await openAll(hands);
  hub.tell(withCredit(2));
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(2), WAIT);
  expect(paces).toEqual([true]);
  hub.tell({ type: "credit", id: "r1", upTo: 4 });
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(3), WAIT);
  expect(paces).toEqual([true, false]);
  say?.("ef");
  say?.("g");
  ended.resolve();
  hub.tell({ type: "credit", id: "r1", upTo: 9 });
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  expect(hub.saidOf("chunk").map(({ text }) => text)).toEqual(["a", "b", "cd", "ef", "g"]);
});

test("G4: who takes nothing for too long is given up, and hears why", async () => {
  const told: NodeMessage[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      if (ms !== TIMEOUT.creditMs) await systemClock.sleep(ms, signal);
    },
  };
  const hands = fakeHands({
    generate: (_id, _request, onChunk, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(generated({ finishReason: "cancelled" })));
        onChunk("a");
        onChunk("b");
      }),
  });
  const outbox = { tell: (message: NodeMessage) => told.push(message) > 0, use: () => {} };
  await using scope = makeScope(() => {});
  const generations = makeGenerations(hands, outbox, clock, scope);
  generations.generate(withCredit(1));
  await vi.waitFor(() => expect(told).toHaveLength(2), WAIT);
  expect(told).toMatchObject([
    { type: "chunk", seq: 0, text: "a" },
    { type: "failed", id: "r1", error: { code: "timeout" } },
  ]);
});
