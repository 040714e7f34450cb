// Who belongs to the group and how that changes: values in, values out. The core validates a change
// before it is appended and applies it with the same function when it is committed, on every hub.
//
// M1. Two configurations that may decide one after the other have overlapping quorums: a simple
//     change moves at most one voter, everything else goes through a joint configuration.
// M2. At least one voter remains.
// M3. A learner is in no majority: learners and (voters or outgoing) have nobody in common. A voter
//     of `outgoing` that becomes a learner waits in `learnersNext` until the joint one is left.
// M4. Steps may be repeated: a step that is done already changes nothing.

import { assert } from "@gantry/shared/base/assert.ts";
import type { HubId, Membership, MembershipChange, MembershipStep } from "./types.ts";

export type ChangeRefusal =
  | "noVoterLeft"
  /** More than one voter changed without a joint configuration (M1). */
  | "moreThanOneVoter"
  | "alreadyJoint"
  | "notJoint"
  | "noVoterToStartFrom";

export type ChangeOutcome =
  | { readonly kind: "changed"; readonly membership: Membership }
  | { readonly kind: "refused"; readonly reason: ChangeRefusal };

export const NO_MEMBERSHIP: Membership = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export const isJoint = ({ outgoing }: Membership): boolean => outgoing.length > 0;

/** Of either majority. */
export const isVoter = ({ voters, outgoing }: Membership, hub: HubId): boolean =>
  voters.includes(hub) || outgoing.includes(hub);

export const isMember = (membership: Membership, hub: HubId): boolean =>
  isVoter(membership, hub) || membership.learners.includes(hub);

/** Everyone that the log is sent to, each once, in a stable order. */
export const membersOf = ({ voters, outgoing, learners }: Membership): HubId[] => [
  ...new Set([...voters, ...outgoing, ...learners]),
];

/** Chooses the way that the change asks for; see MembershipChange. */
export function changeMembership(before: Membership, change: MembershipChange): ChangeOutcome {
  const { steps, transition } = change;
  if (steps.length === 0 && transition === undefined) return leaveJoint(before);
  if (steps.length > 1 || transition !== undefined) {
    return enterJoint(before, steps, transition !== "jointByHand");
  }
  return changeSimply(before, steps);
}

/** Without a joint configuration: at most one voter may change (M1). */
export function changeSimply(before: Membership, steps: readonly MembershipStep[]): ChangeOutcome {
  if (isJoint(before)) return { kind: "refused", reason: "alreadyJoint" };
  const after = withSteps(before, steps);
  if (after.voters.length === 0) return { kind: "refused", reason: "noVoterLeft" }; // M2
  if (differenceOf(before.voters, after.voters) > 1) {
    return { kind: "refused", reason: "moreThanOneVoter" };
  }
  return changed(after);
}

/** Both majorities are needed from here on until `leaveJoint`. */
export function enterJoint(
  before: Membership,
  steps: readonly MembershipStep[],
  autoLeave: boolean,
): ChangeOutcome {
  if (isJoint(before)) return { kind: "refused", reason: "alreadyJoint" };
  if (before.voters.length === 0) return { kind: "refused", reason: "noVoterToStartFrom" };
  const after = withSteps({ ...before, outgoing: before.voters, autoLeave }, steps);
  if (after.voters.length === 0) return { kind: "refused", reason: "noVoterLeft" }; // M2
  return changed(after);
}

/** The incoming majority alone decides; hubs of `outgoing` that are nothing else are gone. */
export function leaveJoint(before: Membership): ChangeOutcome {
  if (!isJoint(before)) return { kind: "refused", reason: "notJoint" };
  return changed({
    voters: before.voters,
    outgoing: [],
    learners: [...before.learners, ...before.learnersNext].toSorted(),
    learnersNext: [],
    autoLeave: false,
  });
}

function withSteps(before: Membership, steps: readonly MembershipStep[]): Membership {
  const voters = new Set(before.voters);
  const learners = new Set(before.learners);
  const learnersNext = new Set(before.learnersNext);
  for (const { type, hub } of steps) {
    assert(hub !== "", "a hub has a name");
    if (type === "addLearner" && learners.has(hub)) continue; // M4
    voters.delete(hub);
    learners.delete(hub);
    learnersNext.delete(hub);
    if (type === "addVoter") voters.add(hub);
    else if (type === "addLearner") {
      (before.outgoing.includes(hub) ? learnersNext : learners).add(hub); // M3
    }
  }
  return {
    voters: [...voters].toSorted(),
    outgoing: before.outgoing,
    learners: [...learners].toSorted(),
    learnersNext: [...learnersNext].toSorted(),
    autoLeave: before.autoLeave,
  };
}

function changed(membership: Membership): ChangeOutcome {
  checkMembership(membership);
  return { kind: "changed", membership };
}

/** Throws AssertionError unless M2 and M3 hold. */
export function checkMembership(membership: Membership): void {
  const { voters, outgoing, learners, learnersNext, autoLeave } = membership;
  assert(voters.length > 0, "M2: a configuration has a voter");
  assert(
    learners.every((hub) => !isVoter(membership, hub)),
    "M3: a learner is in no majority",
  );
  assert(
    learnersNext.every((hub) => outgoing.includes(hub) && !voters.includes(hub)),
    "M3: who becomes a learner is on the way out",
  );
  assert(outgoing.length > 0 || !autoLeave, "only a joint configuration is left");
}

function differenceOf(before: readonly HubId[], after: readonly HubId[]): number {
  const added = after.filter((hub) => !before.includes(hub)).length;
  return added + before.filter((hub) => !after.includes(hub)).length;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const encodeChange = (change: MembershipChange): Uint8Array =>
  encoder.encode(JSON.stringify(change));

/** Of an entry of our own log: it was encoded by a hub of this group. Throws SyntaxError otherwise. */
export const decodeChange = (data: Uint8Array): MembershipChange =>
  JSON.parse(decoder.decode(data)) as MembershipChange;
