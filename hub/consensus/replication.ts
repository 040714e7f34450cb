// What a leader sends to the other hubs: appends, heartbeats, the offer of a snapshot. Nothing is
// sent in reaction to a message or a proposal: `flush` runs once for each `ready`, so that one
// message carries what a whole turn has gathered.
//
// S1. To each hub: one probe at a time, or as many appends as its window holds, or one snapshot.
//     A full window is passed by heartbeats and by empty appends (news of a commit) only.
// S2. A heartbeat never tells more commit than the receiver is known to have.
// S3. Silence is repaired once in a heartbeat period, however many answers arrive in it.

import { entriesFrom, termAt } from "./log.ts";
import { isWindowFull, noteSent, type PeerProgress, toProbe, toSnapshot } from "./progress.ts";
import type { Raft } from "./state.ts";
import type { Entry } from "./types.ts";

export function flushPeers(raft: Raft): void {
  for (const peer of raft.peers) flushPeer(raft, peer);
  raft.isNewsDue = false;
}

function flushPeer(raft: Raft, peer: PeerProgress): void {
  const { log } = raft;
  if (peer.state === "snapshot") {
    if (peer.isAppendDue) sendSnapshot(raft, peer);
    return;
  }
  if (peer.state === "probe") {
    if (peer.isPaused) return;
    if (peer.isAppendDue || peer.next <= log.last || hasNews(raft, peer)) sendAppend(raft, peer);
    return;
  }
  let isSent = false;
  while (peer.next <= log.last && !isWindowFull(peer)) {
    isSent = true;
    if (!sendAppend(raft, peer)) return;
  }
  if (!isSent && (peer.isAppendDue || hasNews(raft, peer))) sendAppend(raft, peer);
}

/** A commit that no append has told yet, as far as the other hub can have entries for it. */
const hasNews = ({ log, isNewsDue, config }: Raft, { sentCommit, next }: PeerProgress): boolean =>
  (isNewsDue || config.isNewsLazy !== true) && sentCommit < Math.min(log.commit, next - 1);

/** False if a snapshot is needed instead. */
function sendAppend(raft: Raft, peer: PeerProgress): boolean {
  const { log, config } = raft;
  const prevIndex = peer.next - 1;
  const prevTerm = termAt(log, prevIndex);
  if (prevTerm === undefined) {
    sendSnapshot(raft, peer);
    return false;
  }
  const isClosed = peer.state === "replicate" && isWindowFull(peer); // S1
  const entries: readonly Entry[] =
    isClosed || peer.next > log.last
      ? []
      : entriesFrom(log, peer.next, log.last, config.messageBytesMax);
  raft.out.messages.push({
    type: "append",
    from: config.id,
    to: peer.hub,
    term: raft.term,
    prevIndex,
    prevTerm,
    commit: log.commit,
    entries,
  });
  const lastSent = prevIndex + entries.length;
  peer.sentCommit = Math.max(peer.sentCommit, Math.min(log.commit, lastSent));
  peer.isAppendDue = false;
  if (peer.state === "probe") peer.isPaused = true;
  else if (entries.length > 0) noteSent(peer, lastSent, bytesOf(entries));
  return true;
}

function sendSnapshot(raft: Raft, peer: PeerProgress): void {
  const { kept, log, config } = raft;
  peer.isAppendDue = false;
  if (peer.state === "replicate") toProbe(peer);
  peer.isPaused = true; // until it answers a heartbeat, also where there is no snapshot yet
  if (kept === undefined || !peer.isActive) return;
  if (kept.index < log.disk.offset.index || kept.index <= peer.match) return;
  if (peer.state !== "snapshot" || peer.next !== kept.index + 1) toSnapshot(peer, kept.index);
  peer.isAppendDue = false;
  raft.out.messages.push({
    type: "snapshot",
    from: config.id,
    to: peer.hub,
    term: raft.term,
    index: kept.index,
    indexTerm: kept.indexTerm,
    membership: kept.membership,
  });
}

/** The periodic one: it also looks who has stood still since the last one (S3). */
export function beat(raft: Raft): void {
  for (const peer of raft.peers) {
    peer.isRepairDue =
      peer.state !== "replicate" || (peer.match === peer.beatMatch && peer.match < raft.log.last);
    peer.beatMatch = peer.match;
  }
  sendHeartbeats(raft);
}

/** Carries the read counter: an answer confirms every read up to it. */
export function sendHeartbeats(raft: Raft): void {
  const { log, config, reads, term } = raft;
  for (const { hub, match } of raft.peers) {
    raft.out.messages.push({
      type: "heartbeat",
      from: config.id,
      to: hub,
      term,
      commit: Math.min(match, log.commit), // S2
      read: reads.counter,
    });
  }
}

/** S3: an answer shows that the hub can be reached; what it lacks is sent again, if it stood still. */
export function repair(raft: Raft, peer: PeerProgress): void {
  if (!peer.isRepairDue) return;
  peer.isRepairDue = false;
  peer.isPaused = false;
  peer.isAppendDue = true;
  raft.isFlushDue = true;
}

function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const { data } of entries) bytes += data.length;
  return bytes;
}
