// What is owed to a schedule now. Pure: read off its row again and again, so that a restart or another
// leader finds the same step.
//
// PL1. A step moves the row's next instant or takes its queued one: the same step is never found twice.
// PL2. An instant later than the policy's lateMs is one that was missed; catchUp says what becomes of it.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import type { Calendar } from "./calendar.ts";
import { countDue, dueBetween, nextAfter } from "./next.ts";

export type Step =
  | {
      readonly kind: "fire";
      readonly plannedMs: number;
      readonly why: "due" | "catch-up";
      readonly nextMs: number | undefined;
    }
  | {
      readonly kind: "pass";
      readonly fromMs: number;
      readonly toMs: number;
      readonly count: number;
      readonly nextMs: number | undefined;
    };

type Planned = Pick<ScheduleRow, "id" | "when" | "policy" | "state"> & {
  readonly nextMs?: number | undefined;
};

/** When the next instant of the schedule is to be started; undefined: never. */
export function dueAtMs({ id, policy, state, nextMs }: Planned): number | undefined {
  if (state !== "active" || nextMs === undefined) return undefined;
  return nextMs + jitterMs(id, nextMs, policy.jitterMs);
}

/** 0 to `maxMs`, the same on every hub and after every restart. */
export function jitterMs(id: string, plannedMs: number, maxMs: number): number {
  if (maxMs <= 0) return 0;
  return Number.parseInt(sha256(`${id}/${plannedMs}`).slice(0, 12), 16) % (maxMs + 1);
}

/** The instant after `ms` within the policy's end date. */
export function nextWithin(
  { when, policy }: Pick<ScheduleRow, "when" | "policy">,
  ms: number,
  calendar: Calendar,
): number | undefined {
  const next = nextAfter(when, ms, calendar);
  return next !== undefined && next <= (policy.endsAtMs ?? Infinity) ? next : undefined;
}

/** What to do now; undefined: nothing before dueAtMs. */
export function nextStep(row: Planned, nowMs: number, calendar: Calendar): Step | undefined {
  const { nextMs, policy, when } = row;
  const dueMs = dueAtMs(row);
  if (nextMs === undefined || dueMs === undefined || dueMs > nowMs) return undefined;
  const fire = (plannedMs: number, why: "due" | "catch-up"): Step => ({
    kind: "fire",
    plannedMs,
    why,
    nextMs: nextWithin(row, plannedMs, calendar),
  });
  if (nowMs - dueMs <= policy.lateMs) return fire(nextMs, "due");

  // PL2: `nextMs` was missed, and so was all up to `lastMissedMs`.
  const lastMissedMs = Math.max(
    nextMs,
    Math.min(nowMs - policy.lateMs - policy.jitterMs, policy.endsAtMs ?? Infinity),
  );
  const keptMax = policy.catchUp === "once" ? 1 : policy.catchUpMax;
  const first =
    policy.catchUp === "skip"
      ? undefined
      : dueBetween(when, nextMs - 1, lastMissedMs, keptMax, calendar).instants[0];
  if (first === nextMs) return fire(nextMs, "catch-up");
  const toMs = first === undefined ? lastMissedMs : first - 1;
  return {
    kind: "pass",
    fromMs: nextMs,
    toMs,
    count: countDue(when, nextMs - 1, toMs, LIMIT.missedCounted.max, calendar),
    nextMs: first ?? nextWithin(row, toMs, calendar),
  };
}
