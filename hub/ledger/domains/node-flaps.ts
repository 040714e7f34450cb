// Flap damping: a node that was lost three times within five minutes is held in `suspect`, so that
// work does not follow it to and fro. Each hold in a row is twice as long as the one before.
//
// F1. Only the loss of a node that was alive and fell silent counts; a goodbye is no flapping.
// F2. A held node is `suspect` at best until its hold is over, whatever it says itself.
// F3. Losses older than TIMEOUT.nodeFlapWindowMs are forgotten; with them the length of the hold.

import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { NodeRow } from "@gantry/shared/contract/rows.ts";

export const FLAPS_TO_HOLD = 3;

type FlapFacts = Pick<NodeRow, "lostAtMs" | "holds" | "heldUntilMs">;

/** The facts after one more loss at `nowMs` (F1). */
export function afterLoss(row: FlapFacts, nowMs: number): FlapFacts {
  const recent = (row.lostAtMs ?? []).filter((atMs) => atMs + TIMEOUT.nodeFlapWindowMs > nowMs);
  const lostAtMs = [...recent, nowMs].slice(-LIMIT.nodeFlaps.max);
  if (lostAtMs.length < FLAPS_TO_HOLD) return { lostAtMs, holds: 0, heldUntilMs: 0 }; // F3
  const holds = (row.holds ?? 0) + 1;
  const holdMs = Math.min(TIMEOUT.nodeHoldFirstMs * 2 ** (holds - 1), TIMEOUT.nodeHoldMaxMs);
  return { lostAtMs, holds, heldUntilMs: nowMs + holdMs };
}

/** F2. */
export const isHeld = (row: FlapFacts, nowMs: number): boolean => (row.heldUntilMs ?? 0) > nowMs;
