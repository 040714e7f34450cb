// What a replica is given: its stores, its links, and whom it tells.

import type { GantryError } from "@gantry/shared/base/errors.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { HubId, MakeCore, Membership } from "../consensus/types.ts";
import type { LogStore, OrderedStore, PeerLink } from "../ports.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

/** In ticks of 10 ms. */
export interface RaftTiming {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
}
export const TICK_MS = 10;
export const FAST_TIMING: RaftTiming = { electionTicks: 25, heartbeatTicks: 5 };
export const SLOW_TIMING: RaftTiming = { electionTicks: 100, heartbeatTicks: 10 };

export interface ReplicaOptions {
  readonly hubId: HubId;
  readonly logStore: LogStore;
  readonly ledgerStore: OrderedStore;
  readonly clock: Clock;
  /** Uniform in [0, 1), for election clocks. */
  readonly random: () => number;
  readonly log: Logger;
  /** Between checkpoints. */
  readonly checkpointMs: number;
  /** Events of one entry, in order, after it was applied. Must not throw. */
  readonly onEvents: (events: readonly LedgerEvent[]) => void;
  /** This hub leads and shows every fact of earlier terms, or leads no more. Must not throw. */
  readonly onReign?: (reign: Reign | undefined) => void;
  /** Another hub leads, or none. Must not throw. */
  readonly onLeader?: (leader: HubId | null) => void;
  /** The log cannot be written (it is tried again), or (undefined) it can be again. */
  readonly onDiskFault?: (fault: GantryError | undefined) => void;
  /** A synced write took this long, ms. */
  readonly onSync?: (tookMs: number) => void;
  /** The membership in force has changed, or is known at start. Must not throw. */
  readonly onMembership?: (membership: Membership) => void;
  /** The rows were replaced by a snapshot: what was derived from events must be made anew. */
  readonly onInstalled?: () => void;
  /** To the other hubs; without it this hub is alone. */
  readonly peers?: Pick<PeerLink, "send" | "fetch">;
  readonly timing?: RaftTiming;
  /** Votes and keeps the log; has no rows and serves nothing. */
  readonly isWitness?: boolean;
  readonly witnesses?: ReadonlySet<HubId>;
  /** The membership before the first entry; what the log store found where left out. */
  readonly founding?: Membership;
  /** Where snapshots are; without, the log is never trimmed. */
  readonly snapshots?: {
    readonly store: SnapshotStore;
    /** Log after which a snapshot is taken; 64 MiB and 50,000 entries where left out. */
    readonly logBytes?: number;
    readonly logEntries?: number;
    readonly keptEntries?: number;
  };
  /** Why a command is not taken now, e.g. a disk that is nearly full. */
  readonly refusal?: (command: Command) => GantryError | undefined;
  /** For tests: called at named steps, to cut the power there. */
  readonly probe?: (step: ReplicaStep) => void;
  /** For the simulator: tiny bounds, planted bugs. */
  readonly makeCore?: MakeCore;
  readonly bounds?: Partial<CoreBounds>;
}

export interface CoreBounds {
  readonly uncommittedBytesMax: number;
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
  readonly messageBytesMax: number;
}

export interface Reign {
  readonly term: number;
  /** Aborts when this hub leads no more. */
  readonly signal: AbortSignal;
}

export type ReplicaStep = "beforeStore" | "afterStore" | "afterApply" | "afterReply";
