// A machine's clocks on the simulator's time: a monotonic one that may run fast or slow, and a wall
// clock that may jump. And the Clock of one life of one process on that machine.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { World } from "../world.ts";

/** Wall time at virtual 0. */
export const EPOCH_MS = 1_700_000_000_000;

export interface SimTime {
  /** Of the monotonic clock; 1 is right. */
  rate: number;
  /** Sets the wall clock forward or back, ms. */
  jump(ms: number): void;
  wallMs(): number;
  monotonicMs(): number;
}

export function makeSimTime(world: World): SimTime {
  let rate = 1;
  let anchor = { atMs: world.now, monotonicMs: 0 };
  let offsetMs = 0;
  const monotonicMs = (): number => anchor.monotonicMs + (world.now - anchor.atMs) * rate;
  return {
    get rate() {
      return rate;
    },
    set rate(next) {
      anchor = { atMs: world.now, monotonicMs: monotonicMs() };
      rate = next;
    },
    jump(ms) {
      offsetMs += ms;
    },
    wallMs: () => Math.round(EPOCH_MS + world.now + offsetMs),
    monotonicMs,
  };
}

/** `happens`: how something reaches the process of this life; it may wait, or never come. */
export function makeSimClock(
  world: World,
  time: SimTime,
  happens: (run: () => void) => void,
): Clock {
  const later = (ms: number, run: () => void): void =>
    world.after(ms / time.rate, () => happens(run));
  return {
    now: () => time.wallMs(),
    monotonic: () => time.monotonicMs(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(reasonOf(signal));
          return;
        }
        const onAbort = (): void => reject(reasonOf(signal));
        signal.addEventListener("abort", onAbort, { once: true });
        later(ms, () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        });
      }),
    timeout(ms, parent) {
      const controller = new AbortController();
      later(ms, () => controller.abort(new GantryError("timeout", `No answer within ${ms} ms`)));
      return parent === undefined
        ? controller.signal
        : AbortSignal.any([controller.signal, parent]);
    },
  };
}
