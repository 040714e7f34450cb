// The tiers of an answer, in their order. Each is a small function behind one type; what each one did
// with a question, and why, is kept with the answer.
//
//   rule -> exact cache -> semantic cache -> agent loop -> loaded model -> another machine's model ->
//   model that must be loaded -> research over MCP -> cloud
//
// T1. One tier answers. A tier that was passed over or that failed leaves its reason.
// T2. Once text has been said, no other tier says anything: a failure after that is the question's.
// T3. What the next tier could not do better ends the question: a request that is wrong, a refusal.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteStep, TierStep } from "@gantry/shared/contract/route.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import type { ModelQuestion } from "./model-answer.ts";
import type { Decision, Plan } from "./plan.ts";

/** One question on its way through the tiers. */
export interface Turn {
  readonly plan: Plan;
  /** What a model would be given: messages, bounds, and the key of the exact cache. */
  readonly asked: ModelQuestion;
  /** `asked` with what the memory adds; made once, at the first tier that asks for it. */
  readonly enriched: (signal: AbortSignal) => Promise<ModelQuestion>;
  /** Text goes out through this alone (T2). */
  readonly say: (text: string) => void;
  readonly hasSaid: boolean;
  /** Keeps what a tier found out beside its own step: who was ruled out, who failed. */
  readonly note: (step: RouteStep) => void;
  /** What was noted since the last time. */
  readonly takeNotes: () => readonly RouteStep[];
}

export type Outcome =
  | { readonly kind: "taken"; readonly decision: Decision }
  | { readonly kind: "passed"; readonly why: string }
  /** Not as sure as is wanted: taken if no later tier is surer. Nothing of it was said. */
  | { readonly kind: "unsure"; readonly decision: Decision; readonly why: string };

export interface AnswerTier {
  readonly tier: TierStep;
  /** Throws what went wrong; the next tier is tried where that makes sense (T2, T3). */
  readonly answer: (turn: Turn, signal: AbortSignal) => Promise<Outcome>;
  /** Its failure is the question's: what was ordered must not become talk with a model. */
  readonly isFinal?: true;
}

export const taken = (decision: Decision): Outcome => ({ kind: "taken", decision });
export const unsure = (decision: Decision, why: string): Outcome => ({
  kind: "unsure",
  decision,
  why,
});
export const passed = (why: string): Outcome => ({ kind: "passed", why });

export interface Answered {
  readonly decision: Decision;
  /** Of every tier up to the one that answered. */
  readonly steps: readonly RouteStep[];
}

/** Throws what the last tier that tried failed with, or no_model where none tried. */
export async function runTiers(
  tiers: readonly AnswerTier[],
  turn: Turn,
  signal: AbortSignal,
): Promise<Answered> {
  const steps: RouteStep[] = [];
  let failure: unknown;
  let best: Decision | undefined;
  for (const { tier, answer, isFinal } of tiers) {
    try {
      const outcome = await answer(turn, signal);
      steps.push(...turn.takeNotes());
      if (outcome.kind === "passed") {
        steps.push({ tier, outcome: "skipped", reason: outcome.why });
        continue;
      }
      const { decision } = outcome;
      if (outcome.kind === "unsure") {
        if ((decision.confidence ?? 0) >= (best?.confidence ?? 0)) best = decision;
        steps.push({ tier, outcome: "skipped", reason: outcome.why });
        continue;
      }
      return { decision, steps: [...steps, { tier, outcome: "taken", reason: decision.reason }] };
    } catch (error) {
      if (isFinal || turn.hasSaid || signal.aborted || !mayPass(error)) throw error; // T2, T3
      failure = error;
      steps.push(...turn.takeNotes());
      steps.push({ tier, outcome: "failed", reason: reasonOf(error) });
    }
  }
  if (best !== undefined) {
    turn.say(best.text);
    return { decision: { ...best, reason: `${best.reason}; nobody was surer` }, steps };
  }
  throw failure ?? noTier(steps);
}

/** T3. `capability_missing`: this tier has nobody who could; another one may. */
const mayPass = (error: unknown): boolean =>
  isRetryable(error) ||
  (error instanceof GantryError &&
    ["no_model", "capability_missing", "budget_spent", "provider_off"].includes(error.code));

/** The message of a fault that is ours; of any other the code alone, for its text may hold anything. */
const reasonOf = (error: unknown): string =>
  error instanceof GantryError ? `${error.code}: ${error.message}`.slice(0, 300) : "internal";

function noTier(steps: readonly RouteStep[]): GantryError {
  const last = steps.at(-1);
  const why = last === undefined ? "" : ` (${last.tier}: ${last.reason})`;
  return new GantryError("no_model", `Nothing here can answer this question${why}`);
}
