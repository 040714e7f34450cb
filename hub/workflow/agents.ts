// Which agents of a graph do the work, and which draw it together: an agent that comes after another
// one (or after a map, a loop or a subworkflow in which there may be one) is a synthesis.

import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";

export type AgentPart = "agent" | "synthesis";

/** Ids from the outermost map or loop to the node: `each/step`. */
export const pathOf = (place: string): string => place.replaceAll(/\[\d+\]/g, "");

/** By path. O(nodes and edges). */
export function agentsIn(graph: Graph): ReadonlyMap<string, AgentPart> {
  const found = new Map<string, AgentPart>();
  look(graph, "", false, found);
  return found;
}

/** `after`: something before the whole graph is an agent. Gives whether there is one in it. */
function look(graph: Graph, prefix: string, isAfter: boolean, found: Map<string, AgentPart>): void {
  const below = isBelowAgent(graph);
  for (const [id, node] of Object.entries(graph.nodes)) {
    const after = isAfter || below.has(id);
    if (node.type === "agent") found.set(prefix + id, after ? "synthesis" : "agent");
    if (node.type === "map" || node.type === "loop")
      look(node.body, `${prefix}${id}/`, after, found);
  }
}

function isBelowAgent({ nodes, edges }: Graph): ReadonlySet<string> {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const below = new Set<string>();
  const open = Object.keys(nodes).filter((id) => Object.hasOwn(nodes, id) && holdsAgent(nodes[id]));
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const to of next.get(id) ?? []) {
      if (below.has(to)) continue;
      below.add(to);
      open.push(to);
    }
  }
  return below;
}

function holdsAgent(node: WorkflowNode | undefined): boolean {
  if (node === undefined) return false;
  if (node.type === "agent" || node.type === "subworkflow") return true;
  if (node.type !== "map" && node.type !== "loop") return false;
  return Object.values(node.body.nodes).some(holdsAgent);
}
