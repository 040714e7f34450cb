// Time as a port. Nothing below main.ts and the adapters reads a clock of its own.

import { GantryError } from "../base/errors.ts";

export interface Clock {
  /** Wall clock, ms since 1970. May jump. For people and for rows. */
  now(): number;
  /** Monotonic ms. For waits, leases and time-outs. */
  monotonic(): number;
  /** Rejects with the signal's reason when it is aborted; leaves no timer behind. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** A signal that aborts with `timeout` after `ms`, or when `parent` aborts. */
  timeout(ms: number, parent?: AbortSignal): AbortSignal;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(reasonOf(signal));
        return;
      }
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(reasonOf(signal));
      };
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal.addEventListener("abort", onAbort, { once: true });
    }),
  timeout: (ms, parent) => {
    const controller = new AbortController();
    const timer = setTimeout(
      () => controller.abort(new GantryError("timeout", `No answer within ${ms} ms`)),
      ms,
    );
    timer.unref();
    return parent === undefined ? controller.signal : AbortSignal.any([controller.signal, parent]);
  },
};

/** Why a signal was aborted, always as an Error. */
export function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name !== "AbortError") return reason;
  return new GantryError("cancelled", "The work was cancelled");
}
