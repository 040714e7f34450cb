// What the consensus core takes and gives, as types only. The core is pure: the driver (hub/replica)
// owns the clock, the disk and the sockets, feeds inputs with `step`, and does what `ready` says.

export type HubId = string;

// ── membership ──────────────────────────────────────────────────────────────────────────────────

/** Who counts. Joint consensus (Raft thesis 4.3): while `outgoing` is not empty, both majorities are needed. */
export interface Membership {
  readonly voters: readonly HubId[];
  /** The voters before a change that is not finished; empty outside a joint configuration. */
  readonly outgoing: readonly HubId[];
  readonly learners: readonly HubId[];
  /** Voters of `outgoing` that become learners when the joint configuration is left. */
  readonly learnersNext: readonly HubId[];
  /** The leader leaves the joint configuration by itself once it is committed. */
  readonly autoLeave: boolean;
}

export type MembershipStep =
  | { readonly type: "addVoter"; readonly hub: HubId }
  | { readonly type: "addLearner"; readonly hub: HubId }
  | { readonly type: "remove"; readonly hub: HubId };

/** Empty `steps` without a `transition` leave the joint configuration. */
export interface MembershipChange {
  readonly steps: readonly MembershipStep[];
  /**
   * Absent: one step is applied simply, several by a joint configuration that is left by itself.
   * `joint`: joint even for one step. `jointByHand`: left only by a change with empty `steps`.
   */
  readonly transition?: "joint" | "jointByHand";
}

// ── the log ─────────────────────────────────────────────────────────────────────────────────────

export interface Entry {
  readonly index: number;
  readonly term: number;
  /** `membership`: `data` is a MembershipChange as UTF-8 JSON. `commands`: one group-commit batch; empty opens a term. */
  readonly kind: "commands" | "membership";
  readonly data: Uint8Array;
}

export interface HardState {
  readonly term: number;
  readonly vote: HubId | null;
  /** May be behind on disk: a change of `commit` alone needs no sync. */
  readonly commit: number;
}

/** The log as the disk has it. Synchronous: recent entries are in memory, older ones cost some microseconds. */
export interface StoredLog {
  /** What lies before the first entry kept; {0, 0} for a whole log. */
  readonly offset: { readonly index: number; readonly term: number };
  /** Of a stored entry or of `offset`; undefined before and after what is kept. */
  termAt(index: number): number | undefined;
  /** From `from` through at most `through`, at least one if there is one, then while bytes of data stay under `bytesMax`. */
  entries(from: number, through: number, bytesMax: number): readonly Entry[];
}

/** What the log store found at start. */
export interface Restored {
  readonly hardState: HardState;
  /** In force at `membershipIndex` <= commit; later changes up to `commit` are in the log. */
  readonly membership: Membership;
  readonly membershipIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Everything up to here is in the ledger already: `committed` begins after it. */
  readonly appliedIndex: number;
}

// ── messages between hubs ───────────────────────────────────────────────────────────────────────

interface Head {
  readonly from: HubId;
  readonly to: HubId;
  readonly term: number;
}

export type Message = Head & MessageBody;

/** What the sender knows to be committed: true for ever, whoever says it. */
interface Known {
  readonly commit: number;
  /** Of the entry at `commit`; 0 where the sender cannot tell. */
  readonly commitTerm: number;
}

export type MessageBody =
  | ({
      readonly type: "vote";
      /** PreVote: `term` is the one the sender would campaign in. */
      readonly isPre: boolean;
      /** Leadership transfer: the leader lease is ignored. */
      readonly isForced: boolean;
      readonly lastIndex: number;
      readonly lastTerm: number;
    } & Known)
  | ({ readonly type: "voted"; readonly isPre: boolean; readonly isGranted: boolean } & Known)
  | {
      readonly type: "append";
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly commit: number;
      readonly entries: readonly Entry[];
    }
  | {
      readonly type: "appended";
      /** Accepted: the last index that now matches. Refused: `prevIndex` of the append. */
      readonly index: number;
      readonly isRefused: boolean;
      /** Refused: the largest index at which the logs may agree, and its term (etcd-io/raft, fast rejection). */
      readonly hintIndex: number;
      readonly hintTerm: number;
    }
  | {
      readonly type: "heartbeat";
      /** Never above what the receiver is known to have. */
      readonly commit: number;
      /** The leader's read counter: an answer confirms every read up to it (etcd #20418). */
      readonly read: number;
    }
  | { readonly type: "heartbeatAnswer"; readonly read: number }
  /** The receiver's log is too far behind: it fetches this snapshot on the bulk socket. */
  | {
      readonly type: "snapshot";
      readonly index: number;
      readonly indexTerm: number;
      readonly membership: Membership;
    }
  /** Start a campaign now: the sender hands leadership over. */
  | { readonly type: "campaignNow" }
  /** A follower asks for a read index on behalf of its own reader; `id` is the follower's. */
  | { readonly type: "readIndex"; readonly id: number }
  | { readonly type: "readIndexAnswer"; readonly id: number; readonly index: number };

// ── the core ────────────────────────────────────────────────────────────────────────────────────

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

export type Input =
  /**
   * The election clock. `lateTicks`: ticks that passed while our own loop stood still; they count
   * against a leader (CheckQuorum) and never towards a campaign.
   */
  | { readonly type: "tick"; readonly lateTicks?: number }
  | { readonly type: "propose"; readonly data: Uint8Array }
  | { readonly type: "change"; readonly change: MembershipChange }
  | { readonly type: "message"; readonly message: Message }
  /** The disk holds the hard state of `term`, and every entry up to (index, lastTerm). */
  | {
      readonly type: "stored";
      readonly term: number;
      readonly index: number;
      readonly lastTerm: number;
    }
  /** Leader: a snapshot up to `index` exists and can be fetched; 0 when none. */
  | {
      readonly type: "snapshotKept";
      readonly index: number;
      readonly indexTerm: number;
      readonly membership: Membership;
    }
  /** Follower: the snapshot named in `Ready.install` is in place, log and ledger; or failed. */
  | { readonly type: "installed"; readonly index: number; readonly isDone: boolean }
  | { readonly type: "read"; readonly id: number }
  | { readonly type: "transfer"; readonly to: HubId }
  /** The connection to `hub` broke or a frame to it was dropped. */
  | { readonly type: "unreachable"; readonly hub: HubId };

export interface Ready {
  /** To be sent at once; may be lost, repeated or overtaken. */
  readonly messages: readonly Message[];
  /**
   * To be stored: hard state and entries in one write. Entries from `entries[0].index` on replace
   * whatever the disk has there. `after` leaves only when this write, and all before it, are synced;
   * then `stored` is given back. Writes are done in order and may be joined into one.
   */
  readonly write:
    | {
        readonly hardState: HardState | undefined;
        readonly entries: readonly Entry[];
        readonly after: readonly Message[];
        /** False when only `commit` moved: no sync is needed. */
        readonly isSync: boolean;
      }
    | undefined;
  /** Now committed: to be applied, in order, each exactly once. */
  readonly committed: readonly Entry[];
  /** Reads that may be served from a state applied up to `index`; `index` undefined: lost, ask again. */
  readonly reads: readonly { readonly id: number; readonly index: number | undefined }[];
  /** Fetch this snapshot from `from`, install it, then give `installed` back. */
  readonly install:
    | {
        readonly from: HubId;
        readonly index: number;
        readonly indexTerm: number;
        readonly membership: Membership;
      }
    | undefined;
}

export interface Progress {
  readonly match: number;
  readonly next: number;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly isActive: boolean;
  readonly inflight: number;
}

export interface Status {
  readonly role: Role;
  readonly term: number;
  readonly leader: HubId | null;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly storedIndex: number;
  readonly membership: Membership;
  readonly membershipIndex: number;
  /** A leader that has committed an entry of its own term. */
  readonly isReadable: boolean;
  readonly transferTo: HubId | null;
  /** Of a leader: every other hub. */
  readonly progress: ReadonlyMap<HubId, Progress>;
}

export interface CoreConfig {
  readonly id: HubId;
  /** Ticks without a leader before a campaign; the true number is drawn from [n, 2n). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Uniform in [0, 1); drawn once per reset of the election clock. */
  readonly random: () => number;
  /** A witness votes and keeps the log; it leads only until a hub that holds state has caught up. */
  readonly isWitness?: boolean;
  readonly witnesses?: ReadonlySet<HubId>;
  /**
   * News of a commit waits for the next append, or a tick, instead of leaving by itself at once: under
   * load that halves the messages. What other hubs show is up to a tick older.
   */
  readonly isNewsLazy?: boolean;
  readonly uncommittedBytesMax: number;
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
  readonly messageBytesMax: number;
  /** A damaged voter: takes entries and never votes or campaigns. */
  readonly isBarred?: boolean;
}

export type StepOutcome =
  | "taken"
  /** A proposal, change or transfer that is surely not done: not the leader, a change is open, or no such hub. */
  | "refused"
  /** Over the bound of uncommitted bytes: wait for a commit. */
  | "full";

export interface Core {
  /** Throws AssertionError for a broken invariant only. */
  step(input: Input): StepOutcome;
  /** What is to be done since the last call; undefined when nothing. */
  ready(): Ready | undefined;
  status(): Status;
}

export type MakeCore = (config: CoreConfig, restored: Restored, log: StoredLog) => Core;
