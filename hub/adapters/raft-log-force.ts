// The last resort when a majority of hubs is gone for ever, or a hub that stands alone has a damaged
// log: what is whole here becomes the truth, and the given membership counts. Offline; whoever calls
// it has asked a person, kept the old folder, and brought log and ledger together first
// (hub/replica/recover.ts).
//
// RF1. Everything that is stored is taken as committed; what was acknowledged elsewhere is lost.
// RF2. The term is higher than any this hub can have voted in.

import type { Membership } from "../consensus/types.ts";
import type { OrderedStore, StoreOperation } from "../ports.ts";
import type { TailMark } from "./raft-log.ts";
import { encodeRecord, entryKey } from "./raft-log-records.ts";
import {
  DAMAGE_KEY,
  HEAD_KEY,
  type HeadRecord,
  MEMBERSHIP_KEY,
  type MembershipRecord,
  scanLog,
  voteCheck,
} from "./raft-log-scan.ts";

export interface Forced {
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** What may be lost, in words; undefined when nothing is known to be. */
  readonly damage: string | undefined;
}

const nothing = (): void => {};

/** Not while the log is open elsewhere. Synced. Throws disk_full or io_error. */
export async function forceMembership(
  store: OrderedStore,
  tail: TailMark,
  membership: Membership,
): Promise<Forced> {
  const found = await scanLog(store, tail.read(), nothing, nothing);
  const { lastIndex, lastTerm, lastChain, damage } = found;
  const term = Math.max(found.hardState.term, damage?.term ?? 0) + 1; // RF2
  const rewrites = found.rewrites + 1; // the mark so far is of a log that is no more
  const head: HeadRecord = { term, vote: null, commit: lastIndex, rewrites }; // RF1
  const record: MembershipRecord = { membership, index: lastIndex };
  const operations: StoreOperation[] = [
    { type: "put", key: HEAD_KEY, value: encodeRecord(head) },
    { type: "put", key: MEMBERSHIP_KEY, value: encodeRecord(record) },
    { type: "del", key: DAMAGE_KEY },
  ];
  for (let index = lastIndex + 1; index <= found.topIndex; index += 1) {
    operations.push({ type: "del", key: entryKey(index) });
  }
  await store.batch(operations, { sync: true });
  tail.write({
    index: lastIndex,
    term: lastTerm,
    chain: lastChain,
    rewrites,
    votedTerm: term,
    vote: voteCheck(null),
  });
  return { lastIndex, lastTerm, damage: damage?.words };
}
