// Reads a log as its disk has it, from the first entry to the last, and says what is missing.
//
// LevelDB drops a damaged end of its own write-ahead file without a word, and goes on behind a
// damaged middle. So the log is checked against itself (checksums, chain, no gap) and against the
// tail mark, a small file beside it that names the last entry that was surely synced.
//
// RS1. A log that does not reach its mark is damaged. One that goes on behind it is not: the mark is
//      written after the sync, and a power cut may leave an older one.
// RS2. A mark of fewer rewrites than the log has is of a log that is no more, and says nothing: a
//      power cut came between the sync that replaced a suffix and the mark.
// RS3. What was read before the damage is used, what lies behind it is not.
// RS4. Nothing is written here.

import { createHash } from "node:crypto";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Entry, HardState, HubId, Membership } from "../consensus/types.ts";
import type { OrderedStore } from "../ports.ts";
import type { LogOffset } from "./raft-log-memory.ts";
import {
  AFTER_ENTRIES,
  chainAfter,
  type ChainedEntry,
  decodeLogEntry,
  decodeRecord,
  entryKey,
  indexOfKey,
  NO_CHAIN,
} from "./raft-log-records.ts";

/** `h`: hard state, and how often a suffix of the log, or all of it, was replaced. */
export interface HeadRecord extends HardState {
  readonly rewrites?: number;
}
/** `m` */
export interface MembershipRecord {
  readonly membership: Membership;
  readonly index: number;
}
/** `o` */
export interface OffsetRecord {
  readonly index: number;
  readonly term: number;
  /** Hex. */
  readonly chain: string;
}
/** `d`: what an open found, kept until everything up to `index` is committed here again. */
export interface DamageRecord {
  readonly words: string;
  readonly index: number;
  /** The hub may have voted in this term and does not know for whom: only a later one heals. */
  readonly term: number;
}
export const HEAD_KEY = "h";
export const MEMBERSHIP_KEY = "m";
export const OFFSET_KEY = "o";
export const DAMAGE_KEY = "d";

/** The last state that was surely synced. */
export interface Mark {
  readonly index: number;
  readonly term: number;
  /** 16 bytes. */
  readonly chain: Uint8Array;
  readonly rewrites: number;
  readonly votedTerm: number;
  /** 8 bytes: voteCheck of the vote in `votedTerm`. */
  readonly vote: Uint8Array;
}

export function voteCheck(vote: HubId | null): Uint8Array {
  if (vote === null) return new Uint8Array(8);
  return createHash("sha256").update(vote).digest().subarray(0, 8);
}

export interface ScannedLog {
  readonly hardState: HardState;
  readonly rewrites: number;
  readonly membership: MembershipRecord | undefined;
  readonly offset: LogOffset;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly lastChain: Uint8Array;
  /** The last key on the disk: more than lastIndex when what lies behind a damage is still there. */
  readonly topIndex: number;
  readonly damage: DamageRecord | undefined;
}

/** `onEntry`: each whole one, in order, after `onOffset`. Throws data_dir_version or io_error. */
export async function scanLog(
  store: OrderedStore,
  mark: Mark | undefined,
  onOffset: (offset: LogOffset) => void,
  onEntry: (entry: Entry) => void,
): Promise<ScannedLog> {
  const faults: string[] = [];
  const read = (key: string): unknown => {
    try {
      return decodeRecord(key, store.getSync(key));
    } catch (error) {
      faults.push(wordsOf(error));
      return undefined;
    }
  };
  const head = read(HEAD_KEY) as HeadRecord | undefined; // records are written by raft-log.ts alone
  const membership = read(MEMBERSHIP_KEY) as MembershipRecord | undefined;
  const before = read(DAMAGE_KEY) as DamageRecord | undefined;
  const offset = readOffset(read(OFFSET_KEY) as OffsetRecord | undefined, await firstEntry(store));
  onOffset(offset);

  let last: LogOffset = offset;
  let markChain = mark?.index === offset.index ? offset.chain : undefined;
  try {
    for await (const { entry, chain } of wholeEntries(store, offset)) {
      onEntry(entry);
      last = { index: entry.index, term: entry.term, chain };
      if (entry.index === mark?.index) markChain = chain;
    }
  } catch (error) {
    faults.push(wordsOf(error)); // RS3
  }
  const topIndex = Math.max(last.index, await lastKey(store));
  const rewrites = head?.rewrites ?? 0;
  if (faults.length === 0) {
    const commit = head?.commit ?? 0;
    if (commit > last.index) faults.push(`Entry ${commit} was committed, ${endsAt(last.index)}`);
    else if (mark !== undefined) faults.push(...againstMark(mark, head, rewrites, last, markChain));
  }
  const terms = [head?.term ?? 0, last.term, mark?.votedTerm ?? 0];
  const commits = [head?.commit ?? 0, membership?.index ?? 0, offset.index];
  return {
    hardState: {
      term: head === undefined ? Math.max(...terms) : Math.max(head.term, last.term),
      vote: head === undefined || last.term > head.term ? null : head.vote,
      commit: Math.min(Math.max(...commits), last.index),
    },
    rewrites: Math.max(rewrites, mark?.rewrites ?? 0),
    membership,
    offset,
    lastIndex: last.index,
    lastTerm: last.term,
    lastChain: last.chain,
    topIndex,
    damage: joined(before, faults, {
      index: Math.max(topIndex, mark?.index ?? 0, ...commits),
      term: Math.max(...terms),
    }),
  };
}

/** RS1, RS2. */
function againstMark(
  mark: Mark,
  head: HeadRecord | undefined,
  rewrites: number,
  last: LogOffset,
  markChain: Uint8Array | undefined,
): readonly string[] {
  if (rewrites > mark.rewrites) return [];
  if (rewrites < mark.rewrites || last.index < mark.index) {
    return [`Entry ${mark.index} of term ${mark.term} had been synced, ${endsAt(last.index)}`];
  }
  if (markChain !== undefined && Buffer.compare(markChain, mark.chain) !== 0) {
    return [`Log entry ${mark.index} is not the one that had been synced`];
  }
  const term = head?.term ?? 0;
  const isVoteLost =
    term === mark.votedTerm &&
    mark.vote.some((byte) => byte !== 0) &&
    Buffer.compare(voteCheck(head?.vote ?? null), mark.vote) !== 0;
  if (term >= mark.votedTerm && !isVoteLost) return [];
  return [`Term ${mark.votedTerm} had been synced, the log knows term ${term} and not its vote`];
}

const endsAt = (index: number): string =>
  index === 0 ? "the log is empty" : `the log ends at ${index}`;

function joined(
  before: DamageRecord | undefined,
  faults: readonly string[],
  { index, term }: { index: number; term: number },
): DamageRecord | undefined {
  if (faults.length === 0) return before;
  const words = [...(before === undefined ? [] : [before.words]), ...faults].join("; ");
  return {
    words,
    index: Math.max(index, before?.index ?? 0),
    term: Math.max(term, before?.term ?? 0),
  };
}

/** Every entry after the offset, up to the first that is not whole: there it throws data_damaged. */
async function* wholeEntries(store: OrderedStore, offset: LogOffset): AsyncGenerator<ChainedEntry> {
  let expected = offset.index + 1;
  let { chain, term } = offset;
  for await (const [key, value] of store.entries({ gte: entryKey(expected), lt: AFTER_ENTRIES })) {
    if (indexOfKey(key) !== expected) throw damaged(`Log entry ${expected} is missing`);
    const read = decodeLogEntry(expected, value);
    if (
      read.entry.term < term ||
      (read.isLinked && Buffer.compare(chainAfter(chain, read.entry), read.chain) !== 0)
    ) {
      throw damaged(`Log entry ${expected} does not follow the one before it`);
    }
    yield read;
    ({ chain } = read);
    ({ term } = read.entry);
    expected += 1;
  }
}

async function firstEntry(store: OrderedStore): Promise<ChainedEntry | undefined> {
  const range = { gte: entryKey(0), lt: AFTER_ENTRIES, limit: 1 };
  for await (const [key, value] of store.entries(range)) {
    try {
      return decodeLogEntry(indexOfKey(key), value);
    } catch {
      return undefined; // found again, and said, by wholeEntries
    }
  }
  return undefined;
}

/** A log of version 1 that was trimmed has no record of where: the term before it is taken to be that of its first entry. */
function readOffset(record: OffsetRecord | undefined, first: ChainedEntry | undefined): LogOffset {
  if (record !== undefined) {
    const { index, term, chain } = record;
    return { index, term, chain: Buffer.from(chain, "hex") };
  }
  if (first === undefined || first.isLinked || first.entry.index === 1) {
    return { index: 0, term: 0, chain: NO_CHAIN };
  }
  return { index: first.entry.index - 1, term: first.entry.term, chain: NO_CHAIN };
}

async function lastKey(store: OrderedStore): Promise<number> {
  const range = { gte: entryKey(0), lt: AFTER_ENTRIES, reverse: true, limit: 1 };
  for await (const [key] of store.entries(range)) return indexOfKey(key);
  return 0;
}

const damaged = (words: string): GantryError => new GantryError("data_damaged", words);

/** A release too old, or a disk that cannot be read, is no damage of the log: thrown on. */
function wordsOf(error: unknown): string {
  if (error instanceof GantryError && error.code === "data_damaged") return error.message;
  throw error;
}
