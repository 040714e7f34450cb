// Lanes: client sessions of the log (shared/contract/sessions.ts), each with one write under way, so
// that a retry gets the first answer even at another hub. As many as there are writes at once, up to a
// bound; a lane is opened when it is first needed.
//
// LN1. A number is used for one request only. After a refusal it counts as used; if it was not, the next
//      one hears `sequence_gap` with the number to go on from, and surely nothing was done.
// LN2. A lane whose last request is unknown to the end is left: its session ends by itself.

import type { CallStamp } from "@gantry/shared/contract/registry-ops.ts";

export interface Lane {
  /** Of its session; missing until that is open. */
  id: string | undefined;
  /** Of the last request. */
  seq: number;
}

export interface Lanes {
  /** A lane that nobody uses; waits in turn while all are in use. */
  take(): Promise<Lane>;
  give(lane: Lane): void;
  /** LN2. Another takes its place. */
  leave(lane: Lane): void;
}

export function makeLanes(max: number): Lanes {
  const free: Lane[] = [];
  const waiting: ((lane: Lane) => void)[] = [];
  let count = 0;

  function give(lane: Lane): void {
    const next = waiting.shift();
    if (next === undefined) free.push(lane);
    else next(lane);
  }

  return {
    async take() {
      const lane = free.pop();
      if (lane !== undefined) return lane;
      if (count >= max) return new Promise((resolve) => waiting.push(resolve));
      count += 1;
      return { id: undefined, seq: 0 };
    },
    give,
    leave: () => give({ id: undefined, seq: 0 }),
  };
}

/** The stamp of a new request in this lane, whose session is open. */
export function stampOf(lane: Lane & { readonly id: string }): CallStamp {
  lane.seq += 1;
  return { id: lane.id, seq: lane.seq };
}
