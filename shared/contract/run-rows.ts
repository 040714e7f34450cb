// The rows of workflows, as far as doors and other towers know them. The state of a run itself is the
// engine's (hub/workflow/engine-types.ts) and stays in the hub.

import type { Role } from "./roles.ts";
import type { Graph } from "./workflow.ts";

/** As hub/workflow/engine-types.ts has them; the last three are over. */
export const RUN_PHASES = ["running", "paused", "undoing", "done", "failed", "cancelled"] as const;

/** `full`: a timeline and an event for each node. `fast`: what is needed to end, and the end. */
export const FIDELITIES = ["full", "fast"] as const;
export type Fidelity = (typeof FIDELITIES)[number];

/**
 * `freeze`: all as it was. `shadow`: another graph or other inputs; what was not recorded gives null.
 * `live`: from a node on, what comes from there is done anew.
 */
export const REPLAY_MODES = ["freeze", "shadow", "live"] as const;
export type ReplayMode = (typeof REPLAY_MODES)[number];

export interface Stamp {
  readonly sha256: string;
  readonly atMs: number;
  readonly by: string;
}

export interface WorkflowRow {
  readonly name: string;
  readonly fidelity: Fidelity;
  /** The newest last. A version never changes: it is named by its content. */
  readonly versions: readonly Stamp[];
  readonly tags: Readonly<Record<string, Stamp>>;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Log position of what made the newest version; left out: of before there were patches. */
  readonly revision?: number;
}

/** By the sha256 of the graph's canonical JSON. */
export interface DefinitionRow {
  readonly sha256: string;
  readonly graph: Graph;
  readonly by: string;
  readonly atMs: number;
}

export const TICKET_STATES = ["open", "approved", "rejected", "withdrawn", "over"] as const;
export type TicketState = (typeof TICKET_STATES)[number];

/** A question to people, on which a run waits. */
export interface TicketRow {
  readonly id: string;
  readonly run: string;
  readonly place: string;
  readonly workflow: string;
  readonly state: TicketState;
  readonly question: string;
  /** One of these is enough; what is escalated has one more. */
  readonly roles: readonly Role[];
  /** Where there are any: only these, or who it was escalated to. */
  readonly people: readonly string[];
  readonly approvals: number;
  readonly votes: readonly {
    readonly by: string;
    readonly approve: boolean;
    readonly reason: string;
    readonly atMs: number;
  }[];
  readonly isEscalated: boolean;
  readonly dueMs: number;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Of a patch that needs a person's word: what was asked for, and by which rules. */
  readonly patch?: unknown;
}

/** What one command did to a run. */
export interface TimelineRow {
  readonly position: number;
  readonly atMs: number;
  readonly by: string;
  readonly items: readonly TimelineItem[];
  /** Patches that the graph had; left out: none. */
  readonly revision?: number;
}

export interface TimelineItem {
  /** What happened: a kind of fact, or `started`, `patched`, `ended` ... */
  readonly what: string;
  readonly place?: string;
  readonly attempt?: number;
  readonly note?: string;
}

/** What models took for a run. */
/** What a run may take, with those below it. Left out: as much as it likes. */
export interface RunBudget {
  readonly costUsd?: number | undefined;
  /** Of models, in and out. */
  readonly tokens?: number | undefined;
  /** From its start to its end. */
  readonly timeMs?: number | undefined;
  /** Calls, turns, jobs, documents and subworkflows that it begins. */
  readonly tasks?: number | undefined;
}

export interface RunUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicroUsd: number;
}

/** A run that is over, as lists, sums and the archive know it. It stays when the run is archived. */
export interface RunLineRow {
  readonly id: string;
  /** Its place in `runs`, in the order of starts; none for a run below another. */
  readonly number?: number;
  /** Its place in `runs/ended`, in the order of ends. */
  readonly ended: number;
  /** Its second place there, after it came back from the archive. */
  readonly back?: number;
  readonly workflow: string;
  readonly definition: string;
  readonly fidelity: Fidelity;
  readonly state: "done" | "failed" | "cancelled";
  readonly revision: number;
  readonly by: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly endedMs: number;
  readonly fault: RunLineFault | null;
  readonly parent?: string;
  readonly replayOf?: string;
  readonly usage?: RunUsage;
  /** What a search finds it by. */
  readonly words?: readonly string[];
  /** Log positions of its start and of its end: between them is all that was ever told of it. */
  readonly positions: readonly [first: number, last: number];
  /** Rows of its timeline. */
  readonly entries: number;
  /** Since when its rows are kept, if it came back from the archive. */
  readonly backAtMs?: number;
  /** Where its rows are: the number of a pack, and the place in it. */
  readonly pack?: { readonly number: number; readonly place: number };
}

export interface RunLineFault {
  readonly code: string;
  readonly message: string;
  readonly place?: string;
}

/** Ended runs of one day, workflow and person, summed up. */
export interface RunSumRow {
  /** UTC, `2026-11-21`: of the end. */
  readonly day: string;
  readonly workflow: string;
  readonly person: string;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Failed ones by the code of their fault. */
  readonly faults: Readonly<Record<string, number>>;
  /** All of them together. */
  readonly tookMs: number;
  /** How many took how long: by bucket (hub/ledger/histogram.ts), in ms. */
  readonly durations: Readonly<Record<string, number>>;
  /** Runs below others are in this, and in nothing else of the row. */
  readonly usage: RunUsage;
}

/** Compressed rows of ended runs, as a blob. */
export interface RunPackRow {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly runs: number;
  readonly atMs: number;
}
