// A log store in memory with the manners of the real one: writes are whole, in order, and what is not
// put is lost with the hub.

import { assert } from "@gantry/shared/base/assert.ts";
import type { Entry, HardState, Membership, Restored, StoredLog } from "../types.ts";

export type FakeDisk = ReturnType<typeof makeFakeDisk>;

const EMPTY = new Uint8Array(0);

/** `terms`: one stored entry each, from index 1. */
export function makeFakeDisk(terms: readonly number[], commit: number, known: Membership) {
  let entries: Entry[] = terms.map((term, at) => ({
    index: at + 1,
    term,
    kind: "commands",
    data: EMPTY,
  }));
  let offset = { index: 0, term: 0 };
  let snapshot = { membership: known, index: 0 };
  let hardState: HardState = { term: terms.at(-1) ?? 0, vote: null, commit };
  const lastIndex = (): number => offset.index + entries.length;
  const lastTerm = (): number => entries.at(-1)?.term ?? offset.term;

  const log: StoredLog = {
    get offset() {
      return offset;
    },
    termAt: (index) =>
      index === offset.index ? offset.term : entries[index - offset.index - 1]?.term,
    entries(from, through, bytesMax) {
      assert(from > offset.index, "only what is kept is asked for");
      const found: Entry[] = [];
      let size = 0;
      for (let index = from; index <= Math.min(through, lastIndex()); index += 1) {
        const entry = entries[index - offset.index - 1];
        if (entry === undefined) break;
        size += entry.data.length;
        if (found.length > 0 && size > bytesMax) break;
        found.push(entry);
      }
      return found;
    },
  };

  return {
    log,
    entries: (): readonly Entry[] => entries,
    hardState: () => hardState,
    get appliedIndex() {
      return snapshot.index;
    },
    /** Entries from the first new one on replace what was there. */
    put(next: HardState | undefined, added: readonly Entry[]): void {
      if (next !== undefined) {
        assert(next.term >= hardState.term, "the stored term never falls");
        hardState = next;
      }
      const first = added[0];
      if (first === undefined) return;
      assert(first.index > offset.index && first.index <= lastIndex() + 1, "no hole in the log");
      entries = [...entries.slice(0, first.index - offset.index - 1), ...added];
    },
    /** What lies at the offset, if anything was compacted. */
    snapshot: () =>
      offset.index === 0
        ? undefined
        : { index: offset.index, indexTerm: offset.term, membership: snapshot.membership },
    stored: () => ({ term: hardState.term, index: lastIndex(), lastTerm: lastTerm() }),
    compact(index: number, membership: Membership): void {
      const term = log.termAt(index);
      assert(term !== undefined, "compacted where entries are");
      entries = entries.slice(index - offset.index);
      offset = { index, term };
      snapshot = { membership, index };
    },
    /** The last entries are gone, as after damage that was found at open. */
    damage(count: number): void {
      entries = entries.slice(0, entries.length - count);
      hardState = { ...hardState, commit: Math.min(hardState.commit, lastIndex()) };
    },
    reset(index: number, term: number, membership: Membership): void {
      entries = [];
      offset = { index, term };
      snapshot = { membership, index };
      hardState = { ...hardState, commit: Math.max(hardState.commit, index) };
    },
    restored: (): Restored => ({
      hardState,
      membership: snapshot.membership,
      membershipIndex: snapshot.index,
      lastIndex: lastIndex(),
      lastTerm: lastTerm(),
      appliedIndex: snapshot.index,
    }),
  };
}
