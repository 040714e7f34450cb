// A circuit breaker as a value: closed -> (failures) -> open -> (time) -> probing -> closed | open.
//
// B1. While probing, one call is out at a time; the others are refused.
// B2. It closes only after `successesToClose` probes in a row.

export interface BreakerPolicy {
  readonly failuresToOpen: number;
  readonly openMs: number;
  readonly successesToClose: number;
}

export type Breaker =
  | { readonly kind: "closed"; readonly failures: number }
  | { readonly kind: "open"; readonly untilMs: number }
  | { readonly kind: "probing"; readonly successes: number; readonly isOut: boolean };

export const CLOSED: Breaker = { kind: "closed", failures: 0 };

/** Asks for leave to call. `nowMs` is monotonic. The returned breaker replaces the old one. */
export function admit(breaker: Breaker, nowMs: number): { admitted: boolean; breaker: Breaker } {
  switch (breaker.kind) {
    case "closed":
      return { admitted: true, breaker };
    case "open":
      if (nowMs < breaker.untilMs) return { admitted: false, breaker };
      return { admitted: true, breaker: { kind: "probing", successes: 0, isOut: true } };
    case "probing":
      if (breaker.isOut) return { admitted: false, breaker }; // B1
      return { admitted: true, breaker: { ...breaker, isOut: true } };
  }
}

export function onSuccess(breaker: Breaker, policy: BreakerPolicy): Breaker {
  if (breaker.kind !== "probing") return breaker.kind === "closed" ? CLOSED : breaker;
  const successes = breaker.successes + 1;
  return successes >= policy.successesToClose ? CLOSED : { ...breaker, successes, isOut: false };
}

export function onFailure(breaker: Breaker, policy: BreakerPolicy, nowMs: number): Breaker {
  const open: Breaker = { kind: "open", untilMs: nowMs + policy.openMs };
  if (breaker.kind !== "closed") return open;
  const failures = breaker.failures + 1;
  return failures >= policy.failuresToOpen ? open : { kind: "closed", failures };
}
