// The time that a leader writes into commands. The ledger's time is the greatest of all commands and
// never goes back; a leader whose own clock is behind it would let nothing expire until it has caught
// up. So its stamps go on from the ledger's time at the pace of its monotonic clock.
//
// RT1. Stamps of one hub never fall.
// RT2. A clock that is set back slows nothing down; one that is right is used as it is.
// RT3. A stamp is a whole number, though monotonic clocks have fractions: the fold counts with it.

import type { Clock } from "@gantry/shared/flow/clock.ts";

/** Stamps over this clock, from a reading of the ledger's time. */
export function makeStamps(
  clock: Pick<Clock, "now" | "monotonic">,
  ledgerMs: () => number,
): () => number {
  let anchor: TimeAnchor = { timeMs: 0, monotonicMs: clock.monotonic() };
  return () => {
    const timeMs = ledgerMs();
    if (timeMs > anchor.timeMs) anchor = { timeMs, monotonicMs: clock.monotonic() };
    return stampMs(clock.now(), clock.monotonic(), anchor);
  };
}

export interface TimeAnchor {
  /** The ledger's time, ms since 1970, when `monotonicMs` was read. */
  readonly timeMs: number;
  readonly monotonicMs: number;
}

/** What to write into `atMs` now. Take a new anchor whenever the ledger's time has grown. */
export const stampMs = (wallMs: number, monotonicMs: number, anchor: TimeAnchor): number =>
  Math.max(wallMs, anchor.timeMs + Math.floor(Math.max(0, monotonicMs - anchor.monotonicMs))); // RT3
