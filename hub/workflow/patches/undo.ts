// A change backwards, by names instead of places: it fits also where others have changed other things
// since, and nowhere else.
//
// UN1. What it would take away or set back must still be as the change left it: it is tested first.
// UN2. A node that it takes away goes without its edges: one that somebody has led there since is left
//      without its end, and the graph is refused instead of being changed behind that person's back.

import type { Edge, Graph } from "@gantry/shared/contract/workflow.ts";
import { formatPointer } from "../json-pointer.ts";
import type { Json, JsonObject } from "../json-value.ts";
import { changesBetween, type NodeChange } from "./changes.ts";
import type { GraphOperation } from "./patch-types.ts";

/** From `after`, or a graph that came of it, back to what was before. Empty if they are the same. */
export function undoBetween(before: Graph, after: Graph): readonly GraphOperation[] {
  const { nodes, addedEdges, removedEdges, output } = changesBetween(before, after);
  const added = nodes.filter((node) => node.before === undefined);
  const removed = nodes.filter((node) => node.after === undefined);
  const changed = nodes.filter((node) => node.before !== undefined && node.after !== undefined);
  return [
    ...added.map(({ id, after: node }) => test(["nodes", id], node)),
    ...changed.flatMap(testsOf),
    ...addedEdges.map((edge) => ({ op: "removeEdge" as const, edge: jsonOf(edge) })),
    ...added.map(({ id }) => ({ op: "remove" as const, path: formatPointer(["nodes", id]) })), // UN2
    ...removed.map(({ id, before: node }) => ({
      op: "addNode" as const,
      id,
      node: node as unknown as JsonObject, // JSON by its schema
    })),
    ...changed.flatMap(setBack),
    ...removedEdges.map((edge) => ({ op: "addEdge" as const, edge: jsonOf(edge) })),
    ...(output ? outputBack(before, after) : []),
  ];
}

const jsonOf = ({ from, to, on }: Edge): JsonObject => ({
  from,
  to,
  ...(on === undefined ? {} : { on }),
});

/** UN1. */
const test = (path: readonly string[], value: unknown): GraphOperation => ({
  op: "test",
  path: formatPointer([...path]),
  value: value as Json, // of a graph: JSON by its schema
});

const member = (node: NodeChange["after"], name: string): Json | undefined =>
  (node as unknown as JsonObject | undefined)?.[name]; // JSON by its schema

function testsOf({ id, after, members }: NodeChange): readonly GraphOperation[] {
  return members.flatMap((name) => {
    const now = member(after, name);
    return now === undefined ? [] : [test(["nodes", id, name], now)];
  });
}

function setBack({ id, before, members }: NodeChange): readonly GraphOperation[] {
  return members.map((name) => {
    const path = formatPointer(["nodes", id, name]);
    const was = member(before, name);
    return was === undefined ? { op: "remove", path } : { op: "add", path, value: was };
  });
}

function outputBack(before: Graph, after: Graph): readonly GraphOperation[] {
  const was = before.output as Json | undefined; // JSON by its schema
  const now = after.output as Json | undefined;
  const guard = now === undefined ? [] : [test(["output"], now)];
  const path = "/output";
  return [...guard, was === undefined ? { op: "remove", path } : { op: "add", path, value: was }];
}
