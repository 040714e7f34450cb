// The whole state of one core, and the few moves that every role shares.
//
// R1. Term never falls. A vote is cast at most once a term, and a granted vote leaves only behind
//     the write that holds it.

import { assert } from "@gantry/shared/base/assert.ts";
import { makeLog, type RaftLog } from "./log.ts";
import { checkMembership, isVoter } from "./membership.ts";
import type { PeerProgress } from "./progress.ts";
import { makeReads, type Reads, takeLost } from "./reads.ts";
import type {
  CoreConfig,
  HubId,
  Membership,
  Message,
  Ready,
  Restored,
  Role,
  StoredLog,
} from "./types.ts";

interface Snapshot {
  readonly index: number;
  readonly indexTerm: number;
  readonly membership: Membership;
}

/** What `ready` will hand out. */
interface Outbox {
  messages: Message[];
  /** Leaves behind the next write. */
  after: Message[];
  /** The acknowledgement of everything taken since the last `ready`; later ones swallow earlier ones. */
  ack: { to: HubId; index: number } | undefined;
  reads: { id: number; index: number | undefined }[];
  install: Ready["install"];
  isHardStateDirty: boolean;
  /** Commit moved since it was last written; written with the next write, or by itself at a tick. */
  isCommitDirty: boolean;
  isCommitDue: boolean;
}

export interface Raft {
  readonly config: CoreConfig;
  readonly log: RaftLog;
  readonly out: Outbox;
  readonly reads: Reads;

  term: number;
  vote: HubId | null;
  /** Term of the hard state that the disk is known to hold. */
  storedTerm: number;
  role: Role;
  leader: HubId | null;

  /** Ticks since the leader was heard of, a campaign began, or (leader) the quorum was checked. */
  electionElapsed: number;
  /** When a campaign begins; drawn anew at each reset. */
  electionTimeout: number;
  heartbeatElapsed: number;
  /** The connection to the leader broke: its lease counts as over until it is heard of again. */
  isLeaseOver: boolean;
  votes: Map<HubId, boolean>;
  isCampaignForced: boolean;
  /** In vain, since a leader was known. */
  campaigns: number;

  membership: Membership;
  membershipIndex: number;
  /** Indexes of membership entries above commit, in order. */
  pendingChanges: number[];

  /** Leader: every other hub; the array is the map's values. */
  progress: ReadonlyMap<HubId, PeerProgress>;
  peers: readonly PeerProgress[];
  /** Leader: something may have to be sent. */
  isFlushDue: boolean;
  /** Leader: commits that were not told yet are told with the next flush. */
  isNewsDue: boolean;
  /** Leader: index of the entry that opened the term. */
  openedAt: number;
  /** Leader: an entry of the own term is committed. */
  isReadable: boolean;
  uncommittedBytes: number;
  transferTo: HubId | null;
  /** Leader that is no voter any more: the entry with which it goes; 0 otherwise. */
  leavingAt: number;
  /** Witness: whom it last tried to hand over to. */
  yieldedTo: HubId | null;
  kept: Snapshot | undefined;

  /** Follower: the snapshot that is being fetched. */
  installing: NonNullable<Ready["install"]> | undefined;
}

const NOBODY: ReadonlyMap<HubId, PeerProgress> = new Map();

export function makeState(config: CoreConfig, restored: Restored, disk: StoredLog): Raft {
  assert(config.electionTicks > config.heartbeatTicks, "a leader beats before it is given up");
  assert(config.heartbeatTicks >= 1, "a heartbeat takes a tick");
  checkMembership(restored.membership);
  const { term, vote } = restored.hardState;
  assert(restored.lastTerm <= term, "R1: the log is not ahead of the term");
  const raft: Raft = {
    config,
    log: makeLog(restored, disk),
    out: {
      messages: [],
      after: [],
      ack: undefined,
      reads: [],
      install: undefined,
      isHardStateDirty: false,
      isCommitDirty: false,
      isCommitDue: false,
    },
    reads: makeReads(Math.floor(config.random() * 2 ** 47)),
    term,
    vote,
    storedTerm: term,
    role: "follower",
    leader: null,
    electionElapsed: 0,
    electionTimeout: 0,
    heartbeatElapsed: 0,
    isLeaseOver: false,
    votes: new Map(),
    isCampaignForced: false,
    campaigns: 0,
    membership: restored.membership,
    membershipIndex: restored.membershipIndex,
    pendingChanges: [],
    progress: NOBODY,
    peers: [],
    isFlushDue: false,
    isNewsDue: false,
    openedAt: 0,
    isReadable: false,
    uncommittedBytes: 0,
    transferTo: null,
    leavingAt: 0,
    yieldedTo: null,
    kept: undefined,
    installing: undefined,
  };
  drawTimeout(raft);
  return raft;
}

/** V6: n, and a little more for each voter that is before this one; a witness waits for all of them. */
export function drawTimeout(raft: Raft): void {
  const { electionTicks, isWitness } = raft.config;
  raft.electionTimeout = (isWitness === true ? electionTicks * 2 : electionTicks) + turnOf(raft);
}

/** Ticks until it is this hub's turn to campaign, after the first of those who may. V6. */
export function turnOf(raft: Raft): number {
  const { config, membership, leader } = raft;
  const able = membership.voters.filter((hub) => hub !== leader);
  const step = Math.max(2, Math.round(config.electionTicks * TURN_SHARE));
  return Math.max(0, able.indexOf(config.id)) * step + Math.floor(config.random() * step);
}
/** Of the election time-out: a vote is asked for and stored well within it. */
const TURN_SHARE = 0.08;

/** V7. Ticks of one campaign, from [n/5, 3n/5) at first, from [n, 2n) after a few in vain. */
export function drawPatience(raft: Raft): void {
  const { electionTicks, random } = raft.config;
  const least = Math.min(electionTicks, (electionTicks / 5) * 2 ** Math.min(raft.campaigns, 8));
  const spread = Math.min(electionTicks, 2 * least);
  raft.electionTimeout = Math.ceil(least + random() * spread);
}

export function becomeFollower(raft: Raft, term: number, leader: HubId | null): void {
  assert(term >= raft.term, "R1: term never falls");
  const isSameReign = term === raft.term && leader === raft.leader && raft.role === "follower";
  if (!isSameReign) loseReads(raft);
  if (term > raft.term) {
    raft.term = term;
    raft.vote = null;
    raft.out.isHardStateDirty = true;
    raft.out.ack = undefined;
  }
  raft.role = "follower";
  raft.leader = leader;
  if (leader !== null) raft.campaigns = 0;
  raft.progress = NOBODY;
  raft.peers = [];
  raft.isFlushDue = false;
  raft.isReadable = false;
  raft.transferTo = null;
  raft.leavingAt = 0;
  raft.isLeaseOver = false;
  raft.electionElapsed = 0;
  drawTimeout(raft);
}

/** Reads under way end with the reign they were asked in. */
export function loseReads(raft: Raft): void {
  for (const id of takeLost(raft.reads, raft.config.id)) {
    raft.out.reads.push({ id, index: undefined });
  }
}

/** A voter whose word can be trusted and whose log is not being replaced. */
export const mayCampaign = ({ membership, config, installing }: Raft): boolean =>
  isVoter(membership, config.id) && config.isBarred !== true && installing === undefined;

/** To be acknowledged to the leader once the own disk has everything up to `index`. */
export function acknowledge(raft: Raft, to: HubId, index: number): void {
  const { ack } = raft.out;
  if (ack?.to === to) ack.index = Math.max(ack.index, index);
  else raft.out.ack = { to, index };
}
