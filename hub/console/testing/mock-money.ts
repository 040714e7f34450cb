// Test equipment: budgets and providers of a workshop that does not exist.

import type { MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import type { ReplyOf } from "@gantry/shared/contract/schemas/table.ts";

const CHANGED = "2026-11-20T09:12:00.000Z";

const useOf = (period: string, maxUsd: number, spentUsd: number, reservedUsd: number) => ({
  period,
  maxUsd,
  spentUsd,
  uncertainUsd: 0,
  reservedUsd,
  calls: 41,
});

export const MOCK_BUDGETS: ReplyOf<"budgets"> = {
  budgets: [
    {
      id: "appliance",
      perDayUsd: 5,
      perMonthUsd: 60,
      by: "mara",
      changedAt: CHANGED,
      use: [
        useOf("2026-11-21", 5, 4.21, 0.0102),
        { ...useOf("2026-11", 60, 22.4, 0.0102), uncertainUsd: 0.031 },
      ],
    },
    { id: "person:*", perDayUsd: 1, by: "mara", changedAt: CHANGED, use: [] },
    {
      id: "workload:exploration",
      perDayUsd: 0.5,
      by: "mara",
      changedAt: CHANGED,
      use: [useOf("2026-11-21", 0.5, 0.5, 0)],
    },
  ],
  reserved: [
    {
      id: "rsv_1",
      person: "jon",
      workload: "interactive",
      provider: "openai",
      model: "gpt-4o",
      worstUsd: 0.0102,
      at: CHANGED,
    },
  ],
};

const model = { contextTokens: 128_000, answerTokensMax: 4_096, seesImages: true };

export const MOCK_PROVIDERS: ReplyOf<"providers"> = {
  defaultClass: "local-only",
  providers: [
    {
      name: "openai",
      hasKey: true,
      isUp: true,
      models: [{ ...model, name: "gpt-4o", inputUsdPerMillion: 2.5, outputUsdPerMillion: 10 }],
    },
    {
      name: "anthropic",
      hasKey: false,
      isUp: true,
      models: [{ ...model, name: "claude", inputUsdPerMillion: 3, outputUsdPerMillion: 15 }],
    },
  ],
};

/** An answer of the agent loop, which looked at a document of the house. */
export const MOCK_WORKED: MessageView = {
  id: "msg_worked",
  seq: 3,
  role: "assistant",
  text: "The bed of ender still holds a part [1].",
  at: CHANGED,
  requestId: "req_worked",
  routing: {
    tier: "local",
    model: "qwen2.5-7b-instruct-q4_k_m",
    confidence: 0.8,
    cached: false,
    latencyMs: 4_210,
    reason: "the agent loop, 2 steps",
    metadata: { turn: "trn_bed", steps: 2, state: "done", sources: "[1] beds.md · [2] ender.pdf" },
  },
  usage: { promptTokens: 812, completionTokens: 64, cachedTokens: 0, costMicroUsd: 0 },
};

/** An answer that a provider gave after one of this house had failed. */
export const MOCK_BOUGHT: MessageView = {
  id: "msg_bought",
  seq: 1,
  role: "assistant",
  text: "Dry the filament, and lower the nozzle by 5 °C.",
  at: CHANGED,
  requestId: "req_bought",
  routing: {
    tier: "frontier",
    model: "gpt-4o",
    confidence: 0,
    cached: false,
    latencyMs: 1_840,
    reason: "no machine of the house could answer",
    metadata: { provider: "openai", finishReason: "stop", confidence: "unknown", redactions: 2 },
    route: [
      { tier: "rule", outcome: "skipped", reason: "the sentence is no built-in intent" },
      { tier: "exactCache", outcome: "skipped", reason: "not answered lately" },
      { tier: "loaded", outcome: "failed", reason: "busy: 64 questions wait before this one" },
      { tier: "cloud", outcome: "failed", target: "anthropic/claude", reason: "it has no key" },
      { tier: "cloud", outcome: "taken", reason: "no machine of the house could answer" },
    ],
  },
  usage: { promptTokens: 412, completionTokens: 96, cachedTokens: 0, costMicroUsd: 1_990 },
};
