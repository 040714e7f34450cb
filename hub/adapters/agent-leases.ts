// When a node that says nothing is called silent.
//
// AL4. A node is called silent only by a monotonic clock, and never for a time in which our own loop
//      stood still.

import type { Clock } from "@gantry/shared/flow/clock.ts";

const STALL_SLACK_MS = 250;

export interface Leased {
  /** Monotonic ms. */
  heardMs: number;
}

export interface LeaseWatch<S extends Leased> {
  readonly clock: Clock;
  /** Silence after which a session ends. */
  readonly leaseMs: number;
  readonly sessions: () => Iterable<S>;
  readonly onSilent: (session: S) => void;
  /** After each look; `stalledMs`: how long our own loop stood still before it. */
  readonly onLook: (nowMs: number, stalledMs: number) => void;
}

/** Looks ten times in a lease. Rejects when `signal` aborts. */
export async function watchLeases<S extends Leased>(
  { clock, leaseMs, sessions, onSilent, onLook }: LeaseWatch<S>,
  signal: AbortSignal,
): Promise<never> {
  const tickMs = leaseMs / 10;
  for (;;) {
    const beforeMs = clock.monotonic();
    await clock.sleep(tickMs, signal);
    const nowMs = clock.monotonic();
    const lateMs = nowMs - beforeMs - tickMs;
    const stalledMs = lateMs > STALL_SLACK_MS ? lateMs : 0;
    for (const session of sessions()) {
      session.heardMs += stalledMs; // AL4
      if (nowMs - session.heardMs > leaseMs) onSilent(session);
    }
    onLook(nowMs, stalledMs);
  }
}
