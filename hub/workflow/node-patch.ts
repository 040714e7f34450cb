// Patches that name nodes instead of places, compiled to JSON Patch. A graph is {nodes: {ID: node},
// edges: [{from, to, ...}]}. Pure.
//
// NP1. Places in `edges` shift under concurrent patches, ids do not: operations name a node by its id
//      and an edge by all that it is. The compiled patch is for exactly the graph it was compiled for:
//      before it removes at a place it tests what is there.
// NP2. No edge is left without its ends: a node goes with its edges, and an edge needs both its nodes.
// NP3. The order counts: each operation sees what the ones before it have done.
// NP4. Refusals are those of patch-refusal.ts, with the number of the operation given here. What a
//      graph must be beyond this (no circles, known types, limits) is not judged here.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { applyPatch, type JsonOperation, type JsonPatch, type Patched } from "./json-patch.ts";
import { formatPointer, parsePointer } from "./json-pointer.ts";
import { isArray, isObject, isSame, type Json, type JsonObject, memberOf } from "./json-value.ts";
import { type PatchReason, refusal } from "./patch-refusal.ts";

export type NodeOperation =
  | { readonly op: "addNode"; readonly id: string; readonly node: JsonObject }
  | { readonly op: "removeNode"; readonly id: string }
  /**
   * Writes one member of a node, or the whole one. `at`: a pointer within the node, "" if left out;
   * what is there is replaced, in a list it is put in before it. Without `value` it is removed.
   */
  | { readonly op: "setNode"; readonly id: string; readonly at?: string; readonly value?: Json }
  | { readonly op: "addEdge"; readonly edge: JsonObject }
  | { readonly op: "removeEdge"; readonly edge: JsonObject };

/** 1 to 64 letters, digits, `.` `_` `-`; the first is a letter or a digit. */
const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export interface NodePatched extends Patched {
  /** The same as JSON Patch, for the graph that was given. */
  readonly patch: JsonPatch;
}

/** Throws bad_patch, patch_conflict, too_large. */
export function applyNodePatch(graph: Json, operations: unknown): NodePatched {
  const compiled = compileEach(graph, operations);
  const patch = compiled.flat();
  try {
    return { patch, ...applyPatch(graph, patch) };
  } catch (error) {
    throw numberedAs(compiled, error); // NP4
  }
}

/** Throws what does not depend on the members of nodes; applyPatch throws the rest. */
export const compileNodePatch = (graph: Json, operations: unknown): JsonPatch =>
  compileEach(graph, operations).flat();

function compileEach(graph: Json, operations: unknown): readonly JsonPatch[] {
  if (!Array.isArray(operations)) throw refusal("not_an_array");
  if (operations.length > LIMIT.patchOperations.max) throw refusal("too_many_operations");
  const sketch = sketchOf(graph);
  return operations.map((given: unknown, at) => compile(sketch, given, at));
}

/** The refusal of a compiled operation, with the number of the one that it was compiled from. */
function numberedAs(compiled: readonly JsonPatch[], error: unknown): unknown {
  if (!(error instanceof GantryError)) return error;
  const { reason, operation, path } = error.details as {
    readonly reason: PatchReason;
    readonly operation?: number;
    readonly path?: string;
  }; // as patch-refusal.ts makes them
  if (operation === undefined) return error;
  const numbers = compiled.flatMap((steps, at) => steps.map(() => at));
  return refusal(reason, numbers[operation], path);
}

/** What of the graph decides: changed as the operations go on. */
interface Sketch {
  readonly ids: Set<string>;
  readonly edges: Json[];
}

function sketchOf(graph: Json): Sketch {
  const nodes = isObject(graph) ? memberOf(graph, "nodes") : undefined;
  const edges = isObject(graph) ? memberOf(graph, "edges") : undefined;
  if (!isObject(nodes) || !isArray(edges)) throw refusal("not_a_graph");
  return { ids: new Set(Object.keys(nodes)), edges: [...edges] };
}

function compile(sketch: Sketch, given: unknown, at: number): JsonOperation[] {
  if (!isObject(given)) throw refusal("not_an_object", at);
  const op = memberOf(given, "op");
  if (!isOp(op)) throw refusal("unknown_op", at);
  switch (op) {
    case "addNode":
      return addNode(sketch, given, at);
    case "removeNode":
      return removeNode(sketch, given, at);
    case "setNode":
      return setNode(sketch, given, at);
    case "addEdge":
      return addEdge(sketch, given, at);
    case "removeEdge":
      return removeEdge(sketch, given, at);
  }
}

const OPS = ["addNode", "removeNode", "setNode", "addEdge", "removeEdge"] as const;
const isOp = (value: unknown): value is (typeof OPS)[number] => OPS.some((op) => op === value);

const nodePath = (id: string): string => formatPointer(["nodes", id]);

function idIn(given: JsonObject, at: number): string {
  const id = memberOf(given, "id");
  if (typeof id !== "string" || !NODE_ID.test(id)) throw refusal("bad_id", at);
  return id;
}

function knownIdIn({ ids }: Sketch, given: JsonObject, at: number): string {
  const id = idIn(given, at);
  if (!ids.has(id)) throw refusal("no_node", at, nodePath(id));
  return id;
}

function addNode({ ids }: Sketch, given: JsonObject, at: number): JsonOperation[] {
  const id = idIn(given, at);
  const path = nodePath(id);
  const node = memberOf(given, "node");
  if (!isObject(node)) throw refusal("missing_value", at, path);
  if (ids.has(id)) throw refusal("node_exists", at, path);
  ids.add(id);
  return [{ op: "add", path, value: node }];
}

/** NP2. */
function removeNode(sketch: Sketch, given: JsonObject, at: number): JsonOperation[] {
  const id = knownIdIn(sketch, given, at);
  const patch: JsonOperation[] = [];
  for (let place = sketch.edges.length - 1; place >= 0; place -= 1) {
    const edge = sketch.edges[place];
    const isOfNode =
      isObject(edge) && (memberOf(edge, "from") === id || memberOf(edge, "to") === id);
    if (isOfNode) patch.push(...removeAt(sketch, place, edge));
  }
  sketch.ids.delete(id);
  return [...patch, { op: "remove", path: nodePath(id) }];
}

/** NP1. */
function removeAt({ edges }: Sketch, place: number, value: Json): JsonOperation[] {
  edges.splice(place, 1);
  const path = `/edges/${place}`;
  return [
    { op: "test", path, value },
    { op: "remove", path },
  ];
}

function setNode(sketch: Sketch, given: JsonObject, at: number): JsonOperation[] {
  const id = knownIdIn(sketch, given, at);
  const inside = memberOf(given, "at") ?? "";
  const tokens = typeof inside === "string" ? parsePointer(inside) : undefined;
  if (tokens === undefined) throw refusal("bad_path", at, nodePath(id));
  const path = formatPointer(["nodes", id, ...tokens]);
  const value = memberOf(given, "value");
  if (tokens.length === 0 && !isObject(value)) throw refusal("missing_value", at, path);
  return value === undefined ? [{ op: "remove", path }] : [{ op: "add", path, value }];
}

function edgeIn(given: JsonObject, at: number): JsonObject & { from: string; to: string } {
  const edge = memberOf(given, "edge");
  if (!isObject(edge)) throw refusal("bad_edge", at);
  const [from, to] = [memberOf(edge, "from"), memberOf(edge, "to")];
  if (typeof from !== "string" || typeof to !== "string") throw refusal("bad_edge", at);
  return { ...edge, from, to };
}

function addEdge({ ids, edges }: Sketch, given: JsonObject, at: number): JsonOperation[] {
  const edge = edgeIn(given, at);
  for (const end of [edge.from, edge.to]) {
    if (!ids.has(end)) throw refusal("no_node", at, nodePath(end));
  }
  if (edges.some((other) => isSame(other, edge))) throw refusal("edge_exists", at, "/edges");
  edges.push(edge);
  return [{ op: "add", path: "/edges/-", value: edge }];
}

function removeEdge(sketch: Sketch, given: JsonObject, at: number): JsonOperation[] {
  const edge = edgeIn(given, at);
  const place = sketch.edges.findIndex((other) => isSame(other, edge));
  if (place < 0) throw refusal("no_edge", at, "/edges");
  return removeAt(sketch, place, edge);
}
