// A job as the scheduler sees it, and what rules hold for its queue. Plain data, made of a row.

import type { Effect, JobClass, JobRow } from "@gantry/shared/contract/rows.ts";
import type { Heap, Slotted } from "./heap.ts";

export const CLASS_INDEX: Readonly<Record<JobClass, number>> = { high: 0, normal: 1, low: 2 };

/** Where an item is: exactly one of these. */
export type Place = "delayed" | "lane" | "parked" | "leased";

export interface Item extends Slotted {
  readonly id: string;
  readonly queue: string;
  /** What a taker must be able to do besides; empty for work of programs. */
  readonly needs: string;
  readonly class: number;
  readonly workspace: string;
  /** Greater goes first within its workspace and class. */
  readonly priority: number;
  /** Order of arrival: smaller goes first. */
  readonly order: number;
  readonly notBeforeMs: number;
  readonly mutex: string | undefined;
  readonly key: string | undefined;
  /** Set: it has no row; the row of its run says it. Until it is made a job of its own. */
  work?: RunWork | undefined;
  place: Place;
  /** While it is parked: at which gate. */
  gate: Gate | undefined;
  lease: Lease | undefined;
}

/** A task of a run, handed out without a row of its own. */
export interface RunWork {
  readonly id: string;
  readonly queue: string;
  readonly class: JobClass;
  /** Whose run it is. */
  readonly by: string;
  readonly data: unknown;
  readonly effect: Effect;
  readonly timeoutMs: number;
  /** When it was offered, ms since 1970. */
  readonly atMs: number;
  readonly owner: RunWorkOwner;
}

export interface RunWorkOwner {
  /** It fits into a fact of its run. */
  isSmall(result: unknown): boolean;
  /** Resolves when the log has these ends and what follows from them; rejects as Replica.propose. */
  done(ends: readonly { readonly work: RunWork; readonly result: unknown }[]): Promise<void>;
  /** It gets a row, for what a row alone can say: a failed try, a lost lease. False: it is refused one. */
  makeJob(work: RunWork): Promise<boolean>;
}

export interface Lease {
  readonly worker: string;
  readonly token: number;
  readonly atMs: number;
  readonly endsAtMs: number;
  /** Its end is on its way into the log: it takes no credit of its worker, but keeps its slots. */
  isEnding: boolean;
}

export interface Rate {
  /** So many starts in `perMs`; at once at most `max` of them. */
  readonly max: number;
  readonly perMs: number;
}

/** What a queue or a key allows. Left out: no bound. */
export interface Allowance {
  readonly concurrency?: number | undefined;
  readonly rate?: Rate | undefined;
  /** Nothing starts before this time, ms since 1970. */
  readonly pausedUntilMs?: number | undefined;
}

export interface QueueRules extends Allowance {
  readonly isPaused: boolean;
  /** For each value of a job's `key`. */
  readonly perKey?: Allowance | undefined;
  /** Keys of which nothing starts before a time, ms since 1970. */
  readonly pausedKeys?: Readonly<Record<string, number>> | undefined;
  /** Turns of a workspace in a row; 1 where left out. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
}

export const NO_RULES: QueueRules = { isPaused: false };

/** A limit that several jobs share: of a mutex, of a key, of a queue. */
export interface Gate extends Slotted {
  readonly name: string;
  allowance: Allowance;
  /** G1. Live leases: the slots in use are counted from them, never kept as a number of their own. */
  readonly held: Set<Item>;
  /** Let back into their lanes for slots that are free; neither leased nor parked again yet. */
  readonly offered: Set<Item>;
  parked: Heap<Item> | undefined;
  tokens: number;
  tokensAtMs: number;
  /** When it is looked at again by itself, while it waits for time. */
  wakeAtMs: number;
}

export const goesFirst = (one: Item, other: Item): boolean =>
  one.priority === other.priority
    ? one.order === other.order
      ? one.id < other.id
      : one.order < other.order
    : one.priority > other.priority;

export function itemOf(row: JobRow): Item {
  return {
    id: row.id,
    queue: row.queue ?? DEFAULT_QUEUE,
    needs: row.kind === "work" ? "" : row.needs,
    class: CLASS_INDEX[row.class],
    workspace: row.workspace ?? row.by,
    priority: row.priority ?? 0,
    order: row.order ?? 0,
    notBeforeMs: row.notBeforeMs,
    mutex: row.mutex,
    key: row.key,
    work: undefined,
    place: "delayed",
    gate: undefined,
    lease: undefined,
    slot: -1,
  };
}

/** `order`: as of a job that is added now. */
export const itemOfWork = (work: RunWork, order: number): Item => ({
  id: work.id,
  queue: work.queue,
  needs: "",
  class: CLASS_INDEX[work.class],
  workspace: work.by,
  priority: 0,
  order,
  notBeforeMs: work.atMs,
  mutex: undefined,
  key: undefined,
  work,
  place: "delayed",
  gate: undefined,
  lease: undefined,
  slot: -1,
});

/** As a job, for people who look at it. */
export const rowOfWork = (work: RunWork): JobRow => ({
  id: work.id,
  kind: "work",
  queue: work.queue,
  class: work.class,
  effect: work.effect,
  state: "ready",
  needs: "",
  input: { data: work.data },
  by: work.by,
  createdAtMs: work.atMs,
  changedAtMs: work.atMs,
  attempts: 0,
  attemptsMax: RUN_WORK_ATTEMPTS,
  notBeforeMs: work.atMs,
  timeoutMs: work.timeoutMs,
  isDead: false,
});

/** Of losses of a machine; tries of the node are its own. */
export const RUN_WORK_ATTEMPTS = 3;

export const DEFAULT_QUEUE = "default";
