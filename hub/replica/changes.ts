// Changes of the membership that somebody here waits for.

import type { GantryError } from "@gantry/shared/base/errors.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";

export interface Changes {
  readonly waiting: number;
  /** Resolves when the change at log index `index` is in force. Rejects with the signal's reason. */
  wait(index: number, signal: AbortSignal): Promise<void>;
  /** Everything up to `index` is applied, and no joint configuration is left open. */
  settle(index: number): void;
  fail(fault: GantryError): void;
}

export function makeChanges(): Changes {
  let waiting: { readonly index: number; readonly settle: (error?: GantryError) => void }[] = [];

  return {
    get waiting() {
      return waiting.length;
    },
    wait(index, signal) {
      return new Promise((resolve, reject) => {
        const settle = (error?: GantryError): void => {
          signal.removeEventListener("abort", onAbort);
          if (error === undefined) resolve();
          else reject(error);
        };
        const onAbort = (): void => {
          waiting = waiting.filter((each) => each !== change);
          reject(reasonOf(signal));
        };
        const change = { index, settle };
        waiting.push(change);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    settle(index) {
      const done = waiting.filter((each) => each.index <= index);
      waiting = waiting.filter((each) => each.index > index);
      for (const { settle } of done) settle();
    },
    fail(fault) {
      const failed = waiting;
      waiting = [];
      for (const { settle } of failed) settle(fault);
    },
  };
}
