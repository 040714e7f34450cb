// An answer of a model, for tests of the doors that speak other people's protocols.

import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import { writeCall } from "@gantry/shared/contract/tool-text.ts";

export const HEAT = writeCall("heat", '{"celsius": 200, "why": "a } and a \\" in it"}');
/** Words, then two calls. */
export const CALLS = `One moment.\n${HEAT}\n${writeCall("light", "{}")}`;

export const modelReply = (text: string, more: Partial<CompletionReply> = {}): CompletionReply => ({
  id: "msg_1",
  createdAtMs: 1_700_000_000_500,
  text,
  finishReason: "stop",
  routing: {
    tier: "local",
    model: "qwen",
    confidence: 1,
    cached: false,
    latencyMs: 12,
    reason: "",
    metadata: { firstTokenMs: 3, modelMs: 10 },
  },
  usage: { promptTokens: 9, completionTokens: 4, cachedTokens: 5, costMicroUsd: 0 },
  ...more,
});
