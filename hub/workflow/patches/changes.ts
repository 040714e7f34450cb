// What differs between two graphs, by node and edge. Read by the rules of history and security, and
// shown to people: it is taken from the graphs, so no wording of operations can hide anything from it.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import type { Edge, Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { isSame, type Json, type JsonObject } from "../json-value.ts";

export interface NodeChange {
  readonly id: string;
  /** Undefined: it is new. */
  readonly before: WorkflowNode | undefined;
  /** Undefined: it is gone. */
  readonly after: WorkflowNode | undefined;
  /** Members that differ; all of a node that is new or gone. */
  readonly members: readonly string[];
}

export interface Changes {
  readonly nodes: readonly NodeChange[];
  readonly addedEdges: readonly Edge[];
  readonly removedEdges: readonly Edge[];
  readonly output: boolean;
}

/** Edges are compared as a set: their order means nothing. O(both graphs). */
export function changesBetween(before: Graph, after: Graph): Changes {
  const ids = new Set([...Object.keys(before.nodes), ...Object.keys(after.nodes)]);
  return {
    nodes: [...ids].flatMap((id) => changeOf(id, own(before, id), own(after, id))),
    addedEdges: missingIn(before.edges, after.edges),
    removedEdges: missingIn(after.edges, before.edges),
    output: !same(before.output, after.output),
  };
}

export const isUnchanged = (changes: Changes): boolean =>
  changes.nodes.length + changes.addedEdges.length + changes.removedEdges.length === 0 &&
  !changes.output;

const own = (graph: Graph, id: string): WorkflowNode | undefined =>
  Object.hasOwn(graph.nodes, id) ? graph.nodes[id] : undefined;

function changeOf(
  id: string,
  before: WorkflowNode | undefined,
  after: WorkflowNode | undefined,
): readonly NodeChange[] {
  if (before === after) return [];
  const [old, now] = [membersOf(before), membersOf(after)];
  const names = new Set([...Object.keys(old), ...Object.keys(now)]);
  const members = [...names].filter((name) => !same(old[name], now[name]));
  return members.length === 0 ? [] : [{ id, before, after, members }];
}

/** A node is JSON by its schema. */
const membersOf = (node: WorkflowNode | undefined): Readonly<Record<string, Json | undefined>> =>
  (node ?? {}) as unknown as JsonObject;

const same = (a: Json | undefined, b: Json | undefined): boolean =>
  a === undefined || b === undefined ? a === b : isSame(a, b);

export const edgeKey = (edge: Edge): string => canonicalJson([edge.from, edge.to, edge.on ?? null]);

function missingIn(known: readonly Edge[], edges: readonly Edge[]): readonly Edge[] {
  const keys = new Set(known.map(edgeKey));
  return edges.filter((edge) => !keys.has(edgeKey(edge)));
}
