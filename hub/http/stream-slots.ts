// How many streams of one kind may be open at once, and when one of them is over.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { DoorContext } from "./door.ts";

export interface StreamSlot {
  /** Aborts when the stream is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** Gives the place back; a second call does nothing. */
  readonly end: () => void;
}

export interface StreamSlots {
  /** How many are taken now. */
  readonly count: () => number;
  /** Throws `busy` when all are taken. */
  readonly take: (c: DoorContext) => StreamSlot;
}

/** `what`: the streams' name in the plural; `ending` ends them all. */
export function makeStreamSlots(what: string, max: number, ending: AbortSignal): StreamSlots {
  let count = 0;
  return {
    count: () => count,
    take(c) {
      if (count >= max) {
        throw new GantryError("busy", `${max} ${what} are open already`, {
          details: { retryAfterS: 5 },
        });
      }
      count += 1;
      const gone = new AbortController();
      const end = (): void => {
        if (gone.signal.aborted) return;
        gone.abort();
        count -= 1;
      };
      // A client can go before the first byte is asked for; the body is then never cancelled.
      c.req.raw.signal.addEventListener("abort", end, { once: true });
      return { signal: AbortSignal.any([gone.signal, ending]), end };
    },
  };
}
