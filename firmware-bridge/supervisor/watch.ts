// When the supervisor must act: pure, from beats and time.
//
// SW1. A bridge that is silent for SILENCE_MS while a printer may be hot has lost that printer: it is
//      to be cooled, once for each beat that was the last.
// SW2. A beat that is new ends the silence, and what was to be done with it: who is back looks after
//      its printers itself.
// SW3. A printer that could not be cooled is due again after AGAIN_MS, as long as the silence lasts.

import type { Beat } from "./heartbeat.ts";

export const SILENCE_MS = 3_000;
export const AGAIN_MS = 2_000;

export type HotPrinter = Beat["printers"][number];

export interface BridgeWatch {
  /** What the file says now; undefined if there is none. */
  see(beat: Beat | undefined, nowMs: number): void;
  /** SW1. Printers to cool now. */
  due(nowMs: number): readonly HotPrinter[];
  /** Undefined while no bridge was ever seen. */
  pid(): number | undefined;
  settle(id: string, isCold: boolean, nowMs: number): void;
}

export function makeBridgeWatch(): BridgeWatch {
  let last: Beat | undefined;
  let heardMs = 0;
  let notBeforeMs = new Map<string, number>();

  return {
    see(beat, nowMs) {
      if (beat === undefined) {
        last = undefined; // it ended in order, and left nothing behind
        return;
      }
      if (beat.pid === last?.pid && beat.count === last.count) return;
      last = beat;
      heardMs = nowMs;
      notBeforeMs = new Map(); // SW2
    },
    due(nowMs) {
      if (last === undefined || nowMs - heardMs < SILENCE_MS) return [];
      return last.printers.filter(
        ({ id, isHot }) => isHot && nowMs >= (notBeforeMs.get(id) ?? -Infinity),
      );
    },
    pid: () => last?.pid,
    settle(id, isCold, nowMs) {
      notBeforeMs.set(id, isCold ? Infinity : nowMs + AGAIN_MS); // SW3
    },
  };
}
