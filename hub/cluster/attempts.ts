// Requests that another hub sends again because it does not know what became of them: only the newest
// sending may still act.
//
// AT1. A sending is for one reign: what lay in a buffer while this hub stood still, and is read when it
//      leads again in a later term, does nothing. The sender has long asked another leader.
// AT2. Once a later sending of a request is here, an earlier one does nothing: its place in the order
//      is over. Without this the asker may be told that something is refused, and it is done afterwards.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { ForwardedRequest } from "./desk.ts";

/** Requests sent again that are remembered; they are rare, and late sendings are late by seconds. */
const REMEMBERED_MAX = 16_384;

export interface Attempts {
  /** To be asked whenever the request is about to act. Throws no_leader if it must not. */
  fence(sending: Pick<ForwardedRequest, "request" | "term" | "attempt">): () => void;
}

/** `term`: of this hub now. */
export function makeAttempts(term: () => number): Attempts {
  const newest = new Map<string, number>(); // by replay key

  return {
    fence({ request, term: sentFor, attempt = 1 }) {
      const key = request.replay?.key;
      if (key !== undefined && attempt > Math.max(1, newest.get(key) ?? 0)) {
        newest.delete(key);
        newest.set(key, attempt);
        if (newest.size > REMEMBERED_MAX) forgetOldest(newest);
      }
      return () => {
        const isLater = sentFor !== undefined && sentFor !== term(); // AT1; an older hub does not say
        const isOvertaken = key !== undefined && attempt < (newest.get(key) ?? 0); // AT2
        if (isLater || isOvertaken)
          throw new GantryError(
            "no_leader",
            "This was sent to an earlier reign, or was sent again",
          );
      };
    },
  };
}

function forgetOldest(newest: Map<string, number>): void {
  for (const key of newest.keys()) {
    newest.delete(key);
    return;
  }
}
