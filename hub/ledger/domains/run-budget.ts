// What a run may take: money, tokens of models, time, tasks. Counted at each step, in the command that
// moves the run, so nothing that was paid for by one command is begun by it.
//
// RB1. What a run below another takes, each run above it takes too.
// RB2. A bound that is passed ends its run as failed with budget_exceeded: what runs is stopped, what was
//      done is undone. Nodes that undo are not counted: a run that is out of money still tidies up.
// RB3. At 80 % of a bound it is told, once for each bound of a run.
// RB4. The bounds are those of the start: a patch of the graph changes none.
// RB5. A run that a schedule started stops when the budget of its workload, or what its schedule may
//      spend in a day, is spent.

import type { RunBudget } from "@gantry/shared/contract/run-rows.ts";
import type { Context } from "../context.ts";
import type { PlaceUsage, RunRow } from "../run-row.ts";
import { ALERT_SHARE, budgetRoom } from "./budgets.ts";

export type BoundName = keyof RunBudget;

/** What a run has taken so far, those below it included. */
export interface RunSpent {
  readonly costUsd: number;
  readonly tokens: number;
  readonly tasks: number;
}
export const NOTHING_SPENT: RunSpent = { costUsd: 0, tokens: 0, tasks: 0 };

const BOUNDS = ["costUsd", "tokens", "tasks"] as const;

/** The narrower one of each bound. */
export function narrowest(...budgets: readonly (RunBudget | undefined)[]): RunBudget | undefined {
  const bounds = new Map<string, number>();
  for (const budget of budgets) {
    for (const [name, bound] of Object.entries(budget ?? {})) {
      if (bound === undefined) continue;
      bounds.set(name, Math.min(bound, bounds.get(name) ?? Infinity));
    }
  }
  return bounds.size === 0 ? undefined : Object.fromEntries(bounds);
}

export const addSpent = (
  spent: RunSpent,
  usage: PlaceUsage | undefined,
  tasks: number,
): RunSpent => ({
  costUsd: spent.costUsd + (usage?.costMicroUsd ?? 0) / 1_000_000,
  tokens: spent.tokens + (usage === undefined ? 0 : usage.promptTokens + usage.completionTokens),
  tasks: spent.tasks + tasks,
});

/** The bound that is passed, in words. */
export function passedBound({ budget = {} }: RunRow, spent: RunSpent): string | undefined {
  const name = BOUNDS.find((each) => spent[each] > (budget[each] ?? Infinity));
  return name === undefined ? undefined : `${name}: ${round(spent[name])} of ${budget[name]}`;
}

const round = (amount: number): number => Math.round(amount * 1_000_000) / 1_000_000;

/** RB3: the bounds of which 80 % are taken now and were not told. */
export const newAlerts = ({ budget = {}, alerted = [] }: RunRow, spent: RunSpent): BoundName[] =>
  BOUNDS.filter(
    (name) => spent[name] >= ALERT_SHARE * (budget[name] ?? Infinity) && !alerted.includes(name),
  );

/** When its time is over, ms since 1970. */
export const timeIsUpMs = ({ budget, createdAtMs }: RunRow): number | undefined =>
  budget?.timeMs === undefined ? undefined : createdAtMs + budget.timeMs;

/** RB5. Undefined where no such budget is set, or there is room. */
export function workloadFault(
  { rows, nowMs }: Pick<Context, "rows" | "nowMs">,
  { workload, by }: Pick<RunRow, "workload" | "by">,
): string | undefined {
  if (workload === undefined || rows.get("budget", `workload:${workload}`) === undefined)
    return undefined;
  const { leftMicroUsd, bound } = budgetRoom(rows, { person: by, workload }, nowMs);
  if (leftMicroUsd > 0) return undefined;
  return `the budget ${bound?.budget ?? "appliance"} is spent`;
}
