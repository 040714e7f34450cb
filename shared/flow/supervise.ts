// Tasks that go on for as long as something lasts, whatever befalls one of their runs.
//
// SU1. A task that fails is begun again, after a pause that grows with each failure in a row. What the
//      failed run left under way hears by its signal that it is over, before the next one begins.
// SU2. A run that held for CALM_MS ends the row: its failure is the first again.

import { backoffMs } from "../base/backoff.ts";
import { RECONNECT } from "../base/policy.ts";
import type { Clock } from "./clock.ts";

export const CALM_MS = 60_000;

export interface SuperviseOptions {
  /** The end of it all. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: () => number;
  /** `pauseMs`: until it is begun again. */
  readonly onFault: (error: unknown, pauseMs: number) => void;
}

/** Resolves when the task does, or once the signal is aborted. Never rejects. */
export async function supervise(
  task: (signal: AbortSignal) => Promise<void>,
  { signal, clock, random, onFault }: SuperviseOptions,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const run = new AbortController();
    const beganMs = clock.monotonic();
    try {
      await task(AbortSignal.any([run.signal, signal]));
      return;
    } catch (error) {
      if (signal.aborted) return;
      failures = clock.monotonic() - beganMs >= CALM_MS ? 1 : failures + 1; // SU2
      const pauseMs = backoffMs(RECONNECT, failures, random);
      onFault(error, pauseMs);
      run.abort(error);
      await clock.sleep(pauseMs, signal).catch(() => {}); // aborted: the loop ends
    }
  }
}
