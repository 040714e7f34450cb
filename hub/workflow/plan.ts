// What the engine runs: a graph with its names turned into numbers, its expressions parsed, its
// bodies compiled. Never changed once made; two runs of one graph share one plan.

import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { BuiltIn } from "./function-calls.ts";
import type { RunRead } from "./scope.ts";
import type { Template } from "./template.ts";

/** When an edge is taken, as a number: labels of branches are compared as text. */
export const ON = { done: 0, failed: 1, skipped: 2, always: 3, label: 4 } as const;

export interface PlanEdge {
  /** Index of the node in the body. */
  readonly from: number;
  readonly to: number;
  readonly on: number;
  /** For ON.label: what the node before must have taken. */
  readonly label: string;
}

/** Who does it: the engine itself at once, an executor, another run, time, people, or its body. */
export type Doer = "engine" | "executor" | "child" | "timer" | "people" | "body";

export interface PlanNode {
  readonly index: number;
  readonly id: string;
  readonly node: WorkflowNode;
  readonly doer: Doer;
  readonly ins: readonly PlanEdge[];
  readonly outs: readonly PlanEdge[];
  /** Edges that come in must all be taken; else one is enough, once all are known. */
  readonly needsAll: boolean;
  /** Of a join with a count: that many; else 0. */
  readonly count: number;
  /** An edge goes on from its failure, so it does not fail its graph. */
  readonly handlesFailure: boolean;
  readonly handlesRejection: boolean;
  /** Its undo node, or -1. */
  readonly undo: number;
  /** It only undoes: it is no part of the flow. */
  readonly isUndo: boolean;
  readonly isOnce: boolean;
  /** First try included; 1 if it is not tried again. */
  readonly triesMax: number;
  /** Its members with expressions within, by member (node-values.ts). */
  readonly values: Template;
  /** Its members that are expressions: a branch's cases, `over`, `while`, `until`. */
  readonly tests: readonly RunRead[];
  readonly builtIn: BuiltIn | undefined;
  readonly body: Body | undefined;
}

/** A compiled graph. Nodes are in an order in which every edge leads forward. */
export interface Body {
  readonly nodes: readonly PlanNode[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** Nodes without an edge coming in, undo nodes left out. */
  readonly first: readonly number[];
  /** Nodes without an edge going out, undo nodes left out: their outputs are the graph's. */
  readonly last: readonly number[];
  /** Nodes that are not undo nodes. */
  readonly flow: number;
  /** It or a body within has a node with `undo`: its frames are kept until the run is over. */
  readonly hasUndo: boolean;
  readonly output: Template | undefined;
}

export interface Plan {
  /** sha256 of the graph's canonical JSON. */
  readonly hash: string;
  readonly graph: Graph;
  readonly root: Body;
}
