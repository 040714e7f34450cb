// The log as the core sees it: what the disk has (StoredLog) and, over it, the tail that is not yet
// both stored and handed out. It owns last, stored, commit and handed-out indexes.
//
// L1. Entries are consecutive and their terms never fall. What is committed is never cut off.
// L2. commit never falls, and commit <= last. handedOut <= min(commit, stored): what is applied is
//     on the own disk too, so a checkpoint of the ledger is never ahead of the log.
// L3. The tail answers for [tailFirst, last]. The disk may still hold other entries there, which
//     were cut off: it is asked only below tailFirst.
// L4. `stored` moves only to an (index, term) that the log still has, and only for a write of the
//     current term. Why the term: (A) term 2 writes entries up to 10; (B) term 3 cuts them off;
//     (C) a leader of term 4 puts the same entries of term 2 back, not yet written. The late answer
//     to write A names an (index, term) that the log has again, while write B is about to erase it.

import { assert } from "@gantry/shared/base/assert.ts";
import type { Entry, Restored, StoredLog } from "./types.ts";

export interface RaftLog {
  readonly disk: StoredLog;
  tail: Entry[];
  /** tail[head] is entry `tailFirst`; what lies before is let go in large pieces. */
  head: number;
  tailFirst: number;
  last: number;
  lastTerm: number;
  stored: number;
  /** First entry that `takeUnwritten` has not given out. */
  unwritten: number;
  commit: number;
  handedOut: number;
}

const HEAD_MAX = 1_024;

export function makeLog(restored: Restored, disk: StoredLog): RaftLog {
  const { hardState, lastIndex, lastTerm, appliedIndex, membershipIndex } = restored;
  // A commit index on disk may be behind (it is not synced): what is applied was committed.
  const commit = Math.max(hardState.commit, appliedIndex, membershipIndex, disk.offset.index);
  assert(commit <= lastIndex, "L2: the log that was found is shorter than what was committed");
  assert(appliedIndex >= disk.offset.index, "entries to be applied are gone from the log");
  return {
    disk,
    tail: [],
    head: 0,
    tailFirst: lastIndex + 1,
    last: lastIndex,
    lastTerm,
    stored: lastIndex,
    unwritten: lastIndex + 1,
    commit,
    handedOut: appliedIndex,
  };
}

/** Undefined before what is kept and after the end. */
export function termAt(log: RaftLog, index: number): number | undefined {
  if (index === log.last) return log.lastTerm;
  if (index > log.last) return undefined;
  if (index >= log.tailFirst) return log.tail[log.head + index - log.tailFirst]?.term;
  return log.disk.termAt(index); // L3
}

export const isMatch = (log: RaftLog, index: number, term: number): boolean =>
  termAt(log, index) === term;

/** Raft 5.4.1: the log that ends later in a later term is the more complete one. */
export const isUpToDate = (log: RaftLog, index: number, term: number): boolean =>
  term > log.lastTerm || (term === log.lastTerm && index >= log.last);

/**
 * From `from` on, never past `through`: at least one if there is one, then while data stays under
 * `bytesMax`. May end early where the disk ends and the tail begins: ask again from there.
 */
export function entriesFrom(
  log: RaftLog,
  from: number,
  through: number,
  bytesMax: number,
): readonly Entry[] {
  assert(through <= log.last, "no entry lies behind the last one");
  if (from > through) return [];
  if (from < log.tailFirst) {
    return log.disk.entries(from, Math.min(through, log.tailFirst - 1), bytesMax);
  }
  const first = log.head + from - log.tailFirst;
  const end = log.head + through - log.tailFirst + 1;
  let bytes = log.tail[first]?.data.length ?? 0;
  let at = first + 1;
  while (at < end) {
    bytes += log.tail[at]?.data.length ?? 0;
    if (bytes > bytesMax) break;
    at += 1;
  }
  return log.tail.slice(first, at);
}

/** Adds one entry at the end (a leader's only way to write). */
export function appendEntry(log: RaftLog, entry: Entry): void {
  assert(entry.index === log.last + 1, "L1: entries are consecutive");
  assert(entry.term >= log.lastTerm, "L1: terms never fall");
  log.tail.push(entry);
  log.last = entry.index;
  log.lastTerm = entry.term;
}

/** Index of the first entry that the log has not, or has otherwise; undefined if it has them all. */
export function firstNew(log: RaftLog, entries: readonly Entry[]): number | undefined {
  const first = entries[0];
  if (first === undefined) return undefined;
  if (first.index > log.last) return first.index;
  for (const { index, term } of entries) {
    if (termAt(log, index) !== term) return index;
  }
  return undefined;
}

/** Cuts off everything from `from` on. */
export function truncate(log: RaftLog, from: number): void {
  assert(from > log.commit, "L1: what is committed is never cut off");
  if (from > log.last) return;
  const before = termAt(log, from - 1);
  assert(before !== undefined, "L1: a log is cut where it is known");
  if (from <= log.tailFirst) {
    log.tail = [];
    log.head = 0;
    log.tailFirst = from;
  } else {
    log.tail.length = log.head + from - log.tailFirst;
  }
  log.last = from - 1;
  log.lastTerm = before;
  log.stored = Math.min(log.stored, from - 1);
  log.unwritten = Math.min(log.unwritten, from);
}

/** False if nothing moved. `isOwnTerm`: the write was made in the current term (L4). */
export function markStored(log: RaftLog, index: number, term: number, isOwnTerm: boolean): boolean {
  if (!isOwnTerm || index <= log.stored || index >= log.unwritten) return false;
  if (!isMatch(log, index, term)) return false; // L4
  log.stored = index;
  letGo(log);
  return true;
}

export function commitTo(log: RaftLog, index: number): void {
  assert(index >= log.commit && index <= log.last, "L2: commit moves forward, up to the last");
  log.commit = index;
}

/** Entries that were not yet given to the disk. */
export function takeUnwritten(log: RaftLog): readonly Entry[] {
  if (log.unwritten > log.last) return [];
  const entries = log.tail.slice(log.head + log.unwritten - log.tailFirst);
  assert(entries[0]?.index === log.unwritten, "L3: the tail holds what is not written");
  log.unwritten = log.last + 1;
  return entries;
}

/** Entries to be applied next, in order, each once (L2); about `bytesMax` at a time. */
export function takeCommitted(log: RaftLog, bytesMax: number): readonly Entry[] {
  const through = Math.min(log.commit, log.stored);
  if (log.handedOut >= through) return [];
  const entries = entriesFrom(log, log.handedOut + 1, through, bytesMax);
  const last = entries.at(-1);
  assert(
    last !== undefined && last.index === log.handedOut + entries.length && last.index <= through,
    "L2: what is committed can be read, and follows on what was handed out",
  );
  log.handedOut = last.index;
  letGo(log);
  return entries;
}

/** A snapshot took the place of everything up to `index`, and of what came after it. */
export function resetTo(log: RaftLog, index: number, term: number): void {
  assert(index > log.commit, "a snapshot only moves forward");
  assert(log.disk.termAt(index) === term, "the disk stands where the snapshot ends");
  log.tail = [];
  log.head = 0;
  log.tailFirst = index + 1;
  log.last = index;
  log.lastTerm = term;
  log.stored = index;
  log.unwritten = index + 1;
  log.commit = index;
  log.handedOut = index;
}

/**
 * The largest index <= `index` whose term is <= `term`, and its term (0 where it is not known):
 * nothing between it and `index` can agree with a log whose term at `index` is `term`.
 */
export function lastNotAfter(
  log: RaftLog,
  index: number,
  term: number,
): { readonly index: number; readonly term: number } {
  for (let at = index; at > 0; at -= 1) {
    const own = termAt(log, at);
    if (own === undefined) return { index: at, term: 0 };
    if (own <= term) return { index: at, term: own };
  }
  return { index: 0, term: 0 };
}

function letGo(log: RaftLog): void {
  const through = Math.min(log.stored, log.handedOut);
  if (through < log.tailFirst) return;
  log.head += through + 1 - log.tailFirst;
  log.tailFirst = through + 1;
  if (log.head >= log.tail.length) {
    log.tail = [];
    log.head = 0;
  } else if (log.head > HEAD_MAX && log.head * 2 > log.tail.length) {
    log.tail = log.tail.slice(log.head);
    log.head = 0;
  }
}
