// The log of one hub in an OrderedStore of its own, so that compaction of the ledger's store never
// delays a commit. One group-commit batch is one entry is one key (raft-log-records.ts).
//
//   h   hard state and number of rewrites        m   membership in force and its index
//   o   what lies before the first entry         d   a damage that is not healed
//
// S1. An append is one batch; what it replaces goes in the same batch. Memory follows only when the
//     disk has it: a failed write leaves both as they were.
// S2. An entry whose bytes do not match their checksum is data_damaged with its index, never skipped;
//     the chain proves at open that none is missing or exchanged.
// S3. Writes are done one after the other, in the order of the calls.
// S4. The tail mark is written after the sync and never before it; nobody waits for it.
// S5. A damage stays until the log holds, committed in a later term, everything that it may have
//     lost: until then this hub might have acknowledged, or voted, what it no longer knows.

import { assert } from "@gantry/shared/base/assert.ts";
import type { Entry, HardState, Membership, Restored } from "../consensus/types.ts";
import type { LogStore, OrderedStore, StoreOperation } from "../ports.ts";
import { makeLogMemory } from "./raft-log-memory.ts";
import type { LogMemory, LogOffset } from "./raft-log-memory.ts";
import {
  chainAfter,
  damagedEntry,
  decodeLogEntry,
  encodeLogEntry,
  encodeRecord,
  entryIn,
  entryKey,
  NO_CHAIN,
} from "./raft-log-records.ts";
import {
  DAMAGE_KEY,
  type DamageRecord,
  HEAD_KEY,
  type HeadRecord,
  type Mark,
  MEMBERSHIP_KEY,
  type MembershipRecord,
  OFFSET_KEY,
  type OffsetRecord,
  scanLog,
  voteCheck,
} from "./raft-log-scan.ts";

const CACHE_BYTES = 8 * 1_048_576; // some seconds of a busy hub: what a follower may lag behind
const TRIM_ENTRIES = 256; // in one batch: about 2 ms
const NOBODY: Membership = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** Names what was synced last, so that its loss is seen at the next start. */
export interface TailMark {
  /** As it was found at open; undefined when there is none, or none that is whole. */
  read(): Mark | undefined;
  /** Never waits and never fails: without a mark only the damage of the tail goes unseen. */
  write(mark: Mark): void;
}

export interface RaftLogOptions {
  /** The membership of a log that has none yet. */
  readonly found?: Membership;
  /** Of recent entries in memory; 8 MiB where left out. */
  readonly cacheBytes?: number;
}

/**
 * Reads the whole log once. What is damaged is said by `damage`, and the log is what is whole before
 * it. Throws data_dir_version or io_error.
 */
export async function openRaftLog(
  store: OrderedStore,
  tail: TailMark,
  options: RaftLogOptions = {},
): Promise<LogStore> {
  const { found: founders = NOBODY, cacheBytes = CACHE_BYTES } = options;
  let memory: LogMemory = makeLogMemory({ index: 0, term: 0, chain: NO_CHAIN }, cacheBytes);
  const scanned = await scanLog(
    store,
    tail.read(),
    (offset) => (memory = makeLogMemory(offset, cacheBytes)),
    (entry) => memory.push(entry),
  );
  let { hardState, rewrites, lastChain, topIndex, damage } = scanned;
  let isDamageStored = store.getSync(DAMAGE_KEY) !== undefined && damage !== undefined;
  // The index is never above what is readable: a damaged log may end before it.
  const membership = scanned.membership ?? { membership: founders, index: memory.offset.index };
  let restored: Restored = {
    hardState,
    membership: membership.membership,
    membershipIndex: Math.min(membership.index, scanned.lastIndex),
    lastIndex: scanned.lastIndex,
    lastTerm: scanned.lastTerm,
    appliedIndex: 0,
  };
  let unstoredMembership = scanned.membership === undefined ? membership : undefined;
  let writing: Promise<unknown> = Promise.resolve();
  let voteChecked: { readonly vote: HardState["vote"]; readonly check: Uint8Array } | undefined;

  /** S3. */
  function inOrder(write: () => Promise<void>): Promise<void> {
    const done = writing.then(write);
    writing = done.catch(() => {});
    return done;
  }

  /** The chain of a stored entry, or of the offset. */
  function chainAt(index: number): Uint8Array {
    if (index === memory.lastIndex) return lastChain;
    if (index === memory.offset.index) return memory.offset.chain;
    return readStored(index).chain;
  }

  function readStored(index: number): ReturnType<typeof decodeLogEntry> {
    const value = store.getSync(entryKey(index));
    if (value === undefined) throw damagedEntry(index, "is missing");
    return decodeLogEntry(index, value);
  }

  async function append(write: Parameters<LogStore["append"]>[0]): Promise<void> {
    const { entries, isSync } = write;
    const keepThrough = (entries[0]?.index ?? memory.lastIndex + 1) - 1;
    assert(keepThrough >= memory.offset.index, "entries never replace what a snapshot holds");
    assert(keepThrough <= memory.lastIndex, "entries follow what is stored");
    const operations: StoreOperation[] = [];
    const added: Entry[] = [];
    let chain = chainAt(keepThrough);
    for (const entry of entries) {
      assert(entry.index === keepThrough + added.length + 1, "entries of one write have no gap");
      chain = chainAfter(chain, entry);
      const value = encodeLogEntry(entry, chain);
      operations.push({ type: "put", key: entryKey(entry.index), value });
      added.push(entryIn(value, entry));
    }
    const lastIndex = keepThrough + added.length;
    const isRewrite = entries.length > 0 && topIndex > keepThrough;
    if (isRewrite) operations.push(...deletions(lastIndex + 1, topIndex));
    const next = {
      hardState: write.hardState ?? hardState,
      rewrites: rewrites + (isRewrite ? 1 : 0),
      damage: healed(damage, write.hardState ?? hardState, lastIndex),
      membership: unstoredMembership,
    };
    if (isRewrite || write.hardState !== undefined) operations.push(headPut(next));
    if (next.membership !== undefined) operations.push(put(MEMBERSHIP_KEY, next.membership));
    if (next.damage === undefined && isDamageStored) {
      operations.push({ type: "del", key: DAMAGE_KEY });
    } else if (next.damage !== undefined && !isDamageStored) {
      operations.push(put(DAMAGE_KEY, next.damage));
    }
    await store.batch(operations, { sync: isSync });
    if (keepThrough < memory.lastIndex) memory.cut(keepThrough);
    for (const entry of added) memory.push(entry);
    lastChain = chain;
    if (entries.length > 0) topIndex = lastIndex;
    ({ hardState, rewrites, damage } = next);
    isDamageStored = damage !== undefined;
    if (unstoredMembership === next.membership) unstoredMembership = undefined;
    if (isSync) writeMark();
  }

  /** S4. */
  function writeMark(): void {
    tail.write({
      index: memory.lastIndex,
      term: memory.lastTerm,
      chain: lastChain,
      rewrites,
      votedTerm: hardState.term,
      vote: checkOfVote(),
    });
  }

  /** A vote is cast once in a term, and marked with every append. */
  function checkOfVote(): Uint8Array {
    const { vote } = hardState;
    if (voteChecked?.vote !== vote) voteChecked = { vote, check: voteCheck(vote) };
    return voteChecked.check;
  }

  /** Piece by piece, so that no append waits for long. Each piece is whole by itself. */
  async function trim(through: number): Promise<void> {
    while (memory.offset.index < Math.min(through, memory.lastIndex)) {
      await inOrder(() => trimPiece(through));
    }
  }

  async function trimPiece(through: number): Promise<void> {
    const { offset } = memory; // a reset may have come in between
    const index = Math.min(through, memory.lastIndex, offset.index + TRIM_ENTRIES);
    if (index <= offset.index) return;
    const term = memory.termAt(index);
    assert(term !== undefined, "a stored entry has a term");
    const next: LogOffset = { index, term, chain: chainAt(index) };
    const kept = unstoredMembership;
    const operations = [...deletions(offset.index + 1, index), offsetPut(next)];
    if (kept !== undefined) operations.push(put(MEMBERSHIP_KEY, kept));
    await store.batch(operations, { sync: false });
    memory.trim(next);
    if (unstoredMembership === kept) unstoredMembership = undefined;
  }

  async function reset(snapshot: Parameters<LogStore["reset"]>[0]): Promise<void> {
    const { index, term } = snapshot;
    assert(index >= hardState.commit, "a snapshot never takes back what is committed");
    const offset: LogOffset = { index, term, chain: NO_CHAIN };
    const next = {
      hardState: {
        term: Math.max(hardState.term, term),
        vote: term > hardState.term ? null : hardState.vote,
        commit: index,
      },
      rewrites: rewrites + 1,
    };
    const mended = healed(damage, next.hardState, index);
    const operations: StoreOperation[] = [
      ...deletions(memory.offset.index + 1, topIndex),
      offsetPut(offset),
      headPut(next),
      put(MEMBERSHIP_KEY, { membership: snapshot.membership, index } satisfies MembershipRecord),
      mended === undefined ? { type: "del", key: DAMAGE_KEY } : put(DAMAGE_KEY, mended),
    ];
    await store.batch(operations, { sync: true });
    memory = makeLogMemory(offset, cacheBytes);
    [lastChain, topIndex, damage] = [NO_CHAIN, index, mended];
    isDamageStored = damage !== undefined;
    ({ hardState, rewrites } = next);
    unstoredMembership = undefined;
    restored = {
      hardState,
      membership: snapshot.membership,
      membershipIndex: index,
      lastIndex: index,
      lastTerm: term,
      appliedIndex: 0,
    };
    writeMark();
  }

  return {
    get restored() {
      return restored;
    },
    log: {
      get offset() {
        return memory.offset;
      },
      termAt: (index) => memory.termAt(index),
      entries(from, through, bytesMax) {
        assert(from > memory.offset.index, "entries before the offset are gone");
        const taken: Entry[] = [];
        let bytes = 0;
        for (let index = from; index <= Math.min(through, memory.lastIndex); index += 1) {
          const entry = memory.recent(index) ?? readStored(index).entry; // S2
          bytes += entry.data.length;
          if (taken.length > 0 && bytes >= bytesMax) break;
          taken.push(entry);
        }
        return taken;
      },
    },
    get damage() {
      return damage?.words;
    },
    get isReopening() {
      return store.isReopening;
    },
    append: (write) => inOrder(() => append(write)),
    setMembership(now, index) {
      unstoredMembership = { membership: now, index };
    },
    trim,
    reset: (snapshot) => inOrder(() => reset(snapshot)),
  };
}

/** S5. */
function healed(
  damage: DamageRecord | undefined,
  { term, commit }: HardState,
  lastIndex: number,
): DamageRecord | undefined {
  const isHealed =
    damage !== undefined && Math.min(commit, lastIndex) >= damage.index && term > damage.term;
  return isHealed ? undefined : damage;
}

const put = (key: string, record: unknown): StoreOperation => ({
  type: "put",
  key,
  value: encodeRecord(record),
});

const headPut = (next: { hardState: HardState; rewrites: number }): StoreOperation =>
  put(HEAD_KEY, { ...next.hardState, rewrites: next.rewrites } satisfies HeadRecord);

function offsetPut({ index, term, chain }: LogOffset): StoreOperation {
  const record: OffsetRecord = { index, term, chain: Buffer.from(chain).toString("hex") };
  return put(OFFSET_KEY, record);
}

function deletions(from: number, through: number): StoreOperation[] {
  const operations: StoreOperation[] = [];
  for (let index = from; index <= through; index += 1) {
    operations.push({ type: "del", key: entryKey(index) });
  }
  return operations;
}
