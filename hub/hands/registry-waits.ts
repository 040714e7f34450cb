// Registry clients that wait in a lock's queue: each call is answered when its turn has come. The wait
// itself is in the ledger (desk/lock-waits.ts).
//
// RW1. A wait is given up, in the log, when its client is gone, or says so; the lock too, if it came
//      meanwhile: nobody would ever learn of it.
// RW2. A client that only dialled anew sends its call again under the same stamp, before the old
//      connection is found dead: that is the same wait, and it keeps its place. So does one whose hub
//      stops, for it finds the next one.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RegistryCall } from "@gantry/shared/contract/registry-ops.ts";
import { awaitTurn, type LockGiven, type LockReply } from "../desk/lock-waits.ts";
import type { By, Hub } from "../hub.ts";

type Acquire = Extract<RegistryCall, { op: "acquire" }>;

interface Waiting {
  readonly stop: AbortController;
  /** Somebody else answers for it now (RW2). */
  isLeft: boolean;
}

/** Of one client's connection. */
export interface ClientWaits {
  /** Resolves with the lock. Throws as awaitTurn does; cancelled when it was given up. */
  turnOf(call: Acquire, reply: LockReply, by: By): Promise<LockGiven>;
  /** The client does not want it any more. */
  giveUp(call: number): void;
  /** RW1, RW2. */
  end(isGone: boolean): void;
}

export function makeRegistryWaits(hub: Hub): () => ClientWaits {
  const byStamp = new Map<string, Waiting>();

  function leave(waiting: Waiting | undefined): void {
    if (waiting === undefined) return;
    waiting.isLeft = true;
    waiting.stop.abort(cancelled());
  }

  return () => {
    const mine = new Map<number, Waiting>();
    let isOver: "gone" | "left" | undefined;
    return {
      async turnOf(call, reply, by) {
        const waiting: Waiting = { stop: new AbortController(), isLeft: isOver === "left" };
        if (isOver !== undefined) waiting.stop.abort(cancelled());
        const { session, id, waitMs = 0 } = call;
        const stamp = session === undefined ? undefined : `${session.id}/${session.seq}`;
        if (stamp !== undefined) {
          leave(byStamp.get(stamp)); // RW2
          byStamp.set(stamp, waiting);
        }
        mine.set(id, waiting);
        try {
          const mayReturn = (): boolean => waiting.isLeft;
          return await awaitTurn(hub, reply, waitMs, by, waiting.stop.signal, mayReturn);
        } finally {
          mine.delete(id);
          if (stamp !== undefined && byStamp.get(stamp) === waiting) byStamp.delete(stamp);
        }
      },
      giveUp: (call) => mine.get(call)?.stop.abort(cancelled()),
      end(isGone) {
        isOver = isGone ? "gone" : "left";
        for (const waiting of mine.values()) {
          if (isGone) waiting.stop.abort(cancelled());
          else leave(waiting);
        }
      },
    };
  };
}

const cancelled = (): GantryError => new GantryError("cancelled", "The wait was given up");
