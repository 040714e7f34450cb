// Who counts: as the log, its changes and the checkpoint say it.

import { isDeepStrictEqual } from "node:util";
import type { Membership } from "../consensus/types.ts";
import { APPLIED_KEY, type AppliedMark, readApplied } from "../replica/ledger-store.ts";
import { type Check, makeFaults } from "./finding.ts";
import { entriesOf } from "./state.ts";

/** Somebody votes, nobody counts twice, changes can be read, and log and checkpoint agree. */
export const membership: Check = {
  name: "membership",
  advice: "In a cluster: remove this hub from it and join it anew. Alone: report this as a bug.",
  async examine(patient) {
    const faults = makeFaults();
    const store = await patient.log();
    const inLog = store.restored;
    const mark = readApplied(patient.ledger.getSync(APPLIED_KEY));
    if (isOfOlderRelease(inLog.membership, mark)) return { note: "none yet", faults: [] };
    for (const fault of faultsIn(inLog.membership)) faults.add(`The log's membership ${fault}`);
    let changes = 0;
    for (const { kind, index, data } of entriesOf(store)) {
      if (kind !== "membership") continue;
      changes += 1;
      if (!isChange(data)) faults.add(`Log entry ${index} is no change of the membership`);
    }
    if (mark.membership !== undefined && mark.membershipIndex !== undefined) {
      for (const fault of faultsIn(mark.membership)) faults.add(`The checkpoint's ${fault}`);
      if (mark.membershipIndex > mark.index) {
        faults.add(`The checkpoint at ${mark.index} has a membership of ${mark.membershipIndex}`);
      }
      const isSame = isDeepStrictEqual(mark.membership, inLog.membership);
      if (mark.membershipIndex === inLog.membershipIndex && !isSame) {
        faults.add(`Log and checkpoint disagree on the membership of ${mark.membershipIndex}`);
      }
    }
    const { voters, learners } = inLog.membership;
    const note = `${voters.length} voters, ${learners.length} learners since ${inLog.membershipIndex}, ${changes} changes in the log`;
    return { note, faults: faults.list() };
  },
};

/** One that knew one hub only, and this release has not yet been started here. */
const isOfOlderRelease = ({ voters, learners }: Membership, mark: AppliedMark): boolean =>
  voters.length === 0 && learners.length === 0 && mark.membership === undefined;

function faultsIn({ voters, outgoing, learners }: Membership): readonly string[] {
  const faults: string[] = [];
  if (voters.length === 0) faults.push("has no voter");
  if ([voters, outgoing, learners].some((hubs) => new Set(hubs).size < hubs.length)) {
    faults.push("names a hub twice");
  }
  const both = learners.filter((hub) => voters.includes(hub) || outgoing.includes(hub));
  if (both.length > 0) faults.push(`has ${both.join(", ")} as voter and as learner`);
  return faults;
}

function isChange(data: Uint8Array): boolean {
  try {
    const change = JSON.parse(new TextDecoder().decode(data)) as { steps?: unknown };
    return Array.isArray(change.steps);
  } catch {
    return false;
  }
}
