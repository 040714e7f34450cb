// A graph as the passes look at it: who leads to whom, who reads whom.

import type { Edge, Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { JsonObject } from "../json-value.ts";
import type { NodeOperation } from "../node-patch.ts";
import { meaningOf, needsAll } from "../node-rules.ts";
import { shapeOf } from "../structure.ts";
import { type Reads, readsOf, readsOfValue } from "./reads.ts";

export interface View {
  readonly graph: Graph;
  /** Inputs of the whole workflow. */
  readonly inputs: Graph["inputs"];
  /** In an order in which every edge leads forward. */
  readonly ids: readonly string[];
  readonly node: (id: string) => WorkflowNode;
  readonly ins: (id: string) => readonly Edge[];
  readonly outs: (id: string) => readonly Edge[];
  readonly reads: (id: string) => Reads;
  /** Ids that some other node, or the output, reads. */
  readonly readers: (id: string) => readonly string[];
  /**
   * Its end is one thing only: it begins when all before it are done, what follows it follows its
   * being done, nobody asks how it ended, and nothing undoes it.
   */
  readonly isSimple: (id: string) => boolean;
  /** Its output is the graph's, because no edge leaves it and the graph names no output. */
  readonly isShown: (id: string) => boolean;
}

/** Stands for the graph's own output among readers. */
export const OUTPUT = "#output";

/** Undefined: it has no order. */
export function viewOf(graph: Graph, inputs: Graph["inputs"]): View | undefined {
  const shaped = shapeOf(graph);
  if (shaped.kind === "cycle") return undefined;
  const ins = new Map<string, Edge[]>();
  const outs = new Map<string, Edge[]>();
  for (const edge of graph.edges) {
    listIn(ins, edge.to).push(edge);
    listIn(outs, edge.from).push(edge);
  }
  const node = (id: string): WorkflowNode => {
    const found = graph.nodes[id];
    if (found === undefined) throw new Error(`there is no node ${id}`); // ids are the graph's own
    return found;
  };
  const reads = new Map(shaped.shape.ids.map((id) => [id, readsOf(node(id))]));
  const ofOutput = graph.output === undefined ? undefined : readsOfValue(graph.output);
  const endings = new Set(
    [...reads.values(), ...(ofOutput ? [ofOutput] : [])].flatMap((one) => [...one.endings]),
  );
  const undoing = new Set(
    Object.values(graph.nodes).flatMap(({ undo }) => (undo === undefined ? [] : [undo])),
  );
  const isDone = (edge: Edge): boolean => meaningOf(edge, node(edge.from)) === "done";
  return {
    graph,
    inputs,
    ids: shaped.shape.ids,
    node,
    ins: (id) => ins.get(id) ?? [],
    outs: (id) => outs.get(id) ?? [],
    reads: (id) => reads.get(id) ?? EMPTY,
    readers: (id) => [
      ...shaped.shape.ids.filter((other) => other !== id && reads.get(other)?.nodes.has(id)),
      ...(ofOutput?.nodes.has(id) === true ? [OUTPUT] : []),
    ],
    isSimple: (id) =>
      node(id).undo === undefined &&
      !undoing.has(id) &&
      !endings.has(id) &&
      needsAll(node(id)) &&
      (ins.get(id) ?? []).every(isDone) &&
      (outs.get(id) ?? []).every(isDone),
    isShown: (id) =>
      graph.output === undefined && (outs.get(id) ?? []).length === 0 && !undoing.has(id),
  };
}

function listIn(map: Map<string, Edge[]>, id: string): Edge[] {
  const list = map.get(id) ?? [];
  map.set(id, list);
  return list;
}

const EMPTY: Reads = { nodes: new Set(), endings: new Set(), names: new Set() };

/** A node that only passes on what another has given. */
export const aliasOf = (source: string, title: string | undefined): JsonObject => ({
  ...(title === undefined ? {} : { title }),
  type: "function",
  function: "value",
  with: { value: `\${${pathOf(source)}}` },
});

export const pathOf = (id: string): string =>
  /^[A-Za-z_][A-Za-z0-9_]*$/.test(id)
    ? `nodes.${id}.output`
    : `nodes[${JSON.stringify(id)}].output`;

export const addEdge = (edge: Edge): NodeOperation => ({ op: "addEdge", edge: plainEdge(edge) });
export const removeEdge = (edge: Edge): NodeOperation => ({
  op: "removeEdge",
  edge: plainEdge(edge),
});
const plainEdge = ({ from, to, on }: Edge): JsonObject =>
  on === undefined ? { from, to } : { from, to, on };

/** What is reached along edges, the start left out. */
export function reachedFrom(view: View, id: string, next: "ins" | "outs"): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [id];
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    for (const { from, to } of view[next](here)) {
      const other = next === "ins" ? from : to;
      if (reached.has(other)) continue;
      reached.add(other);
      open.push(other);
    }
  }
  return reached;
}
