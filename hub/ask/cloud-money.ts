// Money around one call of a provider: reserved before it leaves, settled when it is over.
//
// CM1. No call without a reservation that the log has accepted.
// CM2. Every reservation is settled: by the answer's own entry, by the rule of its fault, or, where this
//      hub died or lost its reign, by the next leader at its worst case.
// CM3. By the rule of its fault: nothing where surely nothing was charged; else the worst case.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { ReservationRow, Settlement, Workload } from "@gantry/shared/contract/money.ts";
import { act, type By, type Hub, newId } from "../hub.ts";
import { CloudFault } from "./cloud-types.ts";

export interface Purchase {
  readonly person: string;
  readonly workload: Workload;
  readonly provider: string;
  readonly model: string;
  readonly worstMicroUsd: number;
  readonly question?: string | undefined;
}

export interface Held {
  readonly reservation: string;
  /** The answer's own entry settles it (answerBought); `again` where that entry was not accepted. */
  handedOver(): void;
  settle(how: Settlement, costMicroUsd?: number): Promise<void>;
}

export interface CloudMoney {
  /** CM1. Throws budget_spent, busy and what keeps the log from accepting it. */
  reserve(purchase: Purchase, by: By, signal: AbortSignal): Promise<Held>;
  /** CM2: what no call of this hub stands behind. Once at the beginning of a reign, then now and then. */
  settleLeft(signal: AbortSignal): Promise<number>;
  /** While this hub leads. */
  run(signal: AbortSignal): Promise<void>;
}

const LOOK_MS = 30_000;
const never = new AbortController().signal;

/** `term`: of the reign of this hub, now. */
export function makeCloudMoney(hub: Hub, term: () => number): CloudMoney {
  /** Calls under way here; with what is still to be written of one that is over. */
  const open = new Map<string, { how: Settlement; costMicroUsd?: number } | undefined>();

  async function settle(
    reservation: string,
    by: By,
    how: Settlement,
    costMicroUsd?: number,
  ): Promise<void> {
    const over = costMicroUsd === undefined ? { how } : { how, costMicroUsd };
    open.set(reservation, over); // settled later by `settleLeft` if the log does not take it now
    try {
      await act(hub, { type: "spendSettled", reservation, ...over }, by, never);
      open.delete(reservation);
    } catch (error) {
      if (error instanceof GantryError && error.code === "conflict") open.delete(reservation);
      else hub.log.warn({ reservation }, "a price could not be written yet");
    }
  }

  async function settleLeft(signal: AbortSignal): Promise<number> {
    let settled = 0;
    for (const row of hub.rows.hot("reservation").values()) {
      const mine = open.get(row.id);
      if (open.has(row.id) && mine === undefined) continue; // under way here
      if (!open.has(row.id) && isYoung(row)) continue;
      signal.throwIfAborted();
      const by = { actor: "hub", requestId: newId(hub, "req") };
      await settle(row.id, by, mine?.how ?? "worst", mine?.costMicroUsd);
      settled += 1;
    }
    for (const [id, over] of open) {
      if (over !== undefined && !hub.rows.hot("reservation").has(id)) open.delete(id);
    }
    return settled;
  }

  /** Made in this reign, by a call of this hub whose `reserve` has not returned yet. */
  const isYoung = (row: ReservationRow): boolean =>
    row.term === term() && row.atMs + LOOK_MS > hub.stampMs();

  return {
    async reserve({ question, ...purchase }, by, signal) {
      const reservation = newId(hub, "rsv");
      open.set(reservation, undefined);
      const told = question === undefined ? {} : { question };
      try {
        await act(
          hub,
          { type: "spendReserved", reservation, term: term(), ...purchase, ...told },
          by,
          signal,
        );
      } catch (error) {
        // Nothing left. If the log took it after all, it is released.
        open.set(reservation, { how: "released" });
        if (error instanceof GantryError && !error.kind.retry) open.delete(reservation);
        throw error;
      }
      return {
        reservation,
        handedOver: () => void open.delete(reservation),
        settle: (how, costMicroUsd) => settle(reservation, by, how, costMicroUsd),
      };
    },
    settleLeft,
    async run(signal) {
      const left = await settleLeft(signal);
      if (left > 0)
        hub.log.warn({ left }, "calls of providers were cut off; their worst case counts");
      for (;;) {
        await hub.clock.sleep(LOOK_MS, signal);
        await settleLeft(signal);
      }
    },
  };
}

/** CM3. */
export const settlementOf = (error: unknown): Settlement =>
  error instanceof CloudFault && error.isCharged === false ? "released" : "worst";
