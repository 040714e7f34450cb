// What a follower does with the leader's messages.
//
// F1. An append is taken only where the logs agree before it; what conflicts is cut off, what agrees
//     is kept: an old append that arrives late cuts nothing.
// F2. An acknowledgement leaves only when the own disk has what it says (state.ts `acknowledge`).
// F3. One leader a term: a second one is a broken invariant.
// F4. While a snapshot replaces the log, nothing is appended to it.

import { assert } from "@gantry/shared/base/assert.ts";
import { addEntry, advanceCommit, cutFrom } from "./commit.ts";
import { firstNew, isMatch, lastNotAfter, resetTo } from "./log.ts";
import { takeAnswered } from "./reads.ts";
import { acknowledge, becomeFollower, drawTimeout, type Raft } from "./state.ts";
import type { Entry, HubId, Message } from "./types.ts";

type Of<T extends Message["type"]> = Extract<Message, { type: T }>;

/** A message that only a leader of our term sends. */
export function hearLeader(raft: Raft, from: HubId): void {
  assert(raft.role !== "leader", "F3: a second leader in our term");
  if (raft.role !== "follower" || raft.leader === null) becomeFollower(raft, raft.term, from);
  assert(raft.leader === from, "F3: a second leader in this term");
  raft.electionElapsed = 0;
  if (!raft.isLeaseOver) return;
  raft.isLeaseOver = false;
  drawTimeout(raft);
}

export function onAppend(raft: Raft, message: Of<"append">): void {
  const { log } = raft;
  const { from, prevIndex, prevTerm, entries } = message;
  if (raft.installing !== undefined) return; // F4: the leader asks again with its heartbeat
  if (prevIndex < log.commit) {
    acknowledge(raft, from, log.commit);
    return;
  }
  if (!isMatch(log, prevIndex, prevTerm)) {
    const hint = lastNotAfter(log, Math.min(prevIndex, log.last), prevTerm);
    raft.out.messages.push({
      type: "appended",
      from: raft.config.id,
      to: from,
      term: raft.term,
      index: prevIndex,
      isRefused: true,
      hintIndex: hint.index,
      hintTerm: hint.term,
    });
    return;
  }
  takeEntries(raft, entries, prevIndex);
  const lastNew = prevIndex + entries.length;
  advanceCommit(raft, Math.min(message.commit, lastNew));
  acknowledge(raft, from, lastNew); // F2
}

function takeEntries(raft: Raft, entries: readonly Entry[], prevIndex: number): void {
  const { log, term } = raft;
  const first = firstNew(log, entries);
  if (first === undefined) return;
  assert(entries[0]?.index === prevIndex + 1, "an append continues where it says");
  if (first <= log.last) cutFrom(raft, first); // F1
  for (let at = first - prevIndex - 1; at < entries.length; at += 1) {
    const entry = entries[at];
    assert(
      entry !== undefined && entry.term <= term,
      "no entry is of a later term than its leader",
    );
    addEntry(raft, entry);
  }
}

export function onHeartbeat(raft: Raft, message: Of<"heartbeat">): void {
  const { log, config } = raft;
  // A damaged log may have lost what it acknowledged: only an append proves what it matches.
  if (config.isBarred !== true) {
    assert(message.commit <= log.last, "what this hub acknowledged is gone from its log");
    advanceCommit(raft, message.commit);
  }
  raft.out.messages.push({
    type: "heartbeatAnswer",
    from: config.id,
    to: message.from,
    term: raft.term,
    read: message.read,
  });
}

export function onSnapshot(raft: Raft, message: Of<"snapshot">): void {
  const { log } = raft;
  const { from, index, indexTerm, membership } = message;
  if (raft.installing !== undefined) return;
  if (index <= log.commit) {
    acknowledge(raft, from, log.commit);
    return;
  }
  if (isMatch(log, index, indexTerm)) {
    // The entries are here already; committing them is all that is missing.
    advanceCommit(raft, index);
    acknowledge(raft, from, index);
    return;
  }
  raft.installing = { from, index, indexTerm, membership };
  raft.out.install = raft.installing;
}

/** The driver has replaced log and ledger by the snapshot, or could not. */
export function onInstalled(raft: Raft, index: number, isDone: boolean): void {
  const { installing } = raft;
  if (installing === undefined || installing.index !== index) return;
  raft.installing = undefined;
  if (!isDone || index <= raft.log.commit) return;
  resetTo(raft.log, index, installing.indexTerm);
  raft.membership = installing.membership;
  raft.membershipIndex = index;
  raft.pendingChanges = [];
  raft.out.isCommitDirty = true;
  raft.out.ack = undefined;
  // What was granted still waits for its write; what was to be acknowledged is replaced.
  if (raft.leader !== null && raft.role === "follower") acknowledge(raft, raft.leader, index);
}

export function onReadIndexAnswer(raft: Raft, message: Of<"readIndexAnswer">): void {
  for (const id of takeAnswered(raft.reads, message.id)) {
    raft.out.reads.push({ id, index: message.index });
  }
}
