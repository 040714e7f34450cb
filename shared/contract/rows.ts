// The rows of the ledger: what the hub knows, as plain data. Every time is wall-clock ms since 1970,
// taken from the command that made it; money is in millionths of a US dollar.

import type { ErrorRecord } from "../base/errors.ts";
import type { Printer } from "./bridge.ts";
import type { FarmOrder, PrintOutcome, PrintUse } from "./farm.ts";
import type { CacheFacts } from "./memory.ts";
import type { Children } from "./queues.ts";
import type { HazardClass, Role } from "./roles.ts";
import type { RouteStep } from "./route.ts";

export interface TokenRow {
  readonly id: string;
  readonly person: string;
  readonly role: Role;
  /** sha256 of the secret; the secret itself is shown once and kept nowhere. */
  readonly secretSha256: string;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
  readonly revokedAtMs?: number;
}

export interface JoinCodeRow {
  readonly id: string;
  readonly name: string;
  readonly secretSha256: string;
  readonly createdBy: string;
  readonly expiresAtMs: number;
  readonly wrongTries: number;
  readonly usedByNode?: string;
}

export const NODE_STATES = ["alive", "suspect", "down", "removed"] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** What a node can do. Jobs ask for these by name. */
export interface Capabilities {
  readonly models: readonly ModelFact[];
  readonly embedder?: { readonly tag: string; readonly dimensions: number } | undefined;
  readonly commands: readonly CommandFact[];
  readonly printers: readonly Printer[];
  /** Programs that make bodies, and G-code of bodies. */
  readonly cad?: ToolFact | undefined;
  readonly slicer?: ToolFact | undefined;
}

export interface ToolFact {
  readonly version: string;
  readonly isIsolated: boolean;
}

export interface ModelFact {
  readonly name: string;
  readonly contextTokens: number;
  readonly slots: number;
  readonly sizeBytes: number;
}

export interface CommandFact {
  readonly name: string;
  readonly summary: string;
  readonly hazard: HazardClass;
  readonly effect: Effect;
}

export interface NodeRow {
  readonly id: string;
  readonly name: string;
  /** CURVE public key, Z85. */
  readonly publicKey: string;
  readonly secretSha256: string;
  readonly bootId: string;
  readonly state: NodeState;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: Capabilities;
  readonly capabilitiesDigest: string;
  readonly enrolledAtMs: number;
  readonly changedAtMs: number;
  /** Log position of the last registration; what was judged before it counts no more. */
  readonly registeredAt?: number;
  /** When it was lost, the newest last: only losses of the last TIMEOUT.nodeFlapWindowMs. */
  readonly lostAtMs?: readonly number[];
  /** How often in a row it was held for flapping. */
  readonly holds?: number;
  /** Until then it is `suspect` at best. */
  readonly heldUntilMs?: number;
}

/** A hub of the cluster, as the others reach it. */
export interface HubFacts {
  /** `tcp://HOST:PORT` and CURVE key, for other hubs and for node agents. */
  readonly peerAddress: string;
  readonly peerKey: string;
  readonly agentAddress: string;
  readonly agentKey: string;
  readonly httpAddress: string;
  readonly version: string;
  readonly bootId: string;
  /** Of log entries it can apply (hub/cluster/formats.ts); left out: the first. */
  readonly format?: number | undefined;
}

export interface HubRow extends HubFacts {
  readonly id: string;
  readonly joinedAtMs: number;
  readonly changedAtMs: number;
}

/** Who leads, as the log knows it: the one row `cluster` of its table. */
export interface ReignRow {
  readonly hub: string;
  readonly term: number;
  /** Log position at which it began. */
  readonly position: number;
  readonly atMs: number;
}

/** A client that numbers its requests, so that each has its effect once. */
export interface SessionRow {
  readonly id: string;
  /** Who opened it; nobody else may use it. */
  readonly actor: string;
  readonly openedAtMs: number;
  readonly usedAtMs: number;
  /** Number of the last request answered; the first one is 1. */
  readonly seq: number;
  /** The one reply kept: of request `seq`. */
  readonly reply?: unknown;
  readonly requestSha256?: string;
}

export interface LockRow {
  readonly name: string;
  /** Names the holder within `by`. */
  readonly owner: string;
  /** The person or node that acquired it. */
  readonly by: string;
  /** Fencing token: log position of the acquisition. */
  readonly token: number;
  readonly ttlMs: number;
  readonly acquiredAtMs: number;
  /** Log position of the acquisition or of the last logged renewal or checkpoint. */
  readonly revision: number;
  /** Earliest end that the log knows of; keep-alives in the leader's memory put it off. */
  readonly expiresAtMs: number;
  /** Of `ttlMs`, as of `revision`: what a new leader starts from. */
  readonly remainingMs: number;
  /** It ends with the lease of this node. */
  readonly node?: string;
  /** It ends with this client session. */
  readonly session?: string;
  /** Of the wait that it was given to. */
  readonly ticket?: number;
}

/** Who waits for one lock, the first first. There is one row for each lock that somebody waits for. */
export interface LockQueueRow {
  readonly name: string;
  readonly waiters: readonly LockWaiter[];
}

export interface LockWaiter {
  /** Log position at which it joined. */
  readonly ticket: number;
  readonly owner: string;
  readonly by: string;
  readonly ttlMs: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly node?: string;
  readonly session?: string;
}

/** Each one waits for `lock`, which the next one holds or is to get first; the last one for the first. */
export interface DeadlockStep {
  readonly owner: string;
  readonly by: string;
  readonly lock: string;
}

/** A wait that was refused because it closed a circle: that of the first step. */
export interface DeadlockRow {
  /** Log position. */
  readonly id: number;
  readonly atMs: number;
  readonly cycle: readonly DeadlockStep[];
}

/** pure: may be repeated at will · idempotent: repeated with its key · once: never repeated blindly. */
export const EFFECTS = ["pure", "idempotent", "once"] as const;
export type Effect = (typeof EFFECTS)[number];

export const JOB_CLASSES = ["high", "normal", "low"] as const;
export type JobClass = (typeof JOB_CLASSES)[number];

/** A `+` joins what one machine must have together; `cad-free` may run programs of people. */
export const CAD_NEEDS = ["cad", "cad-free", "slice", "cad+slice", "cad-free+slice"] as const;
export type CadNeed = (typeof CAD_NEEDS)[number];

export const JOB_STATES = [
  "awaiting",
  /** For its children. */
  "waiting",
  "ready",
  "leased",
  "done",
  "failed",
  "cancelled",
  /** A `once` job whose holder vanished: a person says what became of it. */
  "unknown",
] as const;
export type JobState = (typeof JOB_STATES)[number];

/** A piece of queued work: for any node that has the capability, or (`work`) for a program. */
export interface JobRow {
  readonly id: string;
  readonly kind: "command" | "embed" | "cad" | "slice" | "work";
  readonly class: JobClass;
  readonly effect: Effect;
  readonly state: JobState;
  /** Capability it needs: `command:NAME`, `embed`, or of CAD_NEEDS; empty for `work`. */
  readonly needs: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** The default queue where left out. */
  readonly queue?: string;
  /** Who takes turns with others; the person where left out. */
  readonly workspace?: string;
  readonly priority?: number;
  /** Order of arrival; missing from jobs of older releases. */
  readonly order?: number;
  readonly mutex?: string;
  readonly key?: string;
  readonly parent?: string;
  readonly children?: Children;
  /** Token of the last try that ended without success: reports with it or a lower one are late. */
  readonly fence?: number;
  readonly by: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly attempts: number;
  readonly attemptsMax: number;
  readonly notBeforeMs: number;
  readonly timeoutMs: number;
  readonly lease?: LeaseFact;
  readonly confirmation?: string;
  readonly result?: unknown;
  readonly error?: ErrorRecord;
  readonly isDead: boolean;
}

export interface LeaseFact {
  readonly node: string;
  readonly bootId: string;
  /** Fencing token: the log position of the lease; it only grows. */
  readonly token: number;
  readonly atMs: number;
}

export interface ConversationRow {
  readonly id: string;
  readonly person: string;
  readonly title: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly messages: number;
  /** The one confirmation this conversation waits for. */
  readonly pending?: string;
}

export const TIERS = ["rule", "local", "mcp", "frontier"] as const;
export type Tier = (typeof TIERS)[number];

export interface Routing {
  readonly tier: Tier;
  readonly model: string;
  /**
   * 0..1: 1 for rules; for a model the mean probability of the tokens it sampled; from the cache what
   * it was when the answer was new. 0 together with metadata.confidence "unknown" where the node took
   * no probabilities, as with answers that follow a JSON schema.
   */
  readonly confidence: number;
  readonly cached: boolean;
  readonly latencyMs: number;
  /** Why this path was taken, in words for a person. */
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
  /** What each tier did with the question, up to the one that answered. */
  readonly route?: readonly RouteStep[] | undefined;
}

export interface MessageRow {
  readonly id: string;
  readonly conversation: string;
  /** Position in the conversation, from 0. */
  readonly seq: number;
  readonly role: "user" | "assistant";
  readonly text: string;
  readonly atMs: number;
  readonly requestId: string;
  readonly person: string;
  readonly routing?: Routing;
  readonly usage?: Usage;
  readonly confirmation?: string;
  readonly error?: ErrorRecord;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly costMicroUsd: number;
}

/** A question that has been recorded and not yet been answered. */
export interface QuestionRow {
  readonly id: string;
  readonly conversation: string;
  readonly seq: number;
  readonly person: string;
  readonly role: Role;
  readonly requestId: string;
  readonly text: string;
  readonly provider?: string;
  readonly model?: string;
  readonly atMs: number;
}

export const CONFIRMATION_STATES = ["pending", "consumed", "cancelled", "expired"] as const;
export type ConfirmationState = (typeof CONFIRMATION_STATES)[number];

/** What a confirmed act does. The hash of this, in canonical JSON, is what the person agrees to. */
export type Action =
  | {
      readonly type: "print";
      readonly job: string;
      readonly printer: string;
      readonly name: string;
      readonly sha256: string;
    }
  | { readonly type: "command"; readonly job: string; readonly command: string }
  | {
      /** A step of a turn of the agent loop. */
      readonly type: "tool";
      readonly turn: string;
      readonly step: number;
      readonly tool: string;
      readonly argumentsSha256: string;
      readonly person: string;
      readonly device?: string;
      readonly expiresAtMs: number;
      readonly nonce: string;
    };

export interface ConfirmationRow {
  readonly id: string;
  readonly conversation?: string;
  readonly action: Action;
  readonly actionSha256: string;
  readonly summary: string;
  readonly hazardClass: HazardClass;
  readonly hazards: readonly string[];
  /** What to type or say, e.g. `print bracket`; compared after normalising case and white space. */
  readonly phrase: string;
  readonly person: string;
  /** How many different people must agree; left out: one. */
  readonly people?: number;
  /** Who has agreed so far, where one is not enough. */
  readonly given?: readonly { readonly person: string; readonly atMs: number }[];
  readonly state: ConfirmationState;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly noticedAtMs?: number;
  readonly closedAtMs?: number;
  readonly closedBy?: string;
}

export const PRINT_STATES = [
  "awaiting",
  "ready",
  "printing",
  "paused",
  "done",
  "failed",
  "cancelled",
  "interrupted",
  "unknown",
] as const;
export type PrintState = (typeof PRINT_STATES)[number];

export interface GcodeFacts {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly commands: number;
  readonly estimatedS: number;
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  readonly filamentMm: number;
  readonly layers: number;
  readonly boundsMm: {
    readonly min: { readonly x: number; readonly y: number; readonly z: number };
    readonly max: { readonly x: number; readonly y: number; readonly z: number };
  };
  readonly hazards: readonly string[];
  /** Absent for jobs of before there was one. */
  readonly analysis?: GcodeAnalysis;
}

/** What a file says and does besides, as shared/gcode/scan.ts finds it. mm, s, g, degrees Celsius. */
export interface GcodeAnalysis {
  readonly slicer?: { readonly name: string; readonly version?: string };
  readonly modelS: number;
  readonly slicerS?: number;
  readonly layers?: {
    readonly count: number;
    readonly firstHeightMm: number;
    readonly usualHeightMm: number;
    readonly topMm: number;
  };
  readonly filament: {
    readonly lengthMm: number;
    readonly volumeCm3: number;
    readonly massG?: number;
    readonly material?: string;
  };
  readonly laidBoundsMm?: GcodeFacts["boundsMm"];
  readonly chamberMaxC?: number;
  readonly tools: readonly number[];
  readonly settings: Readonly<Record<string, string>>;
  /** Blobs, the largest picture first. */
  readonly thumbnails: readonly ThumbnailFact[];
}

export interface ThumbnailFact {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly format: "png" | "jpg" | "qoi";
  readonly width: number;
  readonly height: number;
}

export interface PrintRow {
  readonly id: string;
  readonly printer: string;
  readonly name: string;
  readonly state: PrintState;
  readonly gcode: GcodeFacts;
  /** The file was sent to be kept, not to be printed; `state` is `cancelled` from the first. */
  readonly isKept?: true;
  readonly by: string;
  readonly conversation?: string;
  readonly confirmation?: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  /** How often the firmware saw the first byte of this job. Never more than 1. */
  readonly startedCount: number;
  /** The last progress that was worth a log entry; live progress is soft state. */
  readonly progress: number;
  readonly lease?: LeaseFact;
  /** What a person asked for and the bridge has not confirmed yet. */
  readonly wish?: "pause" | "resume" | "cancel";
  readonly error?: ErrorRecord;
  /** Of a print for whichever printer fits; `printer` is `any` until one is assigned. */
  readonly farm?: FarmOrder;
  /** Filament that it takes, as far as anybody has said. */
  readonly grams?: number;
  readonly use?: PrintUse;
  readonly outcome?: PrintOutcome;
}

export interface DeviceRow {
  readonly id: string;
  readonly node: string;
  readonly kind: "printer";
  readonly printer: Printer;
  readonly isOnline: boolean;
  /** `part` after a print has touched the bed; a person clears it, naming the job. */
  readonly bed: "clear" | "part";
  readonly bedJob?: string;
  /** Highest fencing token handed out for this device. */
  readonly token: number;
  readonly changedAtMs: number;
}

export interface FlagRow {
  readonly key: string;
  readonly value: unknown;
  /** Log position of the last change. */
  readonly revision: number;
  readonly by: string;
  readonly atMs: number;
}

export interface AuditRow {
  readonly seq: number;
  readonly position: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly object: string;
  readonly requestId: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** sha256 of the row before, 64 zeros for the first. */
  readonly before: string;
  readonly hash: string;
}

/** Sums by day, person and model; recounted from messages by `gantry doctor`. */
export interface SpendRow {
  readonly day: string;
  readonly person: string;
  readonly tier: Tier;
  readonly model: string;
  readonly answers: number;
  readonly cachedAnswers: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicroUsd: number;
}

/** The first answer to an Idempotency-Key; the same request gets it again. */
export interface ReplayRow {
  readonly key: string;
  readonly requestSha256: string;
  readonly reply: unknown;
  readonly atMs: number;
  /** Where the ring of keys holds it. */
  readonly slot: string;
}

/** A cached answer. Key: hash of scope and normalised prompt. */
export interface CacheRow {
  readonly key: string;
  readonly prompt: string;
  readonly text: string;
  readonly routing: Routing;
  readonly usage: Usage;
  readonly atMs: number;
  readonly expiresAtMs: number;
  /** Missing from answers of before there were any. */
  readonly facts?: Omit<CacheFacts, "key" | "prompt" | "expiresAtMs">;
  /** How often it was given again. */
  readonly hits?: number;
  /** What it is worth to keep it; sinks while others come. */
  readonly worth?: number;
}
