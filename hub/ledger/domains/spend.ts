// Money for one call of a cloud provider: reserved before it, settled after it.
//
// SP1. A reservation is settled exactly once; whoever comes second is refused.
// SP2. The price that was reserved is the most that the call may cost. What the provider reports is
//      counted as it is, even if that is more: the books tell the truth, and the audit says `over`.
// SP3. A reservation of an earlier reign is settled at its worst case (hub/ask/cloud-money.ts): its call
//      may have been made, and nobody is left who heard what it came to.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { ReservationRow, Settlement } from "@gantry/shared/contract/money.ts";
import { checkNew, type Context } from "../context.ts";
import { checkRoom, count, dayOf } from "./budgets.ts";

/** Throws budget_spent, busy, bad_request. */
export function spendReserved(context: Context, command: CommandOf<"spendReserved">): unknown {
  const { rows, nowMs } = context;
  const { reservation: id, person, workload, provider, model, worstMicroUsd, term } = command;
  checkNew(context, "reservation", id, "reservation");
  if (!Number.isSafeInteger(worstMicroUsd) || worstMicroUsd < 0)
    throw new GantryError("bad_request", "A price is a whole number of millionths, 0 or more");
  if (rows.hot("reservation").size >= LIMIT.reservations.max)
    throw new GantryError("busy", `${LIMIT.reservations.max} calls of providers are under way`, {
      details: { retryAfterS: 5 },
    });
  checkRoom(context, { person, workload }, worstMicroUsd);
  const day = dayOf(nowMs);
  const row: ReservationRow = {
    id,
    person,
    workload,
    provider,
    model,
    worstMicroUsd,
    atMs: nowMs,
    day,
    term,
    ...(command.question === undefined ? {} : { question: command.question }),
  };
  rows.put("reservation", id, row);
  count(context, row, day, {
    spentMicroUsd: 0,
    uncertainMicroUsd: 0,
    reservedMicroUsd: worstMicroUsd,
    calls: 0,
  });
  return { reservation: id, worstMicroUsd };
}

/** Throws conflict (SP1), bad_request. */
export function spendSettled(context: Context, command: CommandOf<"spendSettled">): unknown {
  const row = openReservation(context, command.reservation);
  const { how, costMicroUsd } = command;
  if ((how === "reported") !== (costMicroUsd !== undefined))
    throw new GantryError("bad_request", "What was reported has a cost, and nothing else has");
  return settle(context, row, how, costMicroUsd);
}

/** SP1. Throws conflict. */
export function openReservation({ rows }: Context, id: string): ReservationRow {
  const row = rows.hot("reservation").get(id);
  if (row === undefined) throw new GantryError("conflict", `${id} was settled already`);
  return row;
}

/** Never throws: whoever calls has checked. */
export function settle(
  context: Context,
  row: ReservationRow,
  how: Settlement,
  reportedMicroUsd = 0,
): { readonly costMicroUsd: number } {
  const { id, worstMicroUsd, provider, model, person, day } = row;
  const cost = { reported: reportedMicroUsd, worst: worstMicroUsd, released: 0 }[how];
  assert(cost >= 0, "a cost is not negative");
  context.rows.remove("reservation", id);
  count(context, row, day, {
    spentMicroUsd: cost,
    uncertainMicroUsd: how === "worst" ? cost : 0,
    reservedMicroUsd: -worstMicroUsd,
    calls: how === "released" ? 0 : 1,
  });
  context.audit("spend.settled", id, {
    provider,
    model,
    person,
    how,
    costMicroUsd: cost,
    ...(cost > worstMicroUsd ? { over: cost - worstMicroUsd } : {}), // SP2
  });
  return { costMicroUsd: cost };
}
