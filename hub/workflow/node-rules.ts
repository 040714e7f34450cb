// What one node and the edges at it must be like, beyond the schema.

import type { Edge, Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { WorkflowCode } from "./fault.ts";
import { misfits } from "./function-calls.ts";
import { FUNCTIONS } from "./functions.ts";
import { DOERS } from "./node-values.ts";

/** `path` within the graph. */
export type Tell = (code: WorkflowCode, path: readonly string[], message: string) => void;

const ENDS: ReadonlySet<string> = new Set(["done", "failed", "skipped", "always"]);

export function checkNodes(graph: Graph, tell: Tell): void {
  for (const [id, node] of Object.entries(graph.nodes)) {
    const at = (code: WorkflowCode, member: string, message: string): void =>
      tell(code, ["nodes", id, ...(member === "" ? [] : [member])], message);
    checkRetry(node, at);
    if (node.type === "function") checkFunction(node, at);
    if (node.type === "branch") checkBranch(node, at);
    if (node.type === "timer" && (node.delayMs === undefined) === (node.until === undefined)) {
      at("timer_needs_time", "", "It has both `delayMs` and `until`, or neither");
    }
    if (node.undo !== undefined) checkUndo(graph, id, node.undo, at);
  }
}

type At = (code: WorkflowCode, member: string, message: string) => void;

function checkRetry(node: WorkflowNode, at: At): void {
  const doer = DOERS[node.type];
  const isTried = doer === "executor" || doer === "child";
  if (node.retry !== undefined && !isTried) {
    at("bad_retry", "retry", `A ${node.type} node is never tried again`);
  }
  if (node.retry !== undefined && node.effect === "once" && node.retry.attempts > 1) {
    at("once_retry", "retry", "It would be done twice");
  }
  if (node.cache !== undefined && doer === "executor" && node.effect !== "pure") {
    at("bad_cache", "cache", "A node with effects cannot be answered from a cache");
  }
}

function checkFunction(node: Extract<WorkflowNode, { type: "function" }>, at: At): void {
  const builtIn = FUNCTIONS.get(node.function);
  if (builtIn === undefined) {
    at("unknown_function", "function", `There is no function "${node.function}"`);
    return;
  }
  const { missing, unknown } = misfits(builtIn, Object.keys(node.with));
  for (const name of missing) at("missing_value", "with", `${node.function} needs \`${name}\``);
  for (const name of unknown) at("unknown_value", "with", `${node.function} knows no \`${name}\``);
}

function checkBranch(node: Extract<WorkflowNode, { type: "branch" }>, at: At): void {
  const labels = [...node.cases.map(({ take }) => take), node.otherwise ?? ""];
  for (const label of labels) {
    if (ENDS.has(label)) at("bad_label", "cases", `"${label}" is the name of a state`);
  }
}

function checkUndo(graph: Graph, id: string, undo: string, at: At): void {
  const node = Object.hasOwn(graph.nodes, undo) ? graph.nodes[undo] : undefined;
  if (node === undefined) {
    at("unknown_node", "undo", `There is no node "${undo}" in this graph`);
    return;
  }
  const owners = Object.values(graph.nodes).filter((other) => other.undo === undo);
  const isLinked = graph.edges.some(({ from, to }) => from === undo || to === undo);
  const isDoer = node.type === "function" || DOERS[node.type] === "executor";
  if (undo === id || isLinked || owners.length > 1 || node.undo !== undefined || !isDoer) {
    at("bad_undo", "undo", `"${undo}" cannot undo this node`);
  }
}

export function checkEdges(graph: Graph, tell: Tell): void {
  const seen = new Map<string, Map<string, string>>();
  for (const [place, edge] of graph.edges.entries()) {
    const at = (code: WorkflowCode, member: string, message: string): void =>
      tell(code, ["edges", `${place}`, ...(member === "" ? [] : [member])], message);
    for (const end of ["from", "to"] as const) {
      if (!Object.hasOwn(graph.nodes, edge[end])) {
        at("unknown_node", end, `There is no node "${edge[end]}" in this graph`);
      }
    }
    if (edge.from === edge.to) at("self_edge", "", `"${edge.from}" leads to itself`);
    const source = Object.hasOwn(graph.nodes, edge.from) ? graph.nodes[edge.from] : undefined;
    if (source !== undefined) checkLabel(edge, source, at);
    checkTwins(graph, edge, seen, at);
  }
}

/** What an edge without `on` means. */
export const meaningOf = (edge: Edge, source: WorkflowNode): string =>
  edge.on ?? (source.type === "approval" ? "approved" : "done");

function checkLabel(edge: Edge, source: WorkflowNode, at: At): void {
  const on = meaningOf(edge, source);
  const takes =
    source.type === "branch"
      ? [...source.cases.map(({ take }) => take), source.otherwise]
      : source.type === "approval"
        ? ["approved", "rejected"]
        : [];
  if (!ENDS.has(on) && !takes.includes(on)) {
    at("unknown_label", "on", `"${edge.from}" never takes "${on}"`);
  }
}

/** Two edges between the same nodes: equal ones, or ones that can never be taken together. */
function checkTwins(
  graph: Graph,
  edge: Edge,
  seen: Map<string, Map<string, string>>,
  at: At,
): void {
  const source = Object.hasOwn(graph.nodes, edge.from) ? graph.nodes[edge.from] : undefined;
  const target = Object.hasOwn(graph.nodes, edge.to) ? graph.nodes[edge.to] : undefined;
  if (source === undefined || target === undefined) return;
  const on = meaningOf(edge, source);
  const ofTarget = seen.get(edge.to) ?? new Map<string, string>();
  const twin = ofTarget.get(edge.from);
  seen.set(edge.to, ofTarget.set(edge.from, on));
  if (twin === undefined) return;
  if (twin === on) at("double_edge", "", "There is an equal edge before it");
  else if (needsAll(target) && excludes(twin, on)) {
    at("unreachable", "", `"${edge.from}" cannot end both as "${twin}" and as "${on}"`);
  }
}

const excludes = (a: string, b: string): boolean =>
  a !== "always" &&
  b !== "always" &&
  (ENDS.has(a) === ENDS.has(b) || (a !== "done" && b !== "done"));

export const needsAll = (node: WorkflowNode): boolean =>
  node.type !== "join" && (node.needs ?? "all") === "all";
