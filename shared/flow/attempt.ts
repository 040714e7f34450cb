// The only retry loop in the house: time-out per try, deadline for all, jittered backoff, breaker.

import { backoffMs } from "../base/backoff.ts";
import { admit, type Breaker, CLOSED, onFailure, onSuccess } from "../base/breaker.ts";
import { GantryError } from "../base/errors.ts";
import { BREAKER, type RetryPolicy } from "../base/policy.ts";
import type { Random } from "../base/prng.ts";
import type { Clock } from "./clock.ts";

/** Holds the breaker of one target between calls. */
export interface Target {
  readonly name: string;
  breaker: Breaker;
}

export const makeTarget = (name: string): Target => ({ name, breaker: CLOSED });

export interface AttemptContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly target?: Target;
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
    assertAdmitted(context);
    try {
      const result = await call(clock.timeout(policy.tryMs, deadline));
      settle(context, true);
      return result;
    } catch (error) {
      if (signal.aborted) {
        settle(context, true); // our own cancellation says nothing about the target
        throw error;
      }
      settle(context, !isFault(error));
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

/** A target that answers "no" is healthy; one that cannot answer is not. */
const isFault = (error: unknown): boolean =>
  !(error instanceof GantryError) || error.kind.retry || error.kind.http >= 500;

function assertAdmitted({ clock, target }: AttemptContext): void {
  if (target === undefined) return;
  const { admitted, breaker } = admit(target.breaker, clock.monotonic());
  target.breaker = breaker;
  if (!admitted) {
    throw new GantryError("breaker_open", `${target.name} failed too often; it is left alone`);
  }
}

function settle({ clock, target }: AttemptContext, succeeded: boolean): void {
  if (target === undefined) return;
  target.breaker = succeeded
    ? onSuccess(target.breaker, BREAKER)
    : onFailure(target.breaker, BREAKER, clock.monotonic());
}
