import { describe, expect, it } from "vitest";
import type { MessageRow } from "@gantry/shared/contract/rows.ts";
import { buildMessages, cacheKey } from "./prompt.ts";

const message = (set: Partial<MessageRow>): MessageRow => ({
  id: "msg_1",
  conversation: "cnv_1",
  seq: 0,
  role: "user",
  text: "hello",
  atMs: 0,
  requestId: "req_1",
  person: "ada",
  ...set,
});

describe("what a model is given", () => {
  it("[K6][K9] is the history, oldest first, and the question last", () => {
    const history = [message({ text: "one" }), message({ role: "assistant", text: "two" })];
    expect(buildMessages(history, "three", 100)).toEqual([
      { role: "user", content: "one" },
      { role: "assistant", content: "two" },
      { role: "user", content: "three" },
    ]);
  });

  it("[K9] stays within the budget by leaving out the oldest, never the question", () => {
    const history = Array.from({ length: 50 }, (_, seq) =>
      message({ seq, text: `${seq} ${"x".repeat(40)}` }),
    );
    const messages = buildMessages(history, "now?", 100);
    const chars = messages.reduce((sum, { content }) => sum + content.length, 0);
    expect(chars).toBeLessThanOrEqual(200);
    expect(messages.at(-1)?.content).toBe("now?");
    expect(messages.at(-2)?.content).toMatch(/^49 /);
    expect(buildMessages(history, "y".repeat(1_000), 100)).toHaveLength(1);
  });

  it("leaves out answers that failed", () => {
    const failed = message({
      role: "assistant",
      text: "",
      error: { code: "no_model", message: "none" },
    });
    expect(buildMessages([failed], "hi", 100)).toHaveLength(1);
  });
});

describe("[K35] the key of a cached answer", () => {
  const scope = {
    generation: 0,
    model: "m",
    maxTokens: 10,
    messages: [{ role: "user" as const, content: "How tall is it?" }],
  };

  it("is equal for the same question in other white space", () => {
    const spaced = {
      ...scope,
      messages: [{ role: "user" as const, content: "  How tall\n is it? " }],
    };
    expect(cacheKey(spaced)).toBe(cacheKey(scope));
  });

  it.each([
    ["generation", { generation: 1 }],
    ["model", { model: "n" }],
    ["length", { maxTokens: 11 }],
    ["seed", { seed: 1 }],
    ["stop", { stop: ["."] }],
    ["schema", { jsonSchema: { type: "object" } }],
    ["history", { messages: [{ role: "user" as const, content: "Hi" }, ...scope.messages] }],
    ["a number", { messages: [{ role: "user" as const, content: "How tall is it 2?" }] }],
    ["case", { messages: [{ role: "user" as const, content: "how tall is it?" }] }],
  ])("differs with another %s", (_what, change) => {
    expect(cacheKey({ ...scope, ...change })).not.toBe(cacheKey(scope));
  });
});
