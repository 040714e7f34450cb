// The workflow engine's words: what a run is, what may happen to it, what it then owes the world.
// The engine is `start`, `advance` and `owed` of engine.ts; plans are made by compile.ts. All pure.
//
// EN1. A run is a row: plain JSON, never changed in place. `advance` gives a new one that shares what
//      did not change, or the very same one with `stale` if the fact changes nothing.
// EN2. Only facts from outside are logged. Function nodes, branches, joins, artifacts' values and the
//      bookkeeping of maps and loops are computed inside `advance`, with fuel: they are no records of
//      their own, and no rate of "node executions per second" may count them as such.
// EN3. What the hub owes is read off the run: after any fact `owed(plan, run)` names all that is
//      outstanding, also what earlier `effects` named. `stop`, `ended` and `named` are told once: who
//      holds work for a place that is owed no longer lets it go.
// EN4. A place is over once. A fact for a place that is over, or for an attempt that is not its last,
//      changes nothing.
// EN5. A run ends when nothing in it can move any more, and that is said once, by `ended`.
// EN6. What a node reads is over before the node begins, so its values never change: the same
//      dispatch is made again after a crash, with the same idempotency key.
// EN7. One `advance` does bounded work. If more can be done without the world, it owes `continue`,
//      which comes back as the fact `continued`.
//
// A place is the path of a node through the frames of maps and loops: `print`, `each[3]/step`,
// `again[2]/each[0]/step`. Items and rounds count from 0.

import type { Role } from "@gantry/shared/contract/roles.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Json, JsonObject } from "./json-value.ts";
import type { Plan } from "./plan.ts";

/** How a node stands; a frame holds the number of each. */
export const NODE = {
  /** Something before it is not over; or it waits for the run to be resumed. */
  pending: 0,
  /** Owed to an executor. */
  ready: 1,
  /** An executor has said that it began. */
  running: 2,
  /** For a time, for people, or for its body. */
  waiting: 3,
  done: 4,
  failed: 5,
  skipped: 6,
  cancelled: 7,
  /** Begun, `once`, and its executor was lost: a person says what became of it. */
  unknown: 8,
} as const;
export type NodeCode = (typeof NODE)[keyof typeof NODE];
export type NodeState = keyof typeof NODE;

export const NODE_STATES: readonly NodeState[] = [
  "pending",
  "ready",
  "running",
  "waiting",
  "done",
  "failed",
  "skipped",
  "cancelled",
  "unknown",
];

/** done, failed, skipped, cancelled: it changes no more. */
export const isOver = (code: number): boolean => code >= NODE.done && code <= NODE.cancelled;

/**
 * `undoing`: it has failed or was cancelled, and what was done is being undone.
 * Over: done, failed, cancelled.
 */
export type RunPhase = "running" | "paused" | "undoing" | "done" | "failed" | "cancelled";

export const isRunOver = (phase: RunPhase): boolean =>
  phase === "done" || phase === "failed" || phase === "cancelled";

/** Why a node or a run failed. `code` is stable; `place` only on a run's. */
export interface Fault {
  readonly code: string;
  readonly message: string;
  readonly place?: string;
}

/** A large output: the shell has stored its JSON as a blob; expressions see only this. */
export interface BlobValue extends JsonObject {
  readonly $blob: string;
  readonly sizeBytes: number;
}

export interface Vote {
  readonly by: string;
  readonly approve: boolean;
  readonly reason: string;
  readonly atMs: number;
}

/** What only some nodes need. */
export interface More {
  /** What a branch took, or `approved`, `rejected`. */
  readonly take?: string;
  readonly fault?: Fault;
  /** When `timerFired` is due: a delay, a retry, the end of an approval's wait. */
  readonly dueMs?: number;
  /** Its last attempt before it was retried by hand. Part of the idempotency key. */
  readonly since?: number;
  /** Executors lost so far, since then. */
  readonly losses?: number;
  readonly votes?: readonly Vote[];
  readonly escalated?: boolean;
  /** Of a map: what it goes over. */
  readonly items?: readonly Json[];
  /** Of a map: outputs by item, null where there is none yet. */
  readonly results?: readonly Json[];
  /** Of a map: the next item to begin. Of a loop: the round that runs. */
  readonly next?: number;
  /** Of a map: items over, and those of them that failed. */
  readonly ended?: number;
  readonly failures?: number;
  /** Of a loop. */
  readonly state?: Json;
  /** Frames of the body by item or round: those not over, and those over with something to undo. */
  readonly frames?: Readonly<Record<string, Frame>>;
}

/** A graph that runs: the run's own, or the body of a map or loop. Lists are by node of the plan. */
export interface Frame {
  readonly state: readonly number[];
  /** The number of the last attempt, 0 if none. */
  readonly attempt: readonly number[];
  /** Null until it is done. */
  readonly output: readonly Json[];
  /** By node id. */
  readonly more: Readonly<Record<string, More>>;
  /** Nodes not over, undo nodes not counted. */
  readonly open: number;
  /** Attempts in it count on from here: more than 0 if the run was retried by hand before it began. */
  readonly base: number;
  /** What expressions see besides `inputs` and `nodes`: item, index; or state, round. */
  readonly vars: JsonObject;
}

export interface RunState {
  readonly id: string;
  /** sha256 of the canonical JSON of the graph as patched. */
  readonly graph: string;
  /** Patches so far. */
  readonly revision: number;
  readonly state: RunPhase;
  readonly inputs: JsonObject;
  readonly root: Frame;
  /** Places with an `undo` that are done, in the order in which they ended. */
  readonly undo: readonly string[];
  /** How it will end once all is undone. */
  readonly ending: "failed" | "cancelled" | null;
  readonly fault: Fault | null;
  /** Frames of maps and loops begun so far; LIMIT.runFrames. */
  readonly frames: number;
  /** How often it was retried by hand. */
  readonly retries: number;
  /** Of a done run: what its graph gives. */
  readonly output: Json;
  readonly startedMs: number;
  /** Null until it is over. */
  readonly endedMs: number | null;
}

/** What came from outside. Times are ms since 1970, from the log. */
export type Fact =
  /** An executor began; of a `once` node it is the logged intent. Others need not say it. */
  | { readonly kind: "taken"; readonly place: string; readonly attempt: number }
  | {
      readonly kind: "finished";
      readonly place: string;
      readonly attempt: number;
      /** At most LIMIT.runOutputBytes of JSON; the shell puts a larger one into a blob first. */
      readonly output: Json;
    }
  | {
      readonly kind: "failed";
      readonly place: string;
      readonly attempt: number;
      readonly fault: Fault;
      /** When to try again, from `retryAtMs` of retry.ts. Left out: trying again is of no use. */
      readonly retryAtMs?: number;
    }
  /** The lease of an executor ran out. */
  | { readonly kind: "lost"; readonly place: string; readonly attempt: number }
  | {
      readonly kind: "decided";
      readonly place: string;
      readonly by: string;
      readonly approve: boolean;
      readonly reason: string;
    }
  /** `dueMs` is that of the effect: a timer that was set anew since is stale. */
  | { readonly kind: "timerFired"; readonly place: string; readonly dueMs: number }
  | { readonly kind: "cancelled"; readonly reason: string }
  /** It may take no more: it fails with this, and what was done is undone. */
  | { readonly kind: "exhausted"; readonly fault: Fault }
  | { readonly kind: "paused" }
  | { readonly kind: "resumed" }
  | { readonly kind: "continued" }
  /** A person says what became of an unknown node; `again`: it did not happen, do it once more. */
  | { readonly kind: "resolved"; readonly place: string; readonly outcome: Resolution }
  /** Of a run that is over: this node of the root and all after it run again, with what was there. */
  /** `also`: further nodes from which it goes on. */
  | { readonly kind: "retriedFrom"; readonly node: string; readonly also?: readonly string[] }
  /** `plan` is that of the patched graph; check it with `frozenFaults` of patching.ts first. */
  | { readonly kind: "patched"; readonly plan: Plan; readonly revision: number };

export type Resolution =
  | { readonly kind: "done"; readonly output: Json }
  | { readonly kind: "failed"; readonly fault: Fault }
  | { readonly kind: "again" };

/** What the hub owes. Effects of one `advance` are in the order in which they came about. */
export type Effect =
  /** http, agent and task nodes; undo nodes too. */
  | {
      readonly kind: "dispatch";
      readonly place: string;
      readonly attempt: number;
      readonly node: WorkflowNode;
      /** The members of the node that hold expressions, worked out (node-values.ts says which). */
      readonly values: JsonObject;
      /** The same for every attempt at one doing. */
      readonly idempotencyKey: string;
      /** `taken` is in the log: watch its executor; a `once` node must not be sent again. */
      readonly begun: boolean;
      readonly isUndo: boolean;
    }
  /** A subworkflow: answered like a dispatch. */
  | {
      readonly kind: "child";
      readonly place: string;
      readonly attempt: number;
      readonly workflow: string;
      readonly inputs: JsonObject;
      readonly idempotencyKey: string;
      readonly begun: boolean;
    }
  | {
      readonly kind: "ticket";
      readonly place: string;
      readonly question: string;
      /** Who may decide: of `role`, and once escalated of `escalateTo` as well. */
      readonly roles: readonly Role[];
      readonly people: readonly string[];
      readonly approvals: number;
      readonly votes: readonly Vote[];
      readonly escalated: boolean;
      readonly dueMs: number;
    }
  | {
      readonly kind: "timer";
      readonly place: string;
      readonly dueMs: number;
      readonly why: "delay" | "retry" | "approval";
    }
  | { readonly kind: "continue" }
  /** Told once: what was dispatched, a child run, a ticket or a timer is wanted no more. */
  | { readonly kind: "stop"; readonly place: string; readonly attempt: number }
  /** Told once. */
  | { readonly kind: "ended"; readonly state: "done" | "failed" | "cancelled" };

/** Why a fact changed nothing. */
export type Stale =
  | "run_over"
  | "run_undoing"
  | "run_not_over"
  | "paused_already"
  | "not_paused"
  | "no_place"
  | "place_over"
  | "old_attempt"
  | "not_waiting"
  | "voted_already"
  | "old_revision";

/** What an artifact node has named: told once, by the `advance` that did it. */
export interface NamedValue {
  readonly place: string;
  readonly attempt: number;
  readonly name: string;
  readonly mediaType: string;
  readonly value: Json;
}

export interface Advanced {
  readonly run: RunState;
  readonly effects: readonly Effect[];
  /** Left out: none. */
  readonly named?: readonly NamedValue[];
  /** Set: nothing changed, `run` is the one given. */
  readonly stale?: Stale;
}

// engine.ts:
//   compile(graph: unknown): Plan  (compile.ts)        throws workflow_invalid; cache it by plan.hash
//   start(plan, id, inputs, nowMs): Advanced           throws bad_request if inputs are missing
//   advance(plan, run, fact, nowMs): Advanced
//   owed(plan, run): Effect[]
//   nodesOf(plan, run): NodeView[]                     for people: every place with its state
export type Start = (plan: Plan, id: string, inputs: JsonObject, nowMs: number) => Advanced;
export type Advance = (plan: Plan, run: RunState, fact: Fact, nowMs: number) => Advanced;
export type Owed = (plan: Plan, run: RunState) => readonly Effect[];

export interface NodeView {
  readonly place: string;
  readonly type: WorkflowNode["type"];
  readonly state: NodeState;
  readonly attempt: number;
  readonly output: Json;
  readonly fault?: Fault;
  readonly take?: string;
  readonly dueMs?: number;
}
