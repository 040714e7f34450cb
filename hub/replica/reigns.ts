// Tells the hub who leads, who counts, and when it leads itself.

import type { GantryError } from "@gantry/shared/base/errors.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { HubId, Status } from "../consensus/types.ts";
import type { LogStore } from "../ports.ts";
import { noLeader } from "./faults.ts";
import type { ReplicaOptions } from "./options.ts";
import type { Reads } from "./reads.ts";

export interface ReignsParts extends Pick<ReplicaOptions, "onReign" | "onLeader" | "onMembership"> {
  readonly logStore: Pick<LogStore, "setMembership">;
  readonly reads: Reads;
  readonly isWitness: boolean;
  readonly log: Logger;
}

export interface Reigns {
  /** What is new in `status`, where everything up to `appliedIndex` is applied. */
  tell(status: Status, appliedIndex: number): void;
  tellMembership(status: Status): void;
  /** This hub stops: whatever it does as the leader ends. */
  stop(fault: GantryError): void;
}

export function makeReigns(parts: ReignsParts): Reigns {
  const { logStore, reads, isWitness, log } = parts;
  let toldMembershipIndex = -1;
  let toldLeader: HubId | null = null;
  let reign: AbortController | undefined;

  function tellMembership({ membership, membershipIndex }: Status): void {
    if (membershipIndex === toldMembershipIndex) return;
    toldMembershipIndex = membershipIndex;
    logStore.setMembership(membership, membershipIndex);
    parts.onMembership?.(membership);
  }

  function tellReign(status: Status, appliedIndex: number): void {
    const isLeading = status.role === "leader" && status.isReadable && !isWitness;
    if (isLeading && reign === undefined && appliedIndex >= status.commitIndex) {
      reign = new AbortController();
      log.info({ term: status.term }, "this hub leads");
      parts.onReign?.({ term: status.term, signal: reign.signal });
    } else if (!isLeading && reign !== undefined) {
      const ended = reign;
      reign = undefined;
      log.warn({ term: status.term, leader: status.leader }, "this hub leads no more");
      ended.abort(noLeader(status.leader));
      parts.onReign?.(undefined);
    }
  }

  function tellLeader({ leader }: Status): void {
    if (leader === toldLeader) return;
    toldLeader = leader;
    if (toldLeader !== null) reads.ask();
    parts.onLeader?.(toldLeader);
  }

  return {
    tell(status, appliedIndex) {
      tellMembership(status);
      tellReign(status, appliedIndex);
      tellLeader(status);
    },
    tellMembership,
    stop: (fault) => reign?.abort(fault),
  };
}
