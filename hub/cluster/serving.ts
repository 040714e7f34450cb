// Who serves, as this hub knows it: its own desk while it leads, and a bell that rings whenever that,
// or the leader, may have changed.

import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Desk } from "../ports.ts";

export interface Serving {
  /** The whole desk while this hub leads. */
  readonly desk: Desk | undefined;
  begin(desk: Desk): void;
  end(): void;
  ring(): void;
  /** Resolves at the next ring. Rejects with the signal's reason. */
  change(signal: AbortSignal): Promise<void>;
}

export function makeServing(): Serving {
  let desk: Desk | undefined;
  let changed = Promise.withResolvers<void>();

  function ring(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  return {
    get desk() {
      return desk;
    },
    begin(leading) {
      desk = leading;
      ring();
    },
    end() {
      desk = undefined;
    },
    ring,
    change: (signal) => untilSettled(changed.promise, signal),
  };
}

function untilSettled(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(reasonOf(signal));
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    void promise.finally(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}
