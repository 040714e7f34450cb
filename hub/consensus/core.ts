// The consensus core: Raft as a pure state machine. It owns term, vote, role, the tail of the log that
// is not yet stored, and the commit index. It knows no clock, no disk and no socket: the driver
// (hub/replica) feeds it inputs with `step`, takes what must be done from `ready`, and does it.
//
// This release runs one voter. The shape is the final one: hard state and entries go to the disk
// through `ready`, and nothing that depends on them happens before the disk has said `stored`.
//
// R1. Term never falls. A vote is cast at most once a term and counts only once it is stored.
// R2. A leader only appends. Its first entry of a term is empty, and commits what came before it.
// R3. commit <= stored <= last. Only entries of the leader's own term are counted for commit.
// R4. A `stored` for a (index, term) that was overwritten moves nothing (the ABA race of
//     asynchronous storage writes, etcd-io/raft).
// R5. A read is confirmed only after an entry of the leader's own term has been committed.
// R6. Entries not yet committed are bounded; a proposal over the bound is refused, never queued.

import { assert } from "@gantry/shared/base/assert.ts";

export type HubId = string;

export interface Entry {
  readonly index: number;
  readonly term: number;
  /** One group-commit batch; empty for the entry that opens a term. */
  readonly data: Uint8Array;
}

export interface HardState {
  readonly term: number;
  readonly vote: HubId | null;
  readonly commit: number;
}

export type Role = "follower" | "candidate" | "leader";

export type Input =
  /** One unit of the election clock, about 10 ms. */
  | { readonly type: "tick" }
  | { readonly type: "propose"; readonly data: Uint8Array }
  /** The disk holds the hard state of this term, and every entry up to (index, term). */
  | {
      readonly type: "stored";
      readonly term: number;
      readonly index: number;
      readonly lastTerm: number;
    }
  | { readonly type: "read"; readonly id: number };

export interface Ready {
  /** To be stored, with sync, before `stored` is given back; undefined if unchanged. */
  readonly hardState: HardState | undefined;
  /** To be appended to the log in the same write. */
  readonly entries: readonly Entry[];
  /** Now committed: to be applied, in order, exactly once. */
  readonly committed: readonly Entry[];
  /** Reads that may be served from a state applied up to `index`. */
  readonly reads: readonly { readonly id: number; readonly index: number }[];
}

export interface Status {
  readonly role: Role;
  readonly term: number;
  readonly leader: HubId | null;
  readonly commitIndex: number;
  readonly lastIndex: number;
}

export interface CoreConfig {
  readonly id: HubId;
  readonly voters: readonly HubId[];
  readonly electionTicks: number;
  readonly uncommittedBytesMax: number;
}

/** What the log store found at start. `commit` of the hard state may be behind: it is not synced. */
export interface Restored {
  readonly hardState: HardState;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface Core {
  /** `refused` only for a proposal: not the leader, or over the bound (R6). */
  step(input: Input): "taken" | "refused";
  /** What is to be done since the last call; undefined when nothing. */
  ready(): Ready | undefined;
  status(): Status;
}

export const EMPTY_LOG: Restored = {
  hardState: { term: 0, vote: null, commit: 0 },
  lastIndex: 0,
  lastTerm: 0,
};

export function makeCore(config: CoreConfig, restored: Restored): Core {
  assert(config.voters.length === 1, "this release runs one voter");
  assert(config.voters[0] === config.id, "the only voter is this hub");

  let { term, vote } = restored.hardState;
  let role: Role = "follower";
  let lastIndex = restored.lastIndex;
  let lastTerm = restored.lastTerm;
  let storedIndex = restored.lastIndex;
  let commitIndex = 0;
  let ticks = 0;
  let uncommittedBytes = 0;
  let isHardStateDirty = false;
  let isReadable = false;
  let unsent: Entry[] = []; // not yet handed out by ready()
  let uncommitted: Entry[] = []; // handed out or not, above commitIndex
  let waitingReads: number[] = [];

  function append(data: Uint8Array): void {
    const entry: Entry = { index: lastIndex + 1, term, data };
    assert(entry.term >= lastTerm, "R1: the log's terms never fall");
    lastIndex = entry.index;
    lastTerm = entry.term;
    uncommittedBytes += data.length;
    unsent.push(entry);
    uncommitted.push(entry);
  }

  function campaign(): void {
    role = "candidate";
    term += 1;
    vote = config.id;
    isHardStateDirty = true;
  }

  function onStored(input: Extract<Input, { type: "stored" }>): void {
    if (role === "candidate" && input.term === term) {
      role = "leader"; // R1: the only vote needed is stored
      append(new Uint8Array(0)); // R2
    }
    const entry = uncommitted.find(({ index }) => index === input.index);
    if (entry !== undefined && entry.term !== input.lastTerm) return; // R4
    storedIndex = Math.max(storedIndex, Math.min(input.index, lastIndex));
  }

  /** With one voter the majority's stored index is our own (R3). */
  function takeCommitted(): Entry[] {
    if (role !== "leader") return [];
    const count = uncommitted.findIndex(({ index }) => index > storedIndex);
    const done = uncommitted.splice(0, count === -1 ? uncommitted.length : count);
    const last = done.at(-1);
    if (last === undefined) return [];
    assert(last.index > commitIndex, "commit only moves forward");
    commitIndex = last.index;
    uncommittedBytes -= done.reduce((sum, { data }) => sum + data.length, 0);
    isReadable ||= last.term === term; // R5
    return done;
  }

  return {
    step(input) {
      switch (input.type) {
        case "tick":
          if (role !== "follower") return "taken";
          ticks += 1;
          if (ticks >= config.electionTicks) campaign();
          return "taken";
        case "propose":
          if (role !== "leader") return "refused";
          if (uncommittedBytes + input.data.length > config.uncommittedBytesMax) return "refused";
          append(input.data);
          return "taken";
        case "stored":
          onStored(input);
          return "taken";
        case "read":
          waitingReads.push(input.id);
          return "taken";
      }
    },
    ready() {
      const committed = takeCommitted();
      const entries = unsent;
      unsent = [];
      const hardState = isHardStateDirty ? { term, vote, commit: commitIndex } : undefined;
      isHardStateDirty = false;
      const reads = isReadable ? waitingReads.map((id) => ({ id, index: commitIndex })) : [];
      if (isReadable) waitingReads = [];
      const isIdle =
        hardState === undefined && entries.length + committed.length + reads.length === 0;
      return isIdle ? undefined : { hardState, entries, committed, reads };
    },
    status: () => ({
      role,
      term,
      leader: role === "leader" ? config.id : null,
      commitIndex,
      lastIndex,
    }),
  };
}
