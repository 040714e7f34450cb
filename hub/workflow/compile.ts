// A graph, checked, and turned into what the engine runs. Faults are gathered, not thrown at the first.
//
// CO1. A plan is only made of a graph without a fault: the engine asks no more whether a node exists,
//      an expression can be read, or what it reads is over.
// CO2. What a node may read: nodes that are surely over when it begins. A join with a count begins
//      while others still run, so nodes after it see through it only what it holds itself.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { CelFault } from "./cel/fault.ts";
import { namesIn } from "./cel/names.ts";
import { parseCel } from "./cel/parse.ts";
import { type WorkflowCode, type WorkflowFault, workflowFault } from "./fault.ts";
import { FUNCTIONS } from "./functions.ts";
import { checkEdges, checkNodes, meaningOf, needsAll } from "./node-rules.ts";
import { DOERS, testsIn, valuesIn } from "./node-values.ts";
import { type Body, ON, type Plan, type PlanEdge, type PlanNode } from "./plan.ts";
import {
  type InputNames,
  type Level,
  NotBefore,
  type RunRead,
  scopeOf,
  UnknownInput,
  UnknownNode,
} from "./scope.ts";
import { type Ancestry, ancestryOf, type Link, type Shape, shapeOf } from "./structure.ts";
import {
  bare,
  type Complain,
  expressionOf,
  pointerOf,
  type Template,
  templateOf,
} from "./template.ts";
import { readGraph } from "./validate.ts";

/** The plan of a graph, or all that is wrong with it. Milliseconds for large graphs: keep the plan. */
export function tryCompile(
  given: unknown,
): { readonly plan: Plan } | { readonly faults: readonly WorkflowFault[] } {
  const read = readGraph(given);
  if ("faults" in read) return read;
  const work: Work = { faults: [], inputs: inputNames(read.graph), nodes: 0, edges: 0 };
  const root = compileBody(read.graph, outermost, [], [], 1, 0, work);
  if (root === undefined || work.faults.length > 0) return { faults: work.faults };
  return { plan: { hash: digestOf(given), graph: read.graph, root } };
}

/** Throws workflow_invalid; `details.faults` has them all. */
export function compile(given: unknown): Plan {
  const made = tryCompile(given);
  if ("plan" in made) return made.plan;
  const [first] = made.faults;
  throw new GantryError(
    "workflow_invalid",
    `The workflow is not valid at "${first?.pointer ?? ""}": ${first?.message ?? ""}`,
    { details: { faults: made.faults } },
  );
}

export function validate(given: unknown): readonly WorkflowFault[] {
  const made = tryCompile(given);
  return "faults" in made ? made.faults : [];
}

interface Work {
  readonly faults: WorkflowFault[];
  readonly inputs: InputNames;
  nodes: number;
  edges: number;
}

const outermost = null;
const ROUNDS_MAX = 1_000_000; // of loops within loops, multiplied

const inputNames = (graph: Graph): InputNames =>
  graph.inputs === undefined ? undefined : new Set(Object.keys(graph.inputs));

function tell(work: Work, code: WorkflowCode, path: readonly string[], message: string): void {
  if (work.faults.length < LIMIT.workflowFaults.max) {
    work.faults.push(workflowFault(code, pointerOf(path), message));
  }
}

/** Undefined: it has no order, or is too large to go on. */
function compileBody(
  graph: Graph,
  around: Level | null,
  vars: readonly string[],
  path: readonly string[],
  rounds: number,
  depth: number,
  work: Work,
): Body | undefined {
  if (!isWithinLimits(graph, path, depth, work)) return undefined;
  const tellHere = (code: WorkflowCode, at: readonly string[], message: string): void =>
    tell(work, code, [...path, ...at], message);
  checkNodes(graph, tellHere);
  checkEdges(graph, tellHere);
  const shaped = shapeOf(graph);
  if (shaped.kind === "cycle") {
    const shown = shaped.ids.slice(0, 20).join(" -> ");
    tellHere("cycle", ["nodes", shaped.ids[0] ?? ""], `These wait for each other: ${shown}`);
    return undefined;
  }
  const nodes = { graph, shape: shaped.shape, around, vars, path, rounds, depth, work };
  return bodyOf(nodes);
}

const isLeaf = ({ isUndo, outs }: PlanNode): boolean => !isUndo && outs.length === 0;
const isRoot = ({ isUndo, ins }: PlanNode): boolean => !isUndo && ins.length === 0;

interface Place {
  readonly graph: Graph;
  readonly shape: Shape;
  readonly around: Level | null;
  readonly vars: readonly string[];
  readonly path: readonly string[];
  readonly rounds: number;
  readonly depth: number;
  readonly work: Work;
}

function isWithinLimits(graph: Graph, path: readonly string[], depth: number, work: Work): boolean {
  const count = Object.keys(graph.nodes).length;
  work.nodes += count;
  work.edges += graph.edges.length;
  const over: readonly (readonly [boolean, WorkflowCode, string])[] = [
    [count === 0, "empty_graph", "There is no node in it"],
    [depth > LIMIT.workflowDepth.max, "too_deep", `Over ${LIMIT.workflowDepth.max} bodies deep`],
    [work.nodes > LIMIT.workflowNodes.max, "too_many_nodes", `Over ${LIMIT.workflowNodes.max}`],
    [work.edges > LIMIT.workflowEdges.max, "too_many_edges", `Over ${LIMIT.workflowEdges.max}`],
  ];
  const found = over.find(([isOver]) => isOver);
  if (found !== undefined) tell(work, found[1], path, found[2]);
  return found === undefined;
}

function bodyOf(place: Place): Body {
  const { graph, shape } = place;
  const nodeAt = (index: number): WorkflowNode => nodeOf(graph, shape.ids[index] ?? "");
  const isRace = (index: number): boolean => {
    const node = nodeAt(index);
    return node.type === "join" && node.count !== undefined;
  };
  const owners = ownersOf(graph, shape);
  const ancestry = ancestryOf(shape, isRace); // CO2
  const nodes = shape.ids.map((_, index) => planNode(place, index, ancestry, owners));
  return {
    nodes,
    indexOf: shape.indexOf,
    first: nodes.filter(isRoot).map(({ index }) => index),
    last: nodes.filter(isLeaf).map(({ index }) => index),
    flow: nodes.filter(({ isUndo }) => !isUndo).length,
    hasUndo: nodes.some(({ undo, body }) => undo >= 0 || body?.hasUndo === true),
    output: outputOf(place, owners),
  };
}

const nodeOf = (graph: Graph, id: string): WorkflowNode => {
  const node = graph.nodes[id];
  if (node === undefined) throw new Error(`there is no node ${id}`); // ids are the graph's own
  return node;
};

/** Which node an undo node undoes, by index. */
function ownersOf(graph: Graph, shape: Shape): ReadonlyMap<number, number> {
  const owners = new Map<number, number>();
  for (const [id, { undo }] of Object.entries(graph.nodes)) {
    const [owner, own] = [shape.indexOf.get(id), shape.indexOf.get(undo ?? "")];
    if (owner !== undefined && own !== undefined) owners.set(own, owner);
  }
  return owners;
}

function complainAt(work: Work, path: readonly string[]): Complain {
  return (within, fault) => {
    const where = fault.at === undefined ? "" : ` (at character ${fault.at + 1})`;
    tell(work, codeOf(fault), [...path, ...within], `${fault.message}${where}`);
  };
}

function codeOf(fault: CelFault): WorkflowCode {
  if (fault instanceof NotBefore) return "reads_later_node";
  if (fault instanceof UnknownNode) return "reads_unknown_node";
  if (fault instanceof UnknownInput) return "unknown_input";
  return fault.code;
}

/** When the graph ends, all of its nodes are over. */
function outputOf(place: Place, owners: ReadonlyMap<number, number>): Template | undefined {
  const { graph, shape, around, vars, path, work } = place;
  if (graph.output === undefined) return undefined;
  const isBefore = (index: number): boolean => !owners.has(index);
  const level: Level = { around, vars, indexOf: shape.indexOf, isBefore };
  const complain = complainAt(work, [...path, "output"]);
  return templateOf(graph.output, scopeOf(level, work.inputs), complain);
}

function planNode(
  place: Place,
  index: number,
  ancestry: Ancestry,
  owners: ReadonlyMap<number, number>,
): PlanNode {
  const { graph, shape, around, vars, work } = place;
  const id = shape.ids[index] ?? "";
  const node = nodeOf(graph, id);
  const path = [...place.path, "nodes", id];
  const reader = owners.get(index) ?? index; // an undo node reads what its owner read, and the owner
  const level: Level = {
    around,
    vars,
    indexOf: shape.indexOf,
    isBefore: (other) => ancestry.isBefore(other, reader) || (other === reader && reader !== index),
  };
  const scope = scopeOf(level, work.inputs);
  const complain = complainAt(work, path);
  const ins = (shape.ins[index] ?? []).map((link) => planEdge(place, link));
  const outs = (shape.outs[index] ?? []).map((link) => planEdge(place, link));
  const count = node.type === "join" ? (node.count ?? 0) : 0;
  if (count > ins.length) {
    tell(work, "bad_count", [...path, "count"], `Only ${ins.length} edges lead to it`);
  }
  const tests = testsIn(node).map(({ text, path: at }) => expressionOf(text, scope, complain, at));
  return {
    index,
    id,
    node,
    doer: DOERS[node.type],
    ins,
    outs,
    needsAll: needsAll(node),
    count,
    handlesFailure: outs.some(({ on }) => on === ON.failed || on === ON.always),
    handlesRejection: outs.some(({ on, label }) => on === ON.always || label === "rejected"),
    undo: node.undo === undefined ? -1 : (shape.indexOf.get(node.undo) ?? -1),
    isUndo: owners.has(index),
    isOnce: node.effect === "once",
    triesMax: node.retry?.attempts ?? 1,
    values: templateOf(valuesIn(node), scope, complain),
    tests: node.type === "loop" ? [whileOf(node, level, path, work)] : tests,
    builtIn: node.type === "function" ? FUNCTIONS.get(node.function) : undefined,
    body: bodyIn(node, level, path, place),
  };
}

const KINDS: Readonly<Record<string, number>> = {
  done: ON.done,
  failed: ON.failed,
  skipped: ON.skipped,
  always: ON.always,
};

function planEdge({ graph, shape }: Place, { from, to, place }: Link): PlanEdge {
  const edge = graph.edges[place] ?? { from: "", to: "" };
  const label = meaningOf(edge, nodeOf(graph, shape.ids[from] ?? ""));
  return { from, to, on: KINDS[label] ?? ON.label, label };
}

const nothing: ReadonlyMap<string, number> = new Map();

/** It sees the loop's own variables, and none of the nodes in the body. */
function whileOf(
  node: Extract<WorkflowNode, { type: "loop" }>,
  around: Level,
  path: readonly string[],
  work: Work,
): RunRead {
  const level: Level = { around, vars: LOOP, indexOf: nothing, isBefore: () => false };
  const before = work.faults.length;
  const complain = complainAt(work, path);
  const read = expressionOf(node.while, scopeOf(level, work.inputs), complain, ["while"]);
  if (
    work.faults.length === before &&
    !LOOP.some((name) => namesIn(parseCel(bare(node.while))).has(name))
  ) {
    tell(work, "endless_loop", [...path, "while"], "It has the same value in every round");
  }
  return read;
}

const LOOP = ["state", "round"];
const MAP = ["item", "index"];

function bodyIn(
  node: WorkflowNode,
  around: Level,
  path: readonly string[],
  { rounds, depth, work }: Place,
): Body | undefined {
  if (node.type !== "map" && node.type !== "loop") return undefined;
  const all = node.type === "loop" ? rounds * node.maxRounds : rounds;
  if (all > ROUNDS_MAX) {
    tell(work, "too_many_rounds", [...path, "maxRounds"], `Up to ${all} rounds in all`);
    return undefined;
  }
  const vars = node.type === "map" ? MAP : LOOP;
  return compileBody(node.body, around, vars, [...path, "body"], all, depth + 1, work);
}
