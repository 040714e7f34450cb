// The breakers of one program's way to other machines: one for each machine, by its name, all by the
// same row of the policy table (BREAKER).
//
// TG1. It counts what says something about the machine or the way to it: no answer in time, a
//      connection that is not there or broke. An answer that says "no" is an answer.
// TG2. A machine that shows by itself that it is back (a handshake in which it proved its key) is
//      called again at once: what is known needs no probe. One that keeps its connection and answers
//      nobody gives no such sign, and is probed when BREAKER.openMs is over.
// TG3. Nothing is kept of a machine that is well, so nothing grows with the machines that were.

import {
  admits,
  type Breaker,
  CLOSED,
  onCall,
  onFailure,
  onGivenUp,
  onSuccess,
} from "../base/breaker.ts";
import { GantryError } from "../base/errors.ts";
import { BREAKER } from "../base/policy.ts";
import type { Clock } from "./clock.ts";

export interface Targets {
  /** Before a call. Throws breaker_open, with `details.isSent` false: surely nothing was done. */
  admit(name: string): void;
  /** Whether `admit` would throw; who can choose chooses another. */
  isLeftAlone(name: string): boolean;
  answered(name: string): void;
  failed(name: string): void;
  /** The caller gave up. */
  givenUp(name: string): void;
  /** TG2. */
  returned(name: string): void;
}

export function makeTargets({ monotonic }: Pick<Clock, "monotonic">): Targets {
  const ill = new Map<string, Breaker>(); // TG3

  const breakerOf = (name: string): Breaker => ill.get(name) ?? CLOSED;
  function keep(name: string, breaker: Breaker): void {
    if (breaker.kind === "closed" && breaker.failures === 0) ill.delete(name);
    else ill.set(name, breaker);
  }

  return {
    admit(name) {
      const [breaker, nowMs] = [breakerOf(name), monotonic()];
      if (!admits(breaker, nowMs)) throw leftAlone(name);
      keep(name, onCall(breaker, BREAKER, nowMs));
    },
    isLeftAlone: (name) => !admits(breakerOf(name), monotonic()),
    answered: (name) => keep(name, onSuccess(breakerOf(name), BREAKER)),
    failed: (name) => keep(name, onFailure(breakerOf(name), BREAKER, monotonic())),
    givenUp: (name) => keep(name, onGivenUp(breakerOf(name))),
    returned: (name) => void ill.delete(name),
  };
}

const leftAlone = (name: string): GantryError =>
  new GantryError("breaker_open", `${name} failed too often; it is left alone for now`, {
    details: { isSent: false, retryAfterS: 1 },
  });
