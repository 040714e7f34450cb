// The consensus core: Raft for many voters as a pure state machine. It knows no clock, no disk and no
// socket: the driver (hub/replica) feeds it inputs with `step`, and does what `ready` says.
//
// Where what is decided: election.ts who leads, leading.ts and replication.ts what a leader does,
// following.ts what the others do, commit.ts what is in force, log.ts the log, progress.ts one other
// hub, quorum.ts and membership.ts the arithmetic of groups, reads.ts linearizable reads.
//
// A1. `step` only decides; whatever leaves the core leaves through `ready`, once.
// A2. Votes granted and appends accepted wait for the disk (`write.after`); heartbeats, appends and
//     refusals do not, so a disk that stalls silences no leader.
// A3. Messages of an earlier term move nothing. A leader of an earlier term is answered with ours:
//     otherwise a hub with a higher term would never be found by the group again.

import { unreachable } from "@gantry/shared/base/assert.ts";
import { findChanges } from "./commit.ts";
import {
  campaignNow,
  loseLease,
  onVote,
  onVoted,
  onVoteStored,
  sendReadIndex,
  tick,
} from "./election.ts";
import {
  hearLeader,
  onAppend,
  onHeartbeat,
  onInstalled,
  onReadIndexAnswer,
  onSnapshot,
} from "./following.ts";
import {
  countCommit,
  flushLeader,
  onAppended,
  onHeartbeatAnswer,
  propose,
  proposeChange,
  readAtLeader,
  transfer,
} from "./leading.ts";
import { markStored, takeCommitted, takeUnwritten } from "./log.ts";
import { toProbe } from "./progress.ts";
import { startBatch, waitForAsking } from "./reads.ts";
import { becomeFollower, makeState, type Raft } from "./state.ts";
import type { HubId, Input, MakeCore, Message, Ready, StepOutcome } from "./types.ts";

/** Entries given to `committed` at a time: about as much as a turn can apply. */
const COMMITTED_BYTES_MAX = 1 << 20;

export const makeRaft: MakeCore = (config, restored, log) => {
  const raft = makeState(config, restored, log);
  findChanges(raft);
  return {
    step: (input) => step(raft, input),
    ready: () => takeReady(raft),
    status: () => ({
      role: raft.role,
      term: raft.term,
      leader: raft.leader,
      commitIndex: raft.log.commit,
      lastIndex: raft.log.last,
      storedIndex: raft.log.stored,
      membership: raft.membership,
      membershipIndex: raft.membershipIndex,
      isReadable: raft.isReadable,
      transferTo: raft.transferTo,
      progress: raft.progress,
    }),
  };
};

function step(raft: Raft, input: Input): StepOutcome {
  switch (input.type) {
    case "tick":
      tick(raft, input.lateTicks ?? 0);
      return "taken";
    case "propose":
      return propose(raft, input.data);
    case "change":
      return proposeChange(raft, input.change);
    case "message":
      onMessage(raft, input.message);
      return "taken";
    case "stored":
      onStored(raft, input.term, input.index, input.lastTerm);
      return "taken";
    case "snapshotKept":
      raft.kept = input.index === 0 ? undefined : input;
      raft.isFlushDue = raft.role === "leader";
      return "taken";
    case "installed":
      onInstalled(raft, input.index, input.isDone);
      return "taken";
    case "read":
      onRead(raft, input.id);
      return "taken";
    case "transfer":
      return transfer(raft, input.to);
    case "unreachable":
      onUnreachable(raft, input.hub);
      return "taken";
  }
  return unreachable(input);
}

function onMessage(raft: Raft, message: Message): void {
  const { from, to, term, type } = message;
  if (to !== raft.config.id || from === to) return;
  if (type === "vote") {
    onVote(raft, message);
    return;
  }
  const isFromLeader = type === "append" || type === "heartbeat" || type === "snapshot";
  if (term < raft.term) {
    if (isFromLeader) answerWithTerm(raft, from); // A3
    return;
  }
  const isPreVoteGranted = type === "voted" && message.isPre && message.isGranted;
  if (term > raft.term && !isPreVoteGranted) {
    becomeFollower(raft, term, isFromLeader ? from : null);
  }
  if (isFromLeader) hearLeader(raft, from);
  switch (type) {
    case "append":
      onAppend(raft, message);
      return;
    case "heartbeat":
      onHeartbeat(raft, message);
      return;
    case "snapshot":
      onSnapshot(raft, message);
      return;
    case "voted":
      onVoted(raft, message);
      return;
    case "appended":
      if (raft.role === "leader") onAppended(raft, message);
      return;
    case "heartbeatAnswer":
      if (raft.role === "leader") onHeartbeatAnswer(raft, message);
      return;
    case "campaignNow":
      campaignNow(raft);
      return;
    case "readIndex":
      // Over the bound it is dropped: the hub that asks repeats it.
      if (raft.role === "leader") readAtLeader(raft, { hub: from, id: message.id });
      return;
    case "readIndexAnswer":
      onReadIndexAnswer(raft, message);
      return;
  }
  unreachable(type);
}

function answerWithTerm(raft: Raft, to: HubId): void {
  raft.out.messages.push({
    type: "appended",
    from: raft.config.id,
    to,
    term: raft.term,
    index: 0,
    isRefused: true,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function onStored(raft: Raft, term: number, index: number, lastTerm: number): void {
  if (term > raft.storedTerm) raft.storedTerm = term;
  const isMoved = markStored(raft.log, index, lastTerm, term === raft.term);
  if (raft.role === "leader") {
    if (isMoved) countCommit(raft);
  } else onVoteStored(raft);
}

function onRead(raft: Raft, id: number): void {
  const isTaken =
    raft.role === "leader"
      ? readAtLeader(raft, { hub: raft.config.id, id })
      : raft.leader !== null && waitForAsking(raft.reads, id);
  if (!isTaken) raft.out.reads.push({ id, index: undefined });
}

function onUnreachable(raft: Raft, hub: HubId): void {
  if (raft.role === "follower") loseLease(raft, hub);
  const peer = raft.progress.get(hub);
  if (peer?.state === "replicate") toProbe(peer);
}

const NO_MESSAGES: readonly Message[] = [];
const NO_READS: Ready["reads"] = [];

function takeReady(raft: Raft): Ready | undefined {
  const { out, log } = raft;
  if (raft.isFlushDue && raft.role === "leader") flushLeader(raft);
  else if (raft.reads.unasked.length > 0) {
    const batch = startBatch(raft.reads);
    if (batch !== undefined) sendReadIndex(raft, batch);
  }
  const write = takeWrite(raft);
  const committed = takeCommitted(log, COMMITTED_BYTES_MAX);
  const { messages, reads, install } = out;
  if (
    write === undefined &&
    install === undefined &&
    messages.length + committed.length + reads.length === 0
  ) {
    return undefined;
  }
  if (messages.length > 0) out.messages = [];
  if (reads.length > 0) out.reads = [];
  out.install = undefined;
  return {
    messages: messages.length > 0 ? messages : NO_MESSAGES,
    write,
    committed,
    reads: reads.length > 0 ? reads : NO_READS,
    install,
  };
}

function takeWrite(raft: Raft): Ready["write"] {
  const { out, log } = raft;
  const entries = takeUnwritten(log);
  takeAcknowledgement(raft);
  const { after, isHardStateDirty } = out;
  const isSync = isHardStateDirty || entries.length > 0 || after.length > 0;
  if (!isSync && !out.isCommitDue) return undefined;
  // A commit needs no disk to be true: once a tick is soon enough, and most writes are one entry alone.
  const hasHardState = isHardStateDirty || out.isCommitDue;
  out.isHardStateDirty = false;
  if (hasHardState) {
    out.isCommitDirty = false;
    out.isCommitDue = false;
  }
  out.after = [];
  return {
    hardState: hasHardState ? { term: raft.term, vote: raft.vote, commit: log.commit } : undefined,
    entries,
    after,
    isSync,
  };
}

/** At once if the disk has it all already (a repeated append), else behind the write (A2). */
function takeAcknowledgement(raft: Raft): void {
  const { out, log, term } = raft;
  const { ack } = out;
  if (ack === undefined) return;
  out.ack = undefined;
  const isStored = ack.index <= log.stored && raft.storedTerm === term;
  (isStored ? out.messages : out.after).push({
    type: "appended",
    from: raft.config.id,
    to: ack.to,
    term,
    index: ack.index,
    isRefused: false,
    hintIndex: 0,
    hintTerm: 0,
  });
}
