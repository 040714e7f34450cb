// What the leader knows of one other hub: how far its log matches, what is under way to it.
//
// P1. match < next. match falls only for a hub that lost what it had acknowledged (a damaged disk, see
//     `noteRefused`); a match too small costs messages, never safety.
// P2. What is under way is a ring of last indexes, freed by "up to the acknowledged index", never a
//     counter: repeated answers free nothing twice (a counter grew to a message storm under
//     duplication, notes 3). Its length and its bytes are bounded.
// P3. A probe is one message; the next leaves only after real progress, a valid refusal, or an
//     answer to a heartbeat.

import { assert } from "@gantry/shared/base/assert.ts";
import type { HubId, Progress } from "./types.ts";

interface Window {
  /** Rings: last index and bytes of each append under way. */
  readonly indexes: number[];
  readonly bytes: number[];
  readonly lengthMax: number;
  readonly bytesMax: number;
  start: number;
  bytesTotal: number;
}

export interface PeerProgress extends Progress {
  readonly hub: HubId;
  match: number;
  next: number;
  state: "probe" | "replicate" | "snapshot";
  /** Heard of since the last check of the quorum. */
  isActive: boolean;
  /** Appends under way (P2). */
  inflight: number;
  /** A probe is under way (P3). */
  isPaused: boolean;
  /** An append is to leave even if it holds no entry. */
  isAppendDue: boolean;
  /** `match` at the last heartbeat, and whether the next answer is to repair what stands still. */
  beatMatch: number;
  isRepairDue: boolean;
  /** Highest commit index that an append told, as far as its entries reach. */
  sentCommit: number;
  /** Highest read counter that was answered. */
  readAcked: number;
  readonly window: Window;
}

export function makeProgress(
  hub: HubId,
  next: number,
  inflightMax: number,
  inflightBytesMax: number,
): PeerProgress {
  assert(next > 0, "P1: match < next");
  assert(inflightMax > 0, "P2: a window holds at least one append");
  return {
    hub,
    match: 0,
    next,
    state: "probe",
    isActive: false,
    inflight: 0,
    isPaused: false,
    isAppendDue: true,
    beatMatch: 0,
    isRepairDue: true,
    sentCommit: 0,
    readAcked: 0,
    window: {
      indexes: [],
      bytes: [],
      lengthMax: inflightMax,
      bytesMax: inflightBytesMax,
      start: 0,
      bytesTotal: 0,
    },
  };
}

/** At least one append may always be under way, however large. */
export const isWindowFull = ({ inflight, window }: PeerProgress): boolean =>
  inflight >= window.lengthMax || (inflight > 0 && window.bytesTotal >= window.bytesMax);

/** An append with entries left. */
export function noteSent(peer: PeerProgress, lastIndex: number, bytes: number): void {
  const { window } = peer;
  assert(!isWindowFull(peer), "P2: nothing is sent into a full window");
  assert(lastIndex >= peer.next, "an append with entries reaches further");
  const at = (window.start + peer.inflight) % window.lengthMax;
  window.indexes[at] = lastIndex;
  window.bytes[at] = bytes;
  window.bytesTotal += bytes;
  peer.inflight += 1;
  peer.next = lastIndex + 1;
}

/** The log of the other hub matches up to `index`. False if that was known. */
export function noteMatch(peer: PeerProgress, index: number): boolean {
  if (index <= peer.match) return false;
  peer.match = index;
  peer.next = Math.max(peer.next, index + 1);
  peer.isPaused = false; // P3: real progress
  const { window } = peer;
  while (peer.inflight > 0 && (window.indexes[window.start] ?? 0) <= index) {
    window.bytesTotal -= window.bytes[window.start] ?? 0;
    window.start = (window.start + 1) % window.lengthMax;
    peer.inflight -= 1;
  }
  assert(window.bytesTotal >= 0 && peer.next > peer.match, "P1, P2");
  return true;
}

/**
 * An append behind `refused` was refused; `hint` is the last index at which the logs may agree.
 * False for an answer that is out of date.
 */
export function noteRefused(peer: PeerProgress, refused: number, hint: number): boolean {
  if (peer.state === "snapshot") return false;
  if (peer.state === "replicate") {
    // What matched matches still, as far as we know: the answer is older than the match.
    if (refused <= peer.match) return false;
    toProbe(peer);
    return true;
  }
  if (refused !== peer.next - 1) return false;
  const next = Math.max(1, Math.min(refused, hint + 1));
  if (refused > peer.match) peer.next = Math.max(next, peer.match + 1);
  else {
    // Refusing what it acknowledged, a hub says that its log is damaged. Probing on at the old match
    // would be refused for ever, at the speed of the network.
    peer.next = next;
    peer.match = next - 1;
    peer.beatMatch = Math.min(peer.beatMatch, peer.match);
    peer.sentCommit = Math.min(peer.sentCommit, peer.match);
  }
  peer.isPaused = false; // P3: a valid refusal
  peer.isAppendDue = true;
  return true;
}

/** One message at a time from behind the last match, or from behind the snapshot that is under way. */
export function toProbe(peer: PeerProgress): void {
  peer.next = peer.state === "snapshot" ? Math.max(peer.match + 1, peer.next) : peer.match + 1;
  peer.state = "probe";
  peer.isAppendDue = true;
  clear(peer);
}

/** Optimistic: messages leave without waiting for answers, as far as the window reaches. */
export function toReplicate(peer: PeerProgress): void {
  peer.state = "replicate";
  peer.next = peer.match + 1;
  clear(peer);
}

/** Nothing is appended until the snapshot up to `index` is in place there. */
export function toSnapshot(peer: PeerProgress, index: number): void {
  assert(index > peer.match, "a snapshot reaches further than what matches");
  peer.state = "snapshot";
  peer.next = index + 1;
  clear(peer);
}

function clear(peer: PeerProgress): void {
  peer.isPaused = false;
  peer.inflight = 0;
  peer.window.start = 0;
  peer.window.bytesTotal = 0;
  peer.sentCommit = Math.min(peer.sentCommit, peer.match);
}
