// What a schedule may start in a day (UTC), and the switch for all of them.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import type { RunBudget } from "@gantry/shared/contract/run-rows.ts";
import { allRead, type Context } from "../context.ts";
import { OF_RESULTS } from "../run-row.ts";
import type { Rows } from "../rows.ts";
import { narrowest, workloadFault } from "./run-budget.ts";

/** A flag of this name that is false switches every schedule off; each can be run by hand. */
export const SWITCH = "schedules.enabled";

export const isSwitchedOff = (rows: Rows): boolean => rows.get("flag", SWITCH)?.value === false;

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** How often it ran on the day of this command. */
export function todayOf(
  { nowMs }: Context,
  { today }: ScheduleRow,
): { readonly day: string; readonly runs: number } {
  const day = dayOf(nowMs);
  return today?.day === day ? today : { day, runs: 0 };
}

/** Throws budget_spent. */
export function checkBudget(context: Context, row: ScheduleRow): void {
  const { costPerDayMaxMicroUsd: costMax, runsPerDayMax } = row.policy;
  const { day, runs } = todayOf(context, row);
  // Costs are summed over the history: beyond its end nobody knows them.
  const runsMax = runsPerDayMax ?? (costMax === undefined ? Infinity : LIMIT.scheduleHistory.max);
  const midnightMs = Date.parse(day) + 86_400_000;
  const retryAfterS = Math.max(1, Math.ceil((midnightMs - context.nowMs) / 1_000));
  if (runs >= runsMax) {
    throw new GantryError("budget_spent", `${row.id} ran ${runs} times today, which is its bound`, {
      details: { runs, runsMax, retryAfterS },
    });
  }
  const workload = row.policy.workload ?? "scheduled";
  const spent = workloadFault(context, { workload, by: row.by });
  if (spent !== undefined && allRead(context, OF_RESULTS))
    throw new GantryError("budget_spent", `${row.id} waits: ${spent}`, {
      details: { workload, retryAfterS },
    });
  if (costMax === undefined) return;
  const costMicroUsd = costOfDay(context.rows, row.id, day);
  if (costMicroUsd < costMax) return;
  throw new GantryError("budget_spent", `${row.id} has spent its budget of the day`, {
    details: { costMicroUsd, costMaxMicroUsd: costMax, retryAfterS },
  });
}

/** What the answers of this day's firings have cost so far. */
export function costOfDay(rows: Rows, schedule: string, day: string): number {
  const made = rows.get("count", `firings/${schedule}`) ?? 0;
  let costMicroUsd = 0;
  for (let age = 1; age <= Math.min(made, LIMIT.scheduleHistory.max); age += 1) {
    const slot = `firings/${schedule}/${(made - age) % LIMIT.scheduleHistory.max}`;
    const firing = rows.get("firing", rows.get("order", slot) ?? "");
    if (firing === undefined || dayOf(firing.firedAtMs) !== day) break;
    if (firing.started?.type === "question") costMicroUsd += costOf(rows, firing.started.id);
    if (firing.started?.type === "run") costMicroUsd += costOfRun(rows, firing.started.id);
  }
  return costMicroUsd;
}

/** With those below it, where they were counted; so far, while it is under way. */
function costOfRun(rows: Rows, run: string): number {
  const row = rows.get("run", run);
  const usage = row?.usage ?? rows.get("runLine", run)?.usage;
  return Math.max(usage?.costMicroUsd ?? 0, Math.round((row?.spent?.costUsd ?? 0) * 1_000_000));
}

/** What a run of it may take: its own bounds, and what is left of the day (RB5 of run-budget.ts). */
export function runBudgetOf(
  context: Context,
  row: ScheduleRow,
  own: RunBudget | undefined,
): RunBudget | undefined {
  const { costPerDayMaxMicroUsd: costMax } = row.policy;
  if (costMax === undefined) return own;
  const { day } = todayOf(context, row);
  const leftMicroUsd = costMax - costOfDay(context.rows, row.id, day);
  return narrowest(own, { costUsd: Math.max(leftMicroUsd, 1) / 1_000_000 });
}

/** Of a question's answer; 0 while there is none. */
export function costOf(rows: Rows, question: string): number {
  const message = rows.get("answer", question);
  return message === undefined ? 0 : (rows.get("message", message)?.usage?.costMicroUsd ?? 0);
}
