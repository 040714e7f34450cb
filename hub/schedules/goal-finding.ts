// Which failures are worth a goal, and whether one was reached. Pure.
//
// GF1. A goal needs GOAL_FAILURES_MIN failures of one kind within thirty days, and an impact of
//      GOAL_IMPACT_MIN. The impact weighs how many there were (up to 60 points, all of them at ten) and
//      what share of the workflow's runs they are (up to 40 points).

import type { GoalDraft, GoalEvidence, GoalOutcome } from "@gantry/shared/contract/goals.ts";

export const GOAL_DAYS = 30;
export const GOAL_FAILURES_MIN = 3;
export const GOAL_IMPACT_MIN = 50;
const FAILURES_FULL = 10;
const COUNT_POINTS = 60;
const SHARE_POINTS = 40;

/** Sums of one workflow over the time that is looked at. */
export interface WorkflowHistory {
  readonly workflow: string;
  /** Ended ones. */
  readonly runs: number;
  /** By the code of their fault. */
  readonly faults: Readonly<Record<string, number>>;
}

/** 0 to 100. */
export function impactOf(failures: number, runs: number): number {
  if (runs <= 0 || failures <= 0) return 0;
  const count = COUNT_POINTS * Math.min(1, failures / FAILURES_FULL);
  return Math.round(count + SHARE_POINTS * Math.min(1, failures / runs));
}

/** The most important first; `id` makes the id of a goal of its key. */
export function goalsFrom(
  history: readonly WorkflowHistory[],
  id: (key: string) => string,
): readonly GoalDraft[] {
  return history
    .flatMap(({ workflow, runs, faults }) =>
      Object.entries(faults).map(([code, failures]) => ({
        workflow,
        code,
        failures,
        runs,
        days: GOAL_DAYS,
      })),
    )
    .map((evidence) => ({ evidence, impact: impactOf(evidence.failures, evidence.runs) }))
    .filter(
      ({ evidence, impact }) => evidence.failures >= GOAL_FAILURES_MIN && impact >= GOAL_IMPACT_MIN, // GF1
    )
    .toSorted((a, b) => b.impact - a.impact || (keyOf(a.evidence) < keyOf(b.evidence) ? -1 : 1))
    .map(({ evidence, impact }) => {
      const key = keyOf(evidence);
      return { goal: id(key), key, impact, evidence, ...wordsOf(evidence) };
    });
}

const keyOf = ({ workflow, code }: GoalEvidence): string => `${workflow}/${code}`;

const wordsOf = ({ workflow, code, failures, runs, days }: GoalEvidence) => ({
  title: `${workflow === "" ? "Runs without a name" : workflow} should not fail with ${code}`,
  description: `${failures} of ${runs} runs in ${days} days failed with ${code}.`,
});

const perHundred = (failures: number, runs: number): number =>
  Math.round((failures / Math.max(1, runs)) * 10_000) / 100;

/** Undefined before there was a run to judge by. */
export function outcomeOf(
  evidence: GoalEvidence,
  since: WorkflowHistory | undefined,
): Omit<GoalOutcome, "measuredAtMs"> | undefined {
  if (since === undefined || since.runs === 0) return undefined;
  const before = perHundred(evidence.failures, evidence.runs);
  const after = perHundred(since.faults[evidence.code] ?? 0, since.runs);
  return { before, since: after, runsSince: since.runs, isBetter: after < before };
}
