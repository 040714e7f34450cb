// A Clock on the simulator's time, for one life of one hub.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { World } from "../world.ts";

/** Wall time at virtual 0. */
const EPOCH_MS = 1_700_000_000_000;

/** `happens`: how something reaches the process of this life; it may wait, or never come. */
export function makeSimClock(
  world: World,
  rate: number,
  happens: (run: () => void) => void,
): Clock {
  const later = (ms: number, run: () => void): void => world.after(ms / rate, () => happens(run));
  return {
    now: () => Math.round(EPOCH_MS + world.now),
    monotonic: () => world.now * rate,
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
