// Do all hubs show the same? Each keeps the audit chain's hash after its last entries; the leader
// tells one now and then, and the others compare.
//
// AG1. Equal position, equal hash: otherwise the fold differs between hubs, which is a fault in Gantry
//      or a damaged disk, and is said aloud.
// AG2. What is told was applied TELL_MS ago: a hub that keeps up can compare it.

import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { HubId } from "../consensus/types.ts";
import type { PeerCalls } from "../peers/calls.ts";

/** Kind of the message that tells a stamp. */
export const STAMP = "stamp";
const TELL_MS = 1_000;

export interface Stamp {
  /** Of the last command of an entry. */
  readonly position: number;
  readonly hash: string;
}

export interface Agreement {
  applied(stamp: Stamp): void;
  readonly latest: Stamp | undefined;
  /** `unknown`: this hub is not there yet, or has forgotten. */
  compare(told: Stamp): "same" | "other" | "unknown";
}

const KEPT = 4_096;

export function makeAgreement(): Agreement {
  const ring: (Stamp | undefined)[] = Array.from({ length: KEPT });
  let latest: Stamp | undefined;
  return {
    applied(stamp) {
      ring[stamp.position % KEPT] = stamp;
      latest = stamp;
    },
    get latest() {
      return latest;
    },
    compare({ position, hash }) {
      const own = ring[position % KEPT];
      if (own?.position !== position) return "unknown";
      return own.hash === hash ? "same" : "other";
    },
  };
}

export interface TellParts {
  readonly hub: { readonly clock: Clock };
  readonly members: { stateful(): readonly HubId[] };
  readonly calls: Pick<PeerCalls, "tell">;
}

/** AG2. Until the signal aborts. */
export async function tellStamps(
  { hub, members, calls }: TellParts,
  agreement: Agreement,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const stamp = agreement.latest;
    await hub.clock.sleep(TELL_MS, signal);
    if (stamp === undefined) continue;
    for (const other of members.stateful()) calls.tell(other, STAMP, stamp);
  }
}
