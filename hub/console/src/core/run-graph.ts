// A run as a graph that can be drawn: what is in a map or a loop is folded into it, patches are marked,
// and what comes next is told. Pure.
//
//   N1. A place is a path: `each[3]/step` is the node `step` in item 3 of the map `each`. Only nodes of
//       the outermost graph are drawn; the hub tells no edges of bodies.
//   N2. A patch that was taken back marks nothing, nor does the one that took it back.

import type { RunSummary, RunView } from "@gantry/shared/contract/schemas/runs.ts";
import type { RunPatch } from "./views.ts";
import { isRecord } from "./views.ts";

export type RunNode = RunView["nodes"][number];
export type RunNodeState = RunNode["state"];

/** What is folded into a map or a loop; of items that are over the hub keeps the output only. */
export interface Inside {
  /** Items of a map or rounds of a loop that are there now. */
  readonly items: number;
  readonly nodes: readonly RunNode[];
  readonly counts: StateCounts;
}

export type StateCounts = Readonly<Partial<Record<RunNodeState, number>>>;

export interface TopNode {
  readonly id: string;
  readonly node: RunNode;
  readonly inside: Inside | undefined;
  /** Numbers of the patches that made or changed it. */
  readonly patches: readonly number[];
}

/** The node of the outermost graph in which this place is. */
export const topOf = (place: string): string => /^[^[/]*/.exec(place)?.[0] ?? place;

export const isOver = ({ state }: Pick<RunSummary, "state">): boolean =>
  state === "done" || state === "failed" || state === "cancelled";

/** Under way: it may end without anything else beginning. */
export const isActive = (state: RunNodeState): boolean =>
  state === "ready" || state === "running" || state === "waiting" || state === "unknown";

export function topNodes(run: RunView, patches: readonly RunPatch[]): readonly TopNode[] {
  const inner = Map.groupBy(
    run.nodes.filter(({ place }) => topOf(place) !== place),
    ({ place }) => topOf(place),
  );
  const marks = patchMarks(patches);
  return run.nodes
    .filter(({ place }) => topOf(place) === place)
    .map((node) => ({
      id: node.place,
      node,
      inside: insideOf(node, inner.get(node.place) ?? []),
      patches: marks.nodes.get(node.place) ?? [],
    }));
}

function insideOf(node: RunNode, nodes: readonly RunNode[]): Inside | undefined {
  if (node.type !== "map" && node.type !== "loop") return undefined;
  const items = new Set(nodes.map(({ place }) => /^[^\]]*\]/.exec(place)?.[0]));
  const past = node.type === "map" && Array.isArray(node.output) ? node.output.length : 0;
  return { items: Math.max(items.size, past), nodes, counts: countStates(nodes) };
}

export function countStates(nodes: readonly Pick<RunNode, "state">[]): StateCounts {
  const counts: Partial<Record<RunNodeState, number>> = {};
  for (const { state } of nodes) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

const ORDER: readonly RunNodeState[] = [
  "failed",
  "unknown",
  "running",
  "waiting",
  "ready",
  "pending",
  "done",
  "skipped",
  "cancelled",
];

/** `1 failed, 3 running, 8 done`: what needs a person first. */
export const countWords = (counts: StateCounts): string =>
  ORDER.flatMap((state) => (counts[state] === undefined ? [] : [`${counts[state]} ${state}`])).join(
    ", ",
  );

// ── what comes next ─────────────────────────────────────────────────────────────────────────────

export type Next =
  /** Its turn has come. */
  | { readonly kind: "ready"; readonly id: string }
  /** A timer, or a question to people that ends then. */
  | { readonly kind: "due"; readonly id: string; readonly at: string; readonly isAsking: boolean }
  /** All that it still waits for is under way. */
  | { readonly kind: "after"; readonly id: string; readonly after: readonly string[] };

/** In this order; nothing of a run that is over. */
export function nextOf(run: RunView): readonly Next[] {
  if (isOver(run)) return [];
  const tops = run.nodes.filter(({ place }) => topOf(place) === place);
  const states = new Map(tops.map(({ place, state }) => [place, state]));
  const before = Map.groupBy(run.edges, ({ to }) => to);
  const ready = tops.filter(({ state }) => state === "ready");
  const due = tops.filter(({ state, dueAt }) => state === "waiting" && dueAt !== undefined);
  const after = tops.flatMap(({ place, state }): Next[] => {
    if (state !== "pending") return [];
    const open = (before.get(place) ?? [])
      .map(({ from }) => from)
      .filter((from) => isUnfinished(states.get(from)));
    const isNext = open.length > 0 && open.every((from) => isActive(states.get(from) ?? "pending"));
    return isNext ? [{ kind: "after", id: place, after: [...new Set(open)] }] : [];
  });
  return [
    ...ready.map(({ place }): Next => ({ kind: "ready", id: place })),
    ...due
      .map(({ place, dueAt = "", type }) => ({
        kind: "due" as const,
        id: place,
        at: dueAt,
        isAsking: type === "approval",
      }))
      .toSorted((a, b) => (a.at < b.at ? -1 : 1)),
    ...after,
  ];
}

const isUnfinished = (state: RunNodeState | undefined): boolean =>
  state === "pending" || (state !== undefined && isActive(state));

// ── patches ─────────────────────────────────────────────────────────────────────────────────────

export interface PatchMarks {
  readonly nodes: ReadonlyMap<string, readonly number[]>;
  /** `FROM>TO` of edges that a patch drew. */
  readonly edges: ReadonlySet<string>;
}

/** N2. */
export function patchMarks(patches: readonly RunPatch[]): PatchMarks {
  const nodes = new Map<string, number[]>();
  const edges = new Set<string>();
  const gone = new Set<number>();
  for (const { number, reverts } of patches.toReversed()) {
    if (reverts !== undefined && !gone.has(number)) gone.add(reverts).add(number);
  }
  for (const { number, operations } of patches) {
    if (gone.has(number)) continue;
    for (const change of operations.flatMap(changeOf)) {
      if (change.kind === "edge") edges.add(`${change.from}>${change.to}`);
      else if (nodes.get(change.id)?.at(-1) !== number)
        nodes.set(change.id, [...(nodes.get(change.id) ?? []), number]);
    }
  }
  return { nodes, edges };
}

/** Numbers of the patches that still count: those that may be taken back. */
export function standingPatches(patches: readonly RunPatch[]): ReadonlySet<number> {
  const gone = new Set<number>();
  for (const { number, reverts } of patches.toReversed()) {
    if (reverts !== undefined && !gone.has(number)) gone.add(reverts);
  }
  return new Set(patches.map(({ number }) => number).filter((number) => !gone.has(number)));
}

type Change =
  | { readonly kind: "node"; readonly verb: "adds" | "removes" | "changes"; readonly id: string }
  | {
      readonly kind: "edge";
      readonly verb: "adds" | "removes" | "changes";
      readonly from: string;
      readonly to: string;
    };

const VERBS: Readonly<Record<string, Change["verb"]>> = {
  add: "adds",
  addNode: "adds",
  addEdge: "adds",
  remove: "removes",
  removeNode: "removes",
  removeEdge: "removes",
};

/** An operation by node id or of RFC 6902; nothing for one that touches neither node nor edge. */
function changeOf(operation: unknown): readonly Change[] {
  if (!isRecord(operation)) return [];
  const { op, id, edge, path, value } = operation;
  if (op === "test") return [];
  const verb = VERBS[String(op)] ?? "changes";
  if (typeof id === "string") return [{ kind: "node", verb, id }];
  const [, list, member, inner] = typeof path === "string" ? path.split("/") : [];
  if (list === "nodes" && member !== undefined)
    return [{ kind: "node", verb: inner === undefined ? verb : "changes", id: member }];
  const drawn = isRecord(edge) ? edge : list === "edges" && isRecord(value) ? value : undefined;
  if (drawn === undefined) return [];
  return [{ kind: "edge", verb, from: String(drawn["from"]), to: String(drawn["to"]) }];
}

/** `adds notify`, `removes the edge a → b`; an operation of another kind as it is named. */
export const operationWords = (operations: readonly unknown[]): readonly string[] =>
  operations.flatMap((operation) => {
    const [change] = changeOf(operation);
    if (change === undefined) {
      const { op, path } = isRecord(operation) ? operation : {};
      if (op === "test" || typeof op !== "string") return [];
      return [typeof path === "string" ? `${op} ${path}` : op];
    }
    return change.kind === "node"
      ? [`${change.verb} ${change.id}`]
      : [`${change.verb} the edge ${change.from} → ${change.to}`];
  });
