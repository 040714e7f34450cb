// The only retry loop in the house: time-out per try, deadline for all, jittered backoff. What leaves a
// machine alone that fails again and again is in targets.ts: it belongs to the way, not to the call.

import { backoffMs } from "../base/backoff.ts";
import { GantryError } from "../base/errors.ts";
import type { RetryPolicy } from "../base/policy.ts";
import type { Random } from "../base/prng.ts";
import type { Clock } from "./clock.ts";

export interface AttemptContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Before the next try, ms; the policy's backoff where left out. `failures`: so far, from 1. */
  readonly waitMs?: (error: unknown, failures: number) => number;
}

/**
 * Calls until it works, a code says not to retry, or the policy's tries or total time are used up;
 * then throws the last error. Only for calls that may be repeated without harm.
 */
export async function attempt<T>(
  call: (signal: AbortSignal) => Promise<T>,
  policy: RetryPolicy,
  context: AttemptContext,
): Promise<T> {
  const { clock, random, signal } = context;
  const deadline = clock.timeout(policy.totalMs, signal);
  for (let failures = 0; ;) {
    try {
      return await call(clock.timeout(policy.tryMs, deadline));
    } catch (error) {
      if (signal.aborted) throw error;
      failures += 1;
      if (failures >= policy.triesMax || deadline.aborted || !isRetryable(error)) throw error;
      const waitMs = context.waitMs ?? (() => backoffMs(policy.backoff, failures, random));
      await clock.sleep(waitMs(error, failures), deadline);
    }
  }
}

/** Says whether the same call may succeed later. Unknown errors are bugs: never repeated. */
export const isRetryable = (error: unknown): boolean =>
  error instanceof GantryError && error.kind.retry;
