// What enters the log, what is cut off it, what is committed: the one place that keeps membership
// entries in step with it.
//
// C1. A membership change is in force from the moment its entry is committed, on every hub, by the
//     function that the leader validated it with.
// C2. One change is under way at a time: a second one is appended only after the first is committed.

import { assert, present } from "@gantry/shared/base/assert.ts";
import { appendEntry, commitTo, entriesFrom, truncate } from "./log.ts";
import { changeMembership, decodeChange } from "./membership.ts";
import type { Raft } from "./state.ts";
import type { Entry } from "./types.ts";

const SCAN_BYTES = 1 << 20;

export function addEntry(raft: Raft, entry: Entry): void {
  appendEntry(raft.log, entry);
  if (entry.kind === "membership") raft.pendingChanges.push(entry.index);
}

/** Follower only: a leader only appends. */
export function cutFrom(raft: Raft, index: number): void {
  assert(raft.role === "follower", "a leader only appends");
  truncate(raft.log, index);
  while ((raft.pendingChanges.at(-1) ?? 0) >= index) raft.pendingChanges.pop();
}

/** True if the membership changed (C1). */
export function advanceCommit(raft: Raft, index: number): boolean {
  if (index <= raft.log.commit) return false;
  commitTo(raft.log, index);
  raft.out.isCommitDirty = true;
  return applyChanges(raft);
}

/** At start: finds the membership changes that the log holds beyond the membership restored. */
export function findChanges(raft: Raft): void {
  // What was trimmed away was committed, and its changes are in the membership already.
  let from = Math.max(raft.membershipIndex, raft.log.disk.offset.index) + 1;
  while (from <= raft.log.last) {
    const entries = entriesFrom(raft.log, from, raft.log.last, SCAN_BYTES);
    assert(entries[0]?.index === from, "the log since the last membership can be read");
    for (const { kind, index } of entries) {
      if (kind === "membership") raft.pendingChanges.push(index);
    }
    from += entries.length;
  }
  applyChanges(raft);
}

function applyChanges(raft: Raft): boolean {
  const { log, pendingChanges } = raft;
  let isChanged = false;
  while ((pendingChanges[0] ?? Infinity) <= log.commit) {
    const index = present(pendingChanges.shift(), "the change that is committed");
    const entry = present(entriesFrom(log, index, index, 0)[0], "its entry");
    const outcome = changeMembership(raft.membership, decodeChange(entry.data));
    assert(
      outcome.kind === "changed",
      "C1, C2: a change that was appended is valid when committed",
    );
    raft.membership = outcome.membership;
    raft.membershipIndex = index;
    isChanged = true;
  }
  return isChanged;
}
