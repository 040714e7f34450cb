// Nodes of a graph with those of the bodies within.

import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { formatPointer } from "../json-pointer.ts";

export interface Visited {
  readonly node: WorkflowNode;
  /** Into the graph. */
  readonly pointer: string;
  /** How often it may run for one run of the outermost node: rounds of loops, breadth of maps. */
  readonly times: number;
}

export function visitAll(graph: Graph, pointer = "", times = 1): readonly Visited[] {
  return Object.entries(graph.nodes).flatMap(([id, node]) =>
    visit(node, `${pointer}${formatPointer(["nodes", id])}`, times),
  );
}

/** The node itself first. */
export function visit(node: WorkflowNode, pointer: string, times = 1): readonly Visited[] {
  const here: Visited = { node, pointer, times };
  if (node.type === "map")
    return [here, ...visitAll(node.body, `${pointer}/body`, times * node.maxParallel)];
  if (node.type === "loop")
    return [here, ...visitAll(node.body, `${pointer}/body`, times * node.maxRounds)];
  return [here];
}
