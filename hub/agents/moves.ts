// What a turn needs next, read off its row: the same answer after every crash.
//
// MV1. A step that is open comes before everything else: it is done or waited for, never passed over.
// MV2. Every path ends: by an answer, a refusal, or a budget.
// MV3. A call that is made three times in a row with the same arguments ends the turn.

import { type ErrorRecord } from "@gantry/shared/base/errors.ts";
import type { AgentStep, AgentTurnRow, AgentVoice } from "@gantry/shared/contract/agents.ts";

export type Move =
  | { readonly kind: "do"; readonly step: AgentStep }
  | { readonly kind: "rest" }
  | { readonly kind: "act"; readonly isAnswerOnly: boolean }
  /** These voices speak, at the same time; `heard` is what they know of the others. */
  | {
      readonly kind: "say";
      readonly voices: readonly AgentVoice[];
      readonly heard: readonly AgentStep[];
    }
  | { readonly kind: "merge"; readonly heard: readonly AgentStep[] }
  | { readonly kind: "end"; readonly text?: string; readonly error?: ErrorRecord };

const REPEATS_MAX = 3;

const spentUp = (what: string): Move => ({
  kind: "end",
  error: { code: "budget_spent", message: `The turn's ${what} spent before there was an answer` },
});

export function nextMove(row: AgentTurnRow, nowMs: number): Move {
  const last = row.steps.at(-1);
  if (last?.state === "waiting") return { kind: "rest" }; // MV1
  if (last?.state === "ready") return { kind: "do", step: last }; // MV1
  if (row.mode === "call") return endOfCall(last);
  const { budget, usage } = row;
  if (row.spentMs + (nowMs - row.sinceMs) >= budget.timeMs) return spentUp("time is");
  if (usage.promptTokens + usage.completionTokens >= budget.tokensMax) return spentUp("tokens are");
  if (usage.costMicroUsd > budget.costMaxMicroUsd) return spentUp("money is");
  switch (row.mode) {
    case "solo":
      if (notesAtEnd(row.steps) >= REPEATS_MAX) {
        return { kind: "end", error: { code: "model_failed", message: "The model gives no call" } };
      }
      if (repeats(row.steps)) {
        const message = "The model makes the same call again and again";
        return { kind: "end", error: { code: "conflict", message } }; // MV3
      }
      return { kind: "act", isAnswerOnly: row.steps.length >= budget.stepsMax };
    case "council":
      return rounds(row, 1);
    case "debate":
      return rounds(row, row.rounds);
    case "pipeline":
      return relay(row);
  }
}

function endOfCall(step: AgentStep | undefined): Move {
  const error = step?.error;
  return error === undefined ? { kind: "end", text: step?.result ?? "" } : { kind: "end", error };
}

/** Every voice speaks once a round and hears the rounds before; then the judge. */
function rounds({ steps, voices, budget }: AgentTurnRow, count: number): Move {
  const wanted = Math.min(count * voices.length, budget.stepsMax);
  if (steps.length >= wanted) return { kind: "merge", heard: steps };
  const place = steps.length % voices.length;
  const heard = steps.slice(0, steps.length - place);
  return { kind: "say", voices: voices.slice(place, place + wanted - steps.length), heard };
}

/** Each goes on with what the one before it said; what the last one says is the answer. */
function relay({ steps, voices, budget }: AgentTurnRow): Move {
  const voice = voices[steps.length];
  if (voice === undefined) return { kind: "end", text: steps.at(-1)?.result ?? "" };
  if (steps.length >= budget.stepsMax) return spentUp("steps are");
  return { kind: "say", voices: [voice], heard: steps.slice(-1) };
}

/** How often the model has given no call that could be taken, at the end of these steps. */
export function notesAtEnd(steps: readonly AgentStep[]): number {
  const last = steps.findLastIndex(({ kind }) => kind !== "say");
  return steps.length - 1 - last;
}

function repeats(steps: readonly AgentStep[]): boolean {
  const latest = steps.slice(-REPEATS_MAX);
  const [first] = latest;
  return (
    latest.length === REPEATS_MAX &&
    first?.kind === "tool" &&
    latest.every(
      ({ tool, argumentsSha256 }) =>
        tool === first.tool && argumentsSha256 === first.argumentsSha256,
    )
  );
}
