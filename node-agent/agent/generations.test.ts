// Answers and vectors of a whole node.

import { expect, test, vi } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
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
