// What must hold in every run. It sees all hubs at once, which no hub can.
//
// O1. Election safety: at most one leader in a term.
// O2. Log matching: two entries with one index and term are the same entry behind the same term.
// O3. State machine safety: whatever is applied at an index is the same everywhere, and so is the
//     state after it. Each index is applied once, in order.
// O4. Leader completeness: a leader holds every entry that was committed before its term.
// O5. Reads: no read is older than what had been acknowledged before it was asked.
// O6. Terms and commit indexes never fall within one life of a hub; terms not at all.
// O7. No storm: frames stay within a multiple of what gives cause to send.

import type { Entry, HubId, Status } from "../../hub/consensus/types.ts";
import { check, type World } from "./world.ts";

export interface Oracle {
  /** Highest index whose answer has reached its client. */
  readonly acknowledged: number;
  /** Highest index that some hub has applied. */
  readonly committed: number;
  readonly leaders: number;
  wrote(entries: readonly Entry[], termBefore: (index: number) => number | undefined): void;
  /** `what` names the content; `hash`: of the machine after it, undefined at a hub without state. */
  applied(hub: HubId, entry: Entry, what: number, term: number, hash: number | undefined): void;
  leads(hub: HubId, term: number, termAt: (index: number) => number | undefined): void;
  saw(hub: HubId, before: Seen, status: Status): void;
  answered(index: number): void;
  read(hub: HubId, floor: number, index: number): void;
}

export interface Seen {
  term: number;
  commit: number;
}

interface Committed {
  readonly term: number;
  readonly what: number;
  /** Term of the hub that applied it first: at least the term in which it was committed. */
  readonly inTerm: number;
  hash: number | undefined;
}

const TERMS_MAX = 1 << 20;

export function makeOracle(world: World, whatOf: (entry: Entry) => number): Oracle {
  const leaderOf = new Map<number, HubId>();
  const written = new Map<number, { readonly what: number; readonly before: number | undefined }>();
  const committed: (Committed | undefined)[] = [];
  let acknowledged = 0;
  let highest = 0;

  return {
    get acknowledged() {
      return acknowledged;
    },
    get committed() {
      return highest;
    },
    get leaders() {
      return leaderOf.size;
    },
    wrote(entries, termBefore) {
      for (const entry of entries) {
        const name = entry.index * TERMS_MAX + entry.term;
        const what = whatOf(entry);
        const before = termBefore(entry.index - 1);
        const known = written.get(name);
        if (known === undefined) {
          written.set(name, { what, before });
          continue;
        }
        check(
          known.what === what &&
            (before === undefined || known.before === undefined || known.before === before),
          () => `O2 log matching: entry ${entry.index} of term ${entry.term} is two entries`,
        );
      }
    },
    applied(hub, { index, term }, what, hubTerm, hash) {
      const known = committed[index];
      if (known === undefined) {
        committed[index] = { term, what, inTerm: hubTerm, hash };
        highest = Math.max(highest, index);
        return;
      }
      check(
        known.term === term && known.what === what,
        () =>
          `O3 state machine safety: ${hub} applies (${term}, ${what}) at ${index}, where (${known.term}, ${known.what}) was applied`,
      );
      if (hash === undefined) return;
      known.hash ??= hash;
      check(known.hash === hash, () => `O3 state: ${hub} differs after entry ${index}`);
    },
    leads(hub, term, termAt) {
      const other = leaderOf.get(term);
      check(
        other === undefined || other === hub,
        () => `O1 election safety: ${hub} and ${other} lead in term ${term}`,
      );
      leaderOf.set(term, hub);
      world.trace(3, term, hub.charCodeAt(1));
      for (let index = highest; index > 0; index -= 1) {
        const entry = committed[index];
        if (entry === undefined || entry.inTerm >= term) continue;
        const own = termAt(index);
        check(
          own === undefined || own === entry.term,
          () =>
            `O4 leader completeness: ${hub} leads in term ${term} with (${own}) at ${index}, where (${entry.term}) was committed`,
        );
        break; // with O2 everything before it is there too
      }
    },
    saw(hub, before, { term, commitIndex }) {
      check(term >= before.term, () => `O6 the term of ${hub} fell to ${term}`);
      check(commitIndex >= before.commit, () => `O6 commit of ${hub} fell to ${commitIndex}`);
      before.term = term;
      before.commit = commitIndex;
    },
    answered(index) {
      acknowledged = Math.max(acknowledged, index);
    },
    read(hub, floor, index) {
      check(
        index >= floor,
        () => `O5 stale read at ${hub}: index ${index}, but ${floor} was acknowledged before`,
      );
    },
  };
}
