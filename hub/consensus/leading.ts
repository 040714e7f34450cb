// The leader: proposals, what the quorum has stored, membership, hand-over, reads.
//
// E1. A leader only appends. Its first entry of a term is empty, and commits what came before it.
// E2. Only entries of the own term are counted for commit (Raft 5.4.2, figure 8), and the own log
//     counts as far as it is stored.
// E3. Bytes not committed are bounded; over the bound the answer is "full". One proposal is always
//     taken when nothing waits, however large.
// E4. Not more than one membership change that is not committed, and none before the leader has
//     committed an entry of its own term.
// E5. A leader that is no voter any more takes nothing new, and steps down when a quorum of those who
//     stay is known to know: it appends one empty entry, and whoever stores that has heard with it
//     that the change is committed. Nobody then needs the vote of a hub that is gone.

import { assert } from "@gantry/shared/base/assert.ts";
import { addEntry, advanceCommit } from "./commit.ts";
import { entriesFrom, lastNotAfter, termAt } from "./log.ts";
import { changeMembership, encodeChange, isJoint, isVoter, membersOf } from "./membership.ts";
import {
  makeProgress,
  noteMatch,
  noteRefused,
  type PeerProgress,
  toReplicate,
} from "./progress.ts";
import { quorumIndex, quorumVote } from "./quorum.ts";
import { type ReadRequest, startRound, takeConfirmed, waitForRound } from "./reads.ts";
import { flushPeers, repair, sendHeartbeats } from "./replication.ts";
import { becomeFollower, drawTimeout, type Raft } from "./state.ts";
import type { HubId, MembershipChange, Message, StepOutcome } from "./types.ts";

type Of<T extends Message["type"]> = Extract<Message, { type: T }>;

const EMPTY = new Uint8Array(0);

export function becomeLeader(raft: Raft): void {
  assert(raft.role === "candidate", "E1: only who was elected leads");
  raft.role = "leader";
  raft.leader = raft.config.id;
  raft.electionElapsed = 0;
  raft.heartbeatElapsed = 0;
  raft.isLeaseOver = false;
  raft.transferTo = null;
  raft.isReadable = false;
  raft.uncommittedBytes = 0;
  raft.openedAt = raft.log.last + 1;
  drawTimeout(raft);
  followMembership(raft);
  append(raft, "commands", EMPTY); // E1
}

function append(raft: Raft, kind: "commands" | "membership", data: Uint8Array): void {
  assert(raft.role === "leader", "E1: only a leader appends by itself");
  addEntry(raft, { index: raft.log.last + 1, term: raft.term, kind, data });
  raft.uncommittedBytes += data.length;
  raft.isFlushDue = true;
}

export function propose(raft: Raft, data: Uint8Array): StepOutcome {
  if (!takesProposals(raft)) return "refused";
  if (isFull(raft, data.length)) return "full";
  append(raft, "commands", data);
  return "taken";
}

const takesProposals = ({ role, transferTo, leavingAt, config }: Raft): boolean =>
  role === "leader" && transferTo === null && leavingAt === 0 && config.isWitness !== true;

const isFull = ({ uncommittedBytes, config }: Raft, bytes: number): boolean =>
  uncommittedBytes > 0 && uncommittedBytes + bytes > config.uncommittedBytesMax; // E3

export function proposeChange(raft: Raft, change: MembershipChange): StepOutcome {
  if (!takesProposals(raft) || !raft.isReadable || raft.pendingChanges.length > 0) {
    return "refused"; // E4
  }
  if (changeMembership(raft.membership, change).kind === "refused") return "refused";
  const data = encodeChange(change);
  if (isFull(raft, data.length)) return "full";
  append(raft, "membership", data);
  return "taken";
}

/** `to` takes over as soon as its log is complete; given up after one election time-out. */
export function transfer(raft: Raft, to: HubId): StepOutcome {
  const { role, config, membership } = raft;
  if (role !== "leader" || to === config.id) return "refused";
  if (!membership.voters.includes(to) || config.witnesses?.has(to) === true) return "refused";
  const peer = raft.progress.get(to);
  if (peer === undefined) return "refused";
  if (raft.transferTo === to) return "taken";
  raft.transferTo = to;
  raft.electionElapsed = 0;
  peer.isAppendDue ||= peer.state !== "snapshot";
  raft.isFlushDue = true;
  handOver(raft, peer);
  return "taken";
}

function handOver(raft: Raft, peer: PeerProgress): void {
  if (raft.transferTo !== peer.hub || peer.match !== raft.log.last) return;
  raft.out.messages.push({
    type: "campaignNow",
    from: raft.config.id,
    to: peer.hub,
    term: raft.term,
  });
}

export function onAppended(raft: Raft, message: Of<"appended">): void {
  const peer = raft.progress.get(message.from);
  if (peer === undefined) return;
  const { log } = raft;
  peer.isActive = true;
  if (message.isRefused) {
    const { index, hintIndex, hintTerm } = message;
    const hint = hintTerm > 0 ? lastNotAfter(log, hintIndex, hintTerm).index : hintIndex;
    if (noteRefused(peer, index, hint)) raft.isFlushDue = true;
    return;
  }
  assert(message.index <= log.last, "nobody has more of this term than its leader");
  const isProbeAnswer = peer.state === "probe" && peer.isPaused && message.index === peer.next - 1;
  const isMoved = noteMatch(peer, message.index);
  if (!isMoved && !(isProbeAnswer && message.index === peer.match)) return;
  if (peer.state === "probe") toReplicate(peer);
  else if (peer.state === "snapshot" && termAt(log, peer.match) !== undefined) toReplicate(peer);
  raft.isFlushDue = true;
  if (isMoved) countCommit(raft);
  if (raft.role === "leader") handOver(raft, peer);
}

export function onHeartbeatAnswer(raft: Raft, message: Of<"heartbeatAnswer">): void {
  const peer = raft.progress.get(message.from);
  if (peer === undefined) return;
  assert(message.read <= raft.reads.counter, "nobody answers a round that was not begun");
  peer.isActive = true;
  peer.readAcked = Math.max(peer.readAcked, message.read);
  repair(raft, peer);
  confirmReads(raft);
}

/** Commits what a quorum has stored (E2). */
export function countCommit(raft: Raft): void {
  const { log } = raft;
  for (;;) {
    const index = quorumIndex(raft.membership, (hub) => storedAt(raft, hub));
    if (index <= log.commit || termAt(log, index) !== raft.term) return;
    const before = log.commit;
    const isChanged = advanceCommit(raft, index);
    freeBytes(raft, before);
    raft.isFlushDue = true;
    raft.isReadable ||= log.commit >= raft.openedAt;
    if (isChanged) afterChange(raft);
    if (raft.leavingAt > 0 && log.commit >= raft.leavingAt) {
      raft.isNewsDue = true;
      flushPeers(raft);
      becomeFollower(raft, raft.term, null); // E5
      return;
    }
    if (!isChanged) return;
  }
}

const storedAt = (raft: Raft, hub: HubId): number =>
  hub === raft.config.id ? raft.log.stored : (raft.progress.get(hub)?.match ?? 0);

function freeBytes(raft: Raft, before: number): void {
  const from = Math.max(before + 1, raft.openedAt);
  if (from > raft.log.commit || raft.uncommittedBytes === 0) return;
  for (const { data } of entriesFrom(raft.log, from, raft.log.commit, Infinity)) {
    raft.uncommittedBytes -= data.length;
  }
  assert(raft.uncommittedBytes >= 0, "E3: what is freed was counted");
}

/** The change is told to everyone it concerns, also to who is leaving, before it is followed. */
function afterChange(raft: Raft): void {
  raft.isNewsDue = true;
  flushPeers(raft);
  followMembership(raft);
  if (!isVoter(raft.membership, raft.config.id)) {
    append(raft, "commands", EMPTY); // E5
    raft.leavingAt = raft.log.last;
    raft.transferTo = null;
    return;
  }
  const { transferTo } = raft;
  if (transferTo !== null && !raft.membership.voters.includes(transferTo)) raft.transferTo = null;
}

/** Progress of exactly the other members; what is known of those who stay is kept. */
function followMembership(raft: Raft): void {
  const { config, log } = raft;
  const peers: PeerProgress[] = [];
  for (const hub of membersOf(raft.membership)) {
    if (hub === config.id) continue;
    let peer = raft.progress.get(hub);
    if (peer === undefined) {
      peer = makeProgress(hub, log.last + 1, config.inflightMax, config.inflightBytesMax);
      // Who has just been added is not silent yet: it gets a whole period before it counts as such.
      peer.isActive = raft.isReadable;
    }
    peers.push(peer);
  }
  raft.peers = peers;
  raft.progress = new Map(peers.map((peer) => [peer.hub, peer]));
  raft.isFlushDue = true;
}

/** CheckQuorum: false when less than a quorum was heard of since the last call. */
export function takeActivity(raft: Raft): boolean {
  const isActive = (hub: HubId): boolean =>
    hub === raft.config.id || raft.progress.get(hub)?.isActive === true;
  const outcome = quorumVote(raft.membership, isActive);
  for (const peer of raft.peers) peer.isActive = false;
  return outcome === "won";
}

/** For a reader here or on another hub. False over the bound of those who wait. */
export function readAtLeader(raft: Raft, request: ReadRequest): boolean {
  const isTaken = waitForRound(raft.reads, request);
  if (isTaken) raft.isFlushDue = true;
  return isTaken;
}

/** Once for each `ready`: everything that this turn asks a leader to send. */
export function flushLeader(raft: Raft): void {
  raft.isFlushDue = false;
  const { membership, isReadable, transferTo, pendingChanges } = raft;
  if (transferTo === null && isReadable && pendingChanges.length === 0) {
    if (isJoint(membership) && membership.autoLeave) {
      append(raft, "membership", encodeChange({ steps: [] }));
    }
  }
  flushPeers(raft);
  if (isReadable && startRound(raft.reads, raft.log.commit)) {
    sendHeartbeats(raft);
    confirmReads(raft); // one voter alone has confirmed it by asking
  }
  raft.isFlushDue = false;
}

/** A witness holds no state: whoever holds it and has the whole log takes over; each in turn. */
export function yieldToState(raft: Raft): void {
  if (raft.config.isWitness !== true || raft.transferTo !== null) return;
  const last = raft.peers.findIndex(({ hub }) => hub === raft.yieldedTo);
  const inTurn = [...raft.peers.slice(last + 1), ...raft.peers.slice(0, last + 1)];
  for (const { hub, match, isActive } of inTurn) {
    if (!isActive || match !== raft.log.last || transfer(raft, hub) !== "taken") continue;
    raft.yieldedTo = hub;
    return;
  }
}

function confirmReads(raft: Raft): void {
  const { reads, config, out, term } = raft;
  if (reads.rounds.length === 0) return;
  const counter = quorumIndex(raft.membership, (hub) =>
    hub === config.id ? reads.counter : raft.progress.get(hub)?.readAcked,
  );
  for (const { index, requests } of takeConfirmed(reads, counter)) {
    for (const { hub, id } of requests) {
      if (hub === config.id) out.reads.push({ id, index });
      else
        out.messages.push({ type: "readIndexAnswer", from: config.id, to: hub, term, id, index });
    }
  }
}
