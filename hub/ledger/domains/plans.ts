// Plans of graphs, made once for each: a pure memo beside the rows. The same hash always means the
// same graph, so it makes no difference to any row whether a plan was found here or made anew.

import { present } from "@gantry/shared/base/assert.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { compile } from "../../workflow/compile.ts";
import type { Plan } from "../../workflow/plan.ts";
import type { Rows } from "../rows.ts";

const plans = new Map<string, Plan>();

/** Throws workflow_invalid. */
export function planFor(graph: Graph): Plan {
  const plan = compile(graph);
  keep(plan);
  return plan;
}

/**
 * A graph with every default written down, as it is kept: one graph has one hash. Throws
 * workflow_invalid; `details.faults` has code, pointer, message and hint of each.
 */
export const readGraph = (given: unknown): Graph => compile(given).graph;

/** Of a definition that is kept. */
export function planOf(rows: Rows, sha256: string): Plan {
  const known = plans.get(sha256);
  if (known !== undefined) return known;
  return planFor(present(rows.get("definition", sha256), `the definition ${sha256}`).graph);
}

function keep(plan: Plan): void {
  if (plans.size >= LIMIT.planCache.max) {
    const [oldest] = plans.keys();
    if (oldest !== undefined) plans.delete(oldest);
  }
  plans.set(plan.hash, plan);
}

/** What the subworkflow nodes of a graph name, in bodies too. */
export function refsIn(graph: Graph): readonly string[] {
  const refs = new Set<string>();
  const look = (nodes: Readonly<Record<string, WorkflowNode>>): void => {
    for (const node of Object.values(nodes)) {
      if (node.type === "subworkflow") refs.add(node.workflow);
      if (node.type === "map" || node.type === "loop") look(node.body.nodes);
    }
  };
  look(graph.nodes);
  return [...refs].toSorted();
}
