// A circuit breaker as a value: closed -> (failures) -> open -> (time) -> probing -> closed | open.
//
// B1. While probing, one call is out at a time; the others are refused. One of which nothing is heard
//     for `openMs` keeps nobody out any longer: a probe that was forgotten must not close the way for ever.
// B2. It closes only after `successesToClose` probes in a row.

export interface BreakerPolicy {
  readonly failuresToOpen: number;
  readonly openMs: number;
  readonly successesToClose: number;
}

export type Breaker =
  | { readonly kind: "closed"; readonly failures: number }
  | { readonly kind: "open"; readonly untilMs: number }
  /** `outUntilMs`: 0 while no probe is out. */
  | { readonly kind: "probing"; readonly successes: number; readonly outUntilMs: number };

export const CLOSED: Breaker = { kind: "closed", failures: 0 };

/** Whether a call would be let through. `nowMs` is monotonic. */
export const admits = (breaker: Breaker, nowMs: number): boolean =>
  breaker.kind === "closed" ||
  nowMs >= (breaker.kind === "open" ? breaker.untilMs : breaker.outUntilMs); // B1

/** What a call that is let through makes of it. Only where `admits`. */
export function onCall(breaker: Breaker, { openMs }: BreakerPolicy, nowMs: number): Breaker {
  if (breaker.kind === "closed") return breaker;
  const successes = breaker.kind === "open" ? 0 : breaker.successes;
  return { kind: "probing", successes, outUntilMs: nowMs + openMs };
}

export function onSuccess(breaker: Breaker, policy: BreakerPolicy): Breaker {
  if (breaker.kind !== "probing") return breaker.kind === "closed" ? CLOSED : breaker;
  const successes = breaker.successes + 1;
  return successes >= policy.successesToClose ? CLOSED : { ...breaker, successes, outUntilMs: 0 };
}

export function onFailure(breaker: Breaker, policy: BreakerPolicy, nowMs: number): Breaker {
  const open: Breaker = { kind: "open", untilMs: nowMs + policy.openMs };
  if (breaker.kind !== "closed") return open;
  const failures = breaker.failures + 1;
  return failures >= policy.failuresToOpen ? open : { kind: "closed", failures };
}

/** The caller gave up: that says nothing about who was called, and the probe's place is free again. */
export const onGivenUp = (breaker: Breaker): Breaker =>
  breaker.kind === "probing" ? { ...breaker, outUntilMs: 0 } : breaker;
