// Who leads: ticks, campaigns, votes.
//
// V1. Term and vote are on the own disk before a candidate asks for votes, and before a granted vote
//     leaves: no hub that crashes can campaign or vote twice in one term.
// V2. A vote goes only to a log at least as complete as the own one.
// V3. PreVote: a term is raised only by a hub that a quorum would elect. Asking costs nobody a term.
// V4. Lease: who heard of a leader within the shortest election time-out ignores votes, unless the
//     leader itself asked for them (hand-over).
// V5. Ticks that passed while our own loop stood still never bring a campaign nearer.
// V6. Voters take turns, in the order in which the membership names them: where all of them lose the
//     leader together the first one is elected before the next one asks. Chance alone let every tenth
//     election or so end in two candidates with one vote each.
// V7. Should two collide all the same, each tries again after a time drawn by chance: soon at first,
//     later and later while that is in vain, for disks on which a vote takes longer to store.
// V8. What is committed is told with every vote and refusal: a hub that went, or was made a learner,
//     before the others heard that this is committed would otherwise be asked for its vote for ever.

import { advanceCommit } from "./commit.ts";
import { isUpToDate, termAt } from "./log.ts";
import { isVoter, membersOf } from "./membership.ts";
import { askAgain } from "./reads.ts";
import { quorumVote } from "./quorum.ts";
import { becomeLeader, takeActivity, yieldToState } from "./leading.ts";
import { beat } from "./replication.ts";
import {
  becomeFollower,
  drawPatience,
  loseReads,
  mayCampaign,
  type Raft,
  turnOf,
} from "./state.ts";
import type { HubId, Message } from "./types.ts";

type Of<T extends Message["type"]> = Extract<Message, { type: T }>;

export function tick(raft: Raft, lateTicks: number): void {
  if (raft.out.isCommitDirty) raft.out.isCommitDue = true;
  if (raft.role === "leader") tickLeader(raft, lateTicks);
  else tickOther(raft);
}

function tickLeader(raft: Raft, lateTicks: number): void {
  const { electionTicks, heartbeatTicks } = raft.config;
  raft.electionElapsed += 1 + lateTicks;
  raft.heartbeatElapsed += 1 + lateTicks;
  if (raft.peers.some(({ sentCommit }) => sentCommit < raft.log.commit)) {
    raft.isNewsDue = true;
    raft.isFlushDue = true;
  }
  if (raft.electionElapsed >= electionTicks) {
    raft.electionElapsed = 0;
    raft.transferTo = null;
    raft.isFlushDue = true;
    if (!takeActivity(raft)) {
      becomeFollower(raft, raft.term, null);
      return;
    }
  }
  if (raft.heartbeatElapsed < heartbeatTicks) return;
  raft.heartbeatElapsed = 0;
  yieldToState(raft);
  beat(raft);
}

function tickOther(raft: Raft): void {
  raft.electionElapsed += 1; // V5
  const { electionElapsed, role, config } = raft;
  if (electionElapsed >= raft.electionTimeout) {
    if (mayCampaign(raft)) campaign(raft);
    else if (raft.leader !== null) {
      raft.leader = null;
      loseReads(raft);
    }
    return;
  }
  if (electionElapsed % config.heartbeatTicks !== 0) return;
  if (role === "follower") {
    const id = raft.leader === null ? undefined : askAgain(raft.reads);
    if (id !== undefined) sendReadIndex(raft, id);
  } else requestVotes(raft);
}

export function sendReadIndex(raft: Raft, id: number): void {
  if (raft.leader === null) return;
  raft.out.messages.push({
    type: "readIndex",
    from: raft.config.id,
    to: raft.leader,
    term: raft.term,
    id,
  });
}

/** PreVote first (V3). */
function campaign(raft: Raft): void {
  begin(raft, "preCandidate");
  raft.campaigns += 1;
  raft.isCampaignForced = false;
  raft.votes.set(raft.config.id, true);
  if (!count(raft)) requestVotes(raft);
}

/** Leadership is handed to this hub: no PreVote, and leases do not protect from it. */
export function campaignNow(raft: Raft): void {
  if (raft.role === "leader" || !mayCampaign(raft)) return;
  raft.isCampaignForced = true;
  campaignInNextTerm(raft);
}

function campaignInNextTerm(raft: Raft): void {
  begin(raft, "candidate");
  raft.term += 1;
  raft.vote = raft.config.id;
  raft.out.isHardStateDirty = true;
  raft.out.ack = undefined;
  requestVotes(raft);
}

function begin(raft: Raft, role: "preCandidate" | "candidate"): void {
  loseReads(raft);
  raft.role = role;
  raft.leader = null;
  raft.isLeaseOver = false;
  raft.votes = new Map();
  raft.electionElapsed = 0;
  drawPatience(raft);
}

/** Of every voter that has not answered; repeated with each heartbeat period, since a vote may be lost. */
function requestVotes(raft: Raft): void {
  const { config, log, term, out } = raft;
  const isPre = raft.role === "preCandidate";
  // V1: `after` puts the request behind the write of term and vote, and of the log it speaks of.
  const queue = isPre || raft.storedTerm === term ? out.messages : out.after;
  for (const hub of membersOf(raft.membership)) {
    if (raft.votes.has(hub) || hub === config.id || !isVoter(raft.membership, hub)) continue;
    queue.push({
      type: "vote",
      from: config.id,
      to: hub,
      term: isPre ? term + 1 : term,
      isPre,
      isForced: raft.isCampaignForced,
      lastIndex: log.last,
      lastTerm: log.lastTerm,
      ...known(raft),
    });
  }
}

/** The own vote counts once the disk has it (V1). */
export function onVoteStored(raft: Raft): void {
  if (raft.role !== "candidate" || raft.storedTerm !== raft.term) return;
  raft.votes.set(raft.config.id, true);
  count(raft);
}

/** False while the outcome is open. */
function count(raft: Raft): boolean {
  const outcome = quorumVote(raft.membership, (hub) => raft.votes.get(hub));
  if (outcome === "pending") return false;
  if (outcome === "lost") {
    becomeFollower(raft, raft.term, null);
    drawPatience(raft);
  } else if (raft.role === "preCandidate") campaignInNextTerm(raft);
  else becomeLeader(raft);
  return true;
}

export function onVoted(raft: Raft, message: Of<"voted">): void {
  hearKnown(raft, message);
  const { from, isPre, isGranted, term } = message;
  if (raft.role !== (isPre ? "preCandidate" : "candidate")) return;
  if (term !== (isPre && isGranted ? raft.term + 1 : raft.term)) return;
  if (raft.votes.has(from)) return;
  raft.votes.set(from, isGranted);
  count(raft);
}

export function onVote(raft: Raft, message: Of<"vote">): void {
  hearKnown(raft, message);
  const { from, term, isPre, isForced, lastIndex, lastTerm } = message;
  if (term < raft.term) {
    // The sender may be stuck below: the refusal tells it the term. A real candidate hears it otherwise.
    if (isPre) answer(raft, message, false);
    return;
  }
  if (term > raft.term && !isForced && hasLease(raft)) return; // V4
  if (term > raft.term && !isPre) becomeFollower(raft, term, null);
  const isFree =
    raft.vote === from ||
    (raft.vote === null && raft.leader === null) ||
    (isPre && term > raft.term);
  const isGranted =
    isFree && raft.config.isBarred !== true && isUpToDate(raft.log, lastIndex, lastTerm); // V2
  answer(raft, message, isGranted);
  if (!isGranted || isPre) return;
  raft.electionElapsed = 0;
  if (raft.vote === from) return;
  raft.vote = from;
  raft.out.isHardStateDirty = true;
}

function answer(raft: Raft, { from, term, isPre }: Of<"vote">, isGranted: boolean): void {
  const queue = isGranted && !isPre ? raft.out.after : raft.out.messages; // V1
  queue.push({
    type: "voted",
    from: raft.config.id,
    to: from,
    term: isGranted ? term : raft.term,
    isPre,
    isGranted,
    ...known(raft),
  });
}

const known = ({ log }: Raft): { commit: number; commitTerm: number } => ({
  commit: log.commit,
  commitTerm: termAt(log, log.commit) ?? 0,
});

/** V8. */
function hearKnown(raft: Raft, { commit, commitTerm }: Of<"vote"> | Of<"voted">): void {
  if (raft.role === "leader" || raft.installing !== undefined || commit <= raft.log.commit) return;
  if (commitTerm === 0 || termAt(raft.log, commit) !== commitTerm) return;
  if (!advanceCommit(raft, commit)) return;
  if (raft.role === "follower") return;
  if (!mayCampaign(raft)) becomeFollower(raft, raft.term, null);
  else count(raft); // other votes may be enough now
}

const hasLease = ({ role, leader, isLeaseOver, electionElapsed, config }: Raft): boolean =>
  role === "leader" || (leader !== null && !isLeaseOver && electionElapsed < config.electionTicks);

/** The connection to the leader broke: PreVote soon, which elects nobody while a quorum hears it. */
export function loseLease(raft: Raft, hub: HubId): void {
  if (raft.leader !== hub || raft.isLeaseOver) return;
  const { config } = raft;
  raft.isLeaseOver = true;
  const delay = 1 + turnOf(raft);
  // A witness leaves the hubs that hold state their turn first.
  raft.electionTimeout =
    raft.electionElapsed + delay + (config.isWitness === true ? config.electionTicks : 0);
}
