// Commands: the only things that change the ledger. Each is a fact from outside, with its time, its
// ids and its hashes inside, so that a replay gives the same bytes on every hub.
//
// C1. A command that the state does not allow changes nothing and answers with an error record.
// C2. `replay`, where given, makes a command answer the same for ever to the same request.

import type { ErrorRecord } from "../base/errors.ts";
import type { JobPhase, Printer } from "./bridge.ts";
import type {
  Action,
  Capabilities,
  Effect,
  GcodeFacts,
  HubFacts,
  JobClass,
  NodeState,
  Routing,
  Usage,
} from "./rows.ts";
import type { AgentCommand } from "./agents.ts";
import type { GoalCommand } from "./goals.ts";
import type { ArtifactCommand } from "./artifacts.ts";
import type { FarmCommand } from "./farm.ts";
import type { WorkshopCommand } from "./workshop.ts";
import type { MoneyCommand } from "./money.ts";
import type { QueuePolicy, WorkDraft, WorkEnd } from "./queues.ts";
import type { HazardClass, Role } from "./roles.ts";
import type { ScheduleCommand } from "./schedules.ts";
import type { CacheFacts, MemoryCommand, MemoryDraft } from "./memory.ts";
import type { ResponseCommand } from "./responses.ts";
import type { RunCommandBody } from "./run-commands.ts";
import type { SessionStamp } from "./sessions.ts";
import type { WebhookCommand } from "./webhooks.ts";

/** Carried by every command. */
export interface Envelope {
  readonly atMs: number;
  /** Name of the person, `hub`, or `node:ID`. */
  readonly actor: string;
  readonly requestId: string;
  readonly replay?: { readonly key: string; readonly requestSha256: string };
  readonly session?: SessionStamp;
}

/** Creates a confirmation together with what it confirms. */
export interface ConfirmationDraft {
  readonly id: string;
  readonly phrase: string;
  readonly summary: string;
  readonly hazardClass: HazardClass;
  readonly hazards: readonly string[];
  readonly expiresAtMs: number;
}

export interface PrintDraft {
  readonly job: string;
  readonly printer: string;
  readonly name: string;
  readonly gcode: GcodeFacts;
  readonly conversation?: string;
  /** Absent only where the hazard policy lets the job start without a word. */
  readonly confirmation?: ConfirmationDraft;
}

export interface JobDraft {
  readonly job: string;
  readonly kind: "command" | "embed" | "cad" | "slice";
  readonly class: JobClass;
  readonly effect: Effect;
  readonly needs: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly attemptsMax: number;
  readonly timeoutMs: number;
  readonly conversation?: string;
  readonly confirmation?: ConfirmationDraft;
}

/** What an answer does besides being said; part of the same log entry. */
export type AnswerEffect =
  | ({ readonly type: "print" } & PrintDraft)
  | { readonly type: "printWish"; readonly job: string; readonly wish: PrintWish }
  | { readonly type: "bedCleared"; readonly device: string };

export type PrintWish = "pause" | "resume" | "cancel";

export type CommandBody =
  // people and machines
  | {
      readonly type: "tokenMade";
      readonly token: string;
      readonly person: string;
      readonly role: Role;
      readonly secretSha256: string;
      readonly expiresAtMs?: number;
    }
  | { readonly type: "tokenRevoked"; readonly token: string }
  | {
      readonly type: "joinCodeMade";
      readonly code: string;
      readonly name: string;
      readonly secretSha256: string;
      readonly expiresAtMs: number;
    }
  | {
      readonly type: "nodeEnrolled";
      readonly code: string;
      readonly codeSecretSha256: string;
      readonly node: string;
      readonly name: string;
      readonly publicKey: string;
      readonly secretSha256: string;
    }
  | {
      readonly type: "nodeRegistered";
      readonly node: string;
      readonly bootId: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly capabilities: Capabilities;
      readonly capabilitiesDigest: string;
    }
  | {
      readonly type: "nodeStateChanged";
      readonly node: string;
      readonly bootId: string;
      readonly state: NodeState;
      /** What the hub had seen when it judged: refused if the node has registered again since. */
      readonly registeredAt?: number;
      /** Number of the last heartbeat heard; for the audit alone. */
      readonly beatSeq?: number;
      /** Term in which it was judged: refused (`stale_term`) if another reign has begun since. */
      readonly term?: number;
      /** Only the loss of a `silent` node counts as flapping. */
      readonly why?: "silent" | "heard" | "bye" | "timeout" | "person";
    }
  /** Phases and faults of printers; temperatures and progress are soft state and never logged. */
  | {
      readonly type: "printersChanged";
      readonly node: string;
      readonly printers: readonly Printer[];
    }
  // asking
  | {
      readonly type: "questionAsked";
      readonly conversation: string;
      readonly message: string;
      readonly text: string;
      readonly role: Role;
      readonly provider?: string;
      readonly model?: string;
    }
  | {
      readonly type: "answerGiven";
      readonly question: string;
      readonly message: string;
      readonly text: string;
      readonly routing: Routing;
      readonly usage: Usage;
      readonly cache?: {
        readonly key: string;
        readonly prompt: string;
        readonly expiresAtMs: number;
      };
      readonly effects: readonly AnswerEffect[];
    }
  /** As answerGiven, for an answer of a cloud provider: settles what was reserved for it, too. */
  | {
      readonly type: "answerBought";
      readonly question: string;
      readonly message: string;
      readonly text: string;
      readonly routing: Routing;
      readonly usage: Usage;
      readonly cache?: {
        readonly key: string;
        readonly prompt: string;
        readonly expiresAtMs: number;
      };
      readonly effects: readonly AnswerEffect[];
      readonly reservation: string;
    }
  | {
      readonly type: "answerFailed";
      readonly question: string;
      readonly message: string;
      readonly error: ErrorRecord;
    }
  | { readonly type: "cacheCleared"; readonly key?: string }
  // confirmations
  | {
      readonly type: "confirmationConsumed";
      readonly confirmation: string;
      /** What the person typed or said, or null for the button. */
      readonly phrase: string | null;
      readonly role: Role;
      /** When the phrase came in as a question, the question it answers. */
      readonly question?: string;
      readonly message?: string;
    }
  | { readonly type: "confirmationCancelled"; readonly confirmation: string }
  /** Moves every confirmation that is due: notice at 240 s, expiry at 300 s. */
  | { readonly type: "confirmationsTicked" }
  // prints
  | ({ readonly type: "printSubmitted" } & PrintDraft)
  | ({ readonly type: "printKept" } & Pick<PrintDraft, "job" | "printer" | "name" | "gcode">)
  | {
      readonly type: "printLeased";
      readonly job: string;
      readonly node: string;
      readonly bootId: string;
    }
  | {
      readonly type: "printReported";
      readonly job: string;
      readonly token: number;
      readonly phase: JobPhase;
      readonly progress: number;
      readonly startedCount: number;
      readonly error?: ErrorRecord;
    }
  /** The bridge would not take the lease: back to ready, or failed when it never will. */
  | {
      readonly type: "printRefused";
      readonly job: string;
      readonly token: number;
      readonly error: ErrorRecord;
    }
  | { readonly type: "printWished"; readonly job: string; readonly wish: PrintWish }
  /** A person says what became of a job whose end nobody saw. */
  | { readonly type: "printResolved"; readonly job: string; readonly outcome: "done" | "failed" }
  | { readonly type: "bedCleared"; readonly device: string; readonly job?: string }
  | { readonly type: "emergencyStopped"; readonly devices: readonly string[] }
  // jobs
  | ({ readonly type: "jobAdded" } & JobDraft)
  | {
      readonly type: "jobLeased";
      readonly job: string;
      readonly node: string;
      readonly bootId: string;
    }
  | {
      readonly type: "jobFinished";
      readonly job: string;
      readonly token: number;
      readonly result: unknown;
    }
  | {
      readonly type: "jobFailed";
      readonly job: string;
      readonly token: number;
      readonly error: ErrorRecord;
      /** When to try again; absent: it is not to be tried again. */
      readonly retryAtMs?: number;
    }
  | {
      readonly type: "jobLeaseLost";
      readonly job: string;
      readonly token: number;
      readonly retryAtMs: number;
    }
  | { readonly type: "jobCancelled"; readonly job: string }
  | { readonly type: "jobRequeued"; readonly job: string }
  | { readonly type: "jobDropped"; readonly job: string }
  // queues (queues.ts); many jobs in one command
  /** All or none of them; a parent comes before its children. */
  | { readonly type: "jobsAdded"; readonly queue: string; readonly jobs: readonly WorkDraft[] }
  /** Before they are handed out; only of jobs whose effect is `once`. */
  | {
      readonly type: "jobsLeased";
      readonly worker: string;
      readonly jobs: readonly { readonly job: string; readonly token: number }[];
    }
  /** Each for itself: what is late is named in the reply and changes nothing. */
  | { readonly type: "jobsEnded"; readonly ends: readonly WorkEnd[] }
  /** Those that it does not fit any more are left as they are. */
  | {
      readonly type: "jobsDirected";
      readonly wish: "cancel" | "requeue" | "drop";
      readonly jobs: readonly string[];
    }
  | { readonly type: "queueSet"; readonly queue: string; readonly policy: QueuePolicy }
  | {
      readonly type: "queuePaused";
      readonly queue: string;
      /** Left out: the whole queue. */
      readonly key?: string;
      readonly isPaused: boolean;
      /** When it goes on by itself. A key always says when. */
      readonly untilMs?: number;
    }
  // hubs
  /** The first command of each new leader. */
  | { readonly type: "reignBegan"; readonly hub: string; readonly term: number }
  | ({ readonly type: "hubJoined"; readonly hub: string } & HubFacts)
  | ({ readonly type: "hubChanged"; readonly hub: string } & Partial<HubFacts>)
  | { readonly type: "hubLeft"; readonly hub: string }
  // client sessions
  // (`session` is the envelope's: the session in which a command is sent)
  | { readonly type: "sessionOpened"; readonly clientSession: string }
  | { readonly type: "sessionClosed"; readonly clientSession: string }
  // locks
  | {
      readonly type: "lockAcquired";
      readonly name: string;
      readonly owner: string;
      readonly ttlMs: number;
      readonly node?: string;
      /** Id of the client session it ends with. */
      readonly boundTo?: string;
      /** Of a lock that is held: wait so long for a turn. Left out: refused with lock_held. */
      readonly waitMs?: number;
    }
  /** Who waits gives up; only of the actor's own owners. */
  | {
      readonly type: "lockWaitCancelled";
      readonly name: string;
      readonly owner: string;
      /** Left out: whichever wait of this owner there is. */
      readonly ticket?: number;
    }
  /** Ends every wait whose time is over; refused in an older term, or if there is none. */
  | { readonly type: "lockWaitsExpired"; readonly term: number }
  | { readonly type: "lockRenewed"; readonly name: string; readonly token: number }
  | { readonly type: "lockReleased"; readonly name: string; readonly token: number }
  /** Judged by the leader; refused if it was renewed or acquired anew since, or in an older term. */
  | {
      readonly type: "lockExpired";
      readonly name: string;
      readonly token: number;
      readonly revision: number;
      readonly term: number;
    }
  /** How long locks still have, by the leader's memory, so that the next leader does not start anew. */
  | {
      readonly type: "locksCheckpointed";
      readonly term: number;
      readonly locks: readonly {
        readonly name: string;
        readonly token: number;
        readonly remainingMs: number;
      }[];
    }
  // flags
  | {
      readonly type: "flagSet";
      readonly key: string;
      readonly value: unknown;
      readonly ifRevision?: number;
    }
  | { readonly type: "flagDeleted"; readonly key: string; readonly ifRevision?: number }
  /** An answer together with what is remembered and kept of it: all of it, or nothing. */
  | {
      readonly type: "answerLearnt";
      readonly answer: Omit<Extract<CommandBody, { type: "answerGiven" }>, "type" | "cache">;
      /** Of an answer that was paid for, as of answerBought. */
      readonly reservation?: string;
      readonly memories: readonly MemoryDraft[];
      readonly cache?: CacheFacts;
      /** The answer that was given again. */
      readonly hit?: { readonly key: string; readonly isExact: boolean; readonly savedMs: number };
    }
  | MemoryCommand
  | FarmCommand
  | WorkshopCommand
  | MoneyCommand
  | ScheduleCommand
  | AgentCommand
  | ArtifactCommand
  | GoalCommand
  | ResponseCommand
  | WebhookCommand
  // workflows and runs
  | RunCommandBody;

export type CommandType = CommandBody["type"];
export type Command = Envelope & CommandBody;
export type CommandOf<T extends CommandType> = Envelope & Extract<CommandBody, { type: T }>;

/** What a command answers. `position`: its place in the log, the revision of all it changed. */
export type Reply =
  | { readonly ok: true; readonly position: number; readonly value: unknown }
  | { readonly ok: false; readonly position: number; readonly error: ErrorRecord };

export type { Action };
