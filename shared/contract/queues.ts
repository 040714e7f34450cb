// Named queues: what a queue is told to do, what is put into it, and how a piece of its work ends.
// Times are wall-clock ms since 1970, durations ms.

import type { ErrorRecord } from "../base/errors.ts";
import type { Effect, JobClass } from "./rows.ts";

export const DEFAULT_QUEUE = "default";
/** Names of queues, workspaces, keys and mutexes; what a person types and a URL holds. */
export const QUEUE_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,119}$/;

/** So many starts in `perMs`; at most `max` of them at once. */
export interface RateLimit {
  readonly max: number;
  readonly perMs: number;
}

/** Left out: no bound. */
export interface Allowance {
  /** Live leases at a time. */
  readonly concurrency?: number | undefined;
  readonly rate?: RateLimit | undefined;
}

export interface QueuePolicy extends Allowance {
  /** For each value of a job's `key`. */
  readonly perKey?: Allowance | undefined;
  /** Jobs of each class that have not ended; LIMIT.highJobs and its like where left out. */
  readonly bounds?: Readonly<Partial<Record<JobClass, number>>> | undefined;
  /** 3 where left out. */
  readonly attemptsMax?: number | undefined;
  /** Between two tries; RETRY.nodeHop where left out. */
  readonly backoff?: BackoffPolicy | undefined;
  /** From the start of a try to its end; TIMEOUT.commandMs where left out. */
  readonly timeoutMs?: number | undefined;
  /**
   * False: a job that is done leaves no row. True where left out, but for tasks of runs: their runs say
   * what they gave, and they leave a row only where this says true.
   */
  readonly keepDone?: boolean | undefined;
  /** Turns in a row of a workspace; 1 where left out. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
}

export interface BackoffPolicy {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** Share of each wait that is left to chance, 0 to 1. */
  readonly jitter: number;
}

export interface QueueRow {
  readonly name: string;
  readonly policy: QueuePolicy;
  readonly isPaused: boolean;
  /** Nothing starts before this time. */
  readonly pausedUntilMs?: number;
  /** Nothing of these keys starts before their time. */
  readonly pausedKeys?: Readonly<Record<string, number>>;
  /** Log position of the last change. */
  readonly revision: number;
  readonly by: string;
  readonly atMs: number;
}

/** What becomes of a parent when a child is lost for good. `go` lets it run and shows it the failures. */
export const CHILD_RULES = ["fail", "go"] as const;
export type ChildRule = (typeof CHILD_RULES)[number];

export interface WorkDraft {
  readonly job: string;
  readonly data: unknown;
  /** `normal`. */
  readonly class?: JobClass;
  /** Greater goes first; 0. */
  readonly priority?: number;
  readonly notBeforeMs?: number;
  /** The actor where left out. */
  readonly workspace?: string;
  /** Jobs of one mutex run one at a time, in whichever queue they are. */
  readonly mutex?: string;
  /** What the queue's `perKey` is counted by. */
  readonly key?: string;
  /** `idempotent`. */
  readonly effect?: Effect;
  readonly attemptsMax?: number;
  readonly timeoutMs?: number;
  /** The same key in the same queue is the same job for LIFE.idempotencyMs. */
  readonly idempotency?: { readonly key: string; readonly sha256: string };
  /** Id of a job of the same command or of one that waits for its children. */
  readonly parent?: string;
  /** Makes it a parent: it waits until all its children have ended. */
  readonly waits?: ChildRule;
}

/** How a try ended. `token` is its lease's. */
export type WorkEnd = { readonly job: string; readonly token: number } & (
  | { readonly result: unknown }
  /** Without `retryAtMs` it is not to be tried again. */
  | { readonly error: ErrorRecord; readonly retryAtMs?: number }
  /** The worker vanished, or was too slow. */
  | { readonly lost: true; readonly retryAtMs: number }
);

/** Of a parent: how its children are. */
export interface Children {
  readonly rule: ChildRule;
  readonly total: number;
  /** Those that have not ended yet. */
  readonly open: number;
  readonly failed: number;
  /** The first few that failed. */
  readonly failedJobs: readonly string[];
}
