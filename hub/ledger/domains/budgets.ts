// Budgets: how much may be spent, and the counters by which that is judged.
//
// BU1. Nothing is spent without a budget of the appliance; every other budget narrows it.
// BU2. What is spent and what is reserved count together: a reservation that does not fit in any of its
//      budgets is refused, so the sum never passes a bound that was in force when it was made.
// BU3. At 80 % of a bound it is told, once for each period and bound.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import {
  BUDGET_ID,
  type BudgetRow,
  type BudgetUseRow,
  type Workload,
} from "@gantry/shared/contract/money.ts";
import { appendOrder, type Context, rowOf } from "../context.ts";
import type { Rows } from "../rows.ts";

export const ALERT_SHARE = 0.8;

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
export const monthOf = (day: string): string => day.slice(0, 7);

export function budgetSet(context: Context, command: CommandOf<"budgetSet">): unknown {
  const { budget: id, perDayMicroUsd, perMonthMicroUsd, actor: by } = command;
  if (!BUDGET_ID.test(id)) throw new GantryError("bad_request", `${id} names no budget`);
  const bounds = [perDayMicroUsd, perMonthMicroUsd].filter((bound) => bound !== undefined);
  const isFit = bounds.every((bound) => Number.isSafeInteger(bound) && bound >= 0);
  if (bounds.length === 0 || !isFit)
    throw new GantryError("bad_request", "A budget has a whole amount for the day or the month");
  const { rows, nowMs } = context;
  if (rows.get("budget", id) === undefined && rows.hot("budget").size >= LIMIT.budgets.max)
    throw new GantryError("busy", `There are ${LIMIT.budgets.max} budgets already`);
  const row: BudgetRow = {
    id,
    by,
    changedAtMs: nowMs,
    ...(perDayMicroUsd === undefined ? {} : { perDayMicroUsd }),
    ...(perMonthMicroUsd === undefined ? {} : { perMonthMicroUsd }),
  };
  rows.put("budget", id, row);
  context.audit("budget.set", id, { ...row });
  context.emit("budget.changed", id, row);
  return row;
}

export function budgetDropped(context: Context, command: CommandOf<"budgetDropped">): unknown {
  const { budget: id } = command;
  rowOf(context, "budget", id, "budget");
  context.rows.remove("budget", id);
  context.audit("budget.dropped", id);
  context.emit("budget.changed", id, { id, isDropped: true });
  return { ok: true };
}

// ── who may spend ───────────────────────────────────────────────────────────────────────────────

export interface Spender {
  readonly person: string;
  readonly workload: Workload;
}

/** What counters a call moves, whatever budgets there are. */
export const scopesOf = ({ person, workload }: Spender): readonly string[] => [
  "appliance",
  `person:${person}`,
  `workload:${workload}`,
];

/** A bound with what it counts. */
export interface Bound {
  readonly budget: string;
  readonly scope: string;
  readonly period: string;
  readonly maxMicroUsd: number;
}

function boundsOf(rows: Rows, spender: Spender, day: string): readonly Bound[] {
  return scopesOf(spender).flatMap((scope) => {
    const row =
      rows.get("budget", scope) ??
      (scope.startsWith("person:") ? rows.get("budget", "person:*") : undefined);
    if (row === undefined) return [];
    const each: readonly [string, number | undefined][] = [
      [day, row.perDayMicroUsd],
      [monthOf(day), row.perMonthMicroUsd],
    ];
    return each.flatMap(([period, maxMicroUsd]) =>
      maxMicroUsd === undefined ? [] : [{ budget: row.id, scope, period, maxMicroUsd }],
    );
  });
}

const NOTHING = { spentMicroUsd: 0, uncertainMicroUsd: 0, reservedMicroUsd: 0, calls: 0 };

export const useOf = (rows: Rows, scope: string, period: string): BudgetUseRow =>
  rows.get("budgetUse", `${scope}|${period}`) ?? { scope, period, ...NOTHING };

export interface Room {
  readonly leftMicroUsd: number;
  /** The narrowest bound; undefined where no budget of the appliance exists (BU1). */
  readonly bound: Bound | undefined;
}

/** What this spender may still spend at this time, reservations taken off. */
export function budgetRoom(rows: Rows, spender: Spender, nowMs: number): Room {
  const bounds = boundsOf(rows, spender, dayOf(nowMs));
  if (!bounds.some(({ scope }) => scope === "appliance"))
    return { leftMicroUsd: 0, bound: undefined };
  const rooms = bounds.map((bound) => ({ bound, leftMicroUsd: leftOf(rows, bound) }));
  return rooms.reduce((least, room) => (room.leftMicroUsd < least.leftMicroUsd ? room : least));
}

function leftOf(rows: Rows, { scope, period, maxMicroUsd }: Bound): number {
  const { spentMicroUsd, reservedMicroUsd } = useOf(rows, scope, period);
  return Math.max(0, maxMicroUsd - spentMicroUsd - reservedMicroUsd);
}

/** BU1, BU2. Throws budget_spent. */
export function checkRoom(context: Context, spender: Spender, worstMicroUsd: number): void {
  const { rows, nowMs } = context;
  const { leftMicroUsd, bound } = budgetRoom(rows, spender, nowMs);
  if (bound === undefined)
    throw new GantryError(
      "budget_spent",
      "Nothing may be spent on cloud providers: the appliance has no budget (gantry budget set appliance --day 5)",
    );
  if (worstMicroUsd <= leftMicroUsd) return;
  const { budget, period, maxMicroUsd } = bound;
  const endMs = period.length === 7 ? nextMonthMs(period) : Date.parse(period) + 86_400_000;
  throw new GantryError(
    "budget_spent",
    `The budget ${budget} has ${usd(leftMicroUsd)} of ${usd(maxMicroUsd)} left for ${period}; this call may cost ${usd(worstMicroUsd)}`,
    {
      details: {
        budget,
        period,
        leftMicroUsd,
        maxMicroUsd,
        worstMicroUsd,
        retryAfterS: Math.max(1, Math.ceil((endMs - nowMs) / 1_000)),
      },
    },
  );
}

function nextMonthMs(month: string): number {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return Date.UTC(year, number, 1);
}

const usd = (micro: number): string => `$${(micro / 1_000_000).toFixed(micro < 10_000 ? 6 : 2)}`;

// ── counters ────────────────────────────────────────────────────────────────────────────────────

export interface UseChange {
  readonly spentMicroUsd: number;
  readonly uncertainMicroUsd: number;
  readonly reservedMicroUsd: number;
  readonly calls: number;
}

/** Moves every counter of this spender, and tells of those that come to 80 % (BU3). */
export function count(context: Context, spender: Spender, day: string, change: UseChange): void {
  const { rows } = context;
  const bounds = boundsOf(rows, spender, day);
  for (const scope of scopesOf(spender)) {
    for (const period of [day, monthOf(day)]) {
      const id = `${scope}|${period}`;
      const before = rows.get("budgetUse", id);
      if (before === undefined) appendOrder(context, `budgetUse/${period}`, id);
      const moved = added(before ?? { scope, period, ...NOTHING }, change);
      const full = bounds.find((bound) => isNearlyFull(bound, moved));
      rows.cool(
        "budgetUse",
        id,
        full === undefined ? moved : { ...moved, alertedMicroUsd: full.maxMicroUsd },
      );
      if (full !== undefined) tell(context, full, moved);
    }
  }
}

const added = (row: BudgetUseRow, change: UseChange): BudgetUseRow => ({
  ...row,
  spentMicroUsd: row.spentMicroUsd + change.spentMicroUsd,
  uncertainMicroUsd: row.uncertainMicroUsd + change.uncertainMicroUsd,
  reservedMicroUsd: row.reservedMicroUsd + change.reservedMicroUsd,
  calls: row.calls + change.calls,
});

const isNearlyFull = (bound: Bound, use: BudgetUseRow): boolean =>
  bound.scope === use.scope &&
  bound.period === use.period &&
  use.alertedMicroUsd !== bound.maxMicroUsd &&
  use.spentMicroUsd + use.reservedMicroUsd >= bound.maxMicroUsd * ALERT_SHARE;

function tell(context: Context, bound: Bound, use: BudgetUseRow): void {
  const { budget, scope, period, maxMicroUsd } = bound;
  const { spentMicroUsd, reservedMicroUsd } = use;
  const told = { budget, scope, period, maxMicroUsd, spentMicroUsd, reservedMicroUsd };
  context.audit("budget.alert", budget, told);
  context.emit("budget.alert", budget, told);
}
