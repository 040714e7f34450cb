// Learners become voters by themselves once they have caught up. Pure: the leader's loop asks at
// every tick.
//
// PM1. A learner counts as caught up after it was within LAG_ENTRIES of the commit for a whole
//      SETTLED_MS: one lucky moment is not enough. One look at which it seems silent is forgiven: the
//      core forgets who was heard at every check of the quorum.
// PM2. The number of voters is never made two, and never even by itself: a learner waits for another
//      one, or for a person who says `promote`.

import type { HubId, MembershipChange, Status } from "../consensus/types.ts";

export const LAG_ENTRIES = 1_000;
export const SETTLED_MS = 2_000;

export interface Promoter {
  /** The change to propose now, if any. `nowMs`: monotonic. */
  next(status: Status, nowMs: number): MembershipChange | undefined;
}

export function makePromoter(): Promoter {
  const sinceMs = new Map<HubId, number>();
  const silent = new Set<HubId>();
  const note = (status: Status, hub: HubId, nowMs: number): void => {
    const isActive = status.progress.get(hub)?.isActive === true;
    const isForgiven = !isActive && !silent.has(hub);
    if (isActive) silent.delete(hub);
    else silent.add(hub);
    if (!isCaughtUp(status, hub) || (!isActive && !isForgiven)) sinceMs.delete(hub);
    else if (!sinceMs.has(hub)) sinceMs.set(hub, nowMs);
  };
  return {
    next(status, nowMs) {
      const { voters, outgoing, learners } = status.membership;
      for (const hub of new Set([...sinceMs.keys(), ...learners])) note(status, hub, nowMs);
      if (status.role !== "leader" || outgoing.length > 0) return undefined;
      const ready = learners.filter((hub) => nowMs - (sinceMs.get(hub) ?? Infinity) >= SETTLED_MS);
      const count = voters.length + ready.length;
      const taken = count % 2 === 1 ? ready : ready.slice(0, -1); // PM2
      if (taken.length === 0) return undefined;
      return { steps: taken.map((hub) => ({ type: "addVoter", hub })) };
    },
  };
}

export function isCaughtUp({ progress, commitIndex, membership }: Status, hub: HubId): boolean {
  const found = progress.get(hub);
  return (
    found !== undefined &&
    membership.learners.includes(hub) &&
    found.state === "replicate" &&
    found.match + LAG_ENTRIES >= commitIndex
  );
}
