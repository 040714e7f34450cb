// Bodies of other people's clients, by chance: each is read, or refused with the parameter's path.

import fc from "fast-check";
import { expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { readChat } from "./chat-request.ts";
import { readCompletion } from "./completions.ts";
import { completionOf, readResponse } from "./response-request.ts";

/** True for none, or for a refusal that names a parameter. */
function endsWell(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    return error instanceof GantryError && typeof error.details["param"] === "string";
  }
}

const FIELDS = [
  "messages",
  "input",
  "prompt",
  "tools",
  "tool_choice",
  "response_format",
  "text",
  "stop",
  "n",
  "seed",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "stream_options",
  "max_tokens",
  "metadata",
  "include",
] as const;
const BASE = { messages: [{ role: "user", content: "a" }], input: "a", prompt: "a" };
const message = fc.record(
  {
    type: fc.constantFrom("message", "function_call", "function_call_output", "reasoning", "x"),
    role: fc.constantFrom("user", "assistant", "tool", "system", "robot"),
    content: fc.oneof(
      fc.string(),
      fc.jsonValue(),
      fc.array(
        fc.record({ type: fc.constantFrom("text", "input_text", "image_url"), text: fc.string() }),
      ),
    ),
    tool_calls: fc.jsonValue(),
    tool_call_id: fc.string(),
    call_id: fc.string(),
    name: fc.string(),
    arguments: fc.string(),
    output: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

it("never fail otherwise than by a refusal that names the parameter", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...FIELDS),
      fc.oneof(fc.jsonValue(), fc.array(message, { maxLength: 4 })),
      (field, value) => {
        const body = { ...BASE, [field]: value };
        expect(endsWell(() => readChat(body))).toBe(true);
        expect(endsWell(() => readCompletion(body, () => 0))).toBe(true);
        expect(endsWell(() => completionOf(readResponse(body), []))).toBe(true);
      },
    ),
    { numRuns: 3_000 },
  );
});
