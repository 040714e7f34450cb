// How long to wait before the next try. The shell that waits is flow/attempt.ts.

import type { Random } from "./prng.ts";

export interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** Share of the delay that chance may take away, 0..1: 0.5 spreads over half the delay. */
  readonly jitter: number;
}

/** `failures`: how many tries have failed, 1 or more. */
export function backoffMs(backoff: Backoff, failures: number, random: Random): number {
  const exponent = Math.min(Math.max(failures, 1) - 1, 30);
  const fullMs = Math.min(backoff.maxMs, backoff.firstMs * backoff.factor ** exponent);
  return Math.round(fullMs * (1 - backoff.jitter * random()));
}
