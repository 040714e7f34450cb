// Takes away edges that only put pure nodes in a row, so that their executors work at the same time.
//
// PL1. What came before the first now comes before the second too, and what came after the second after
//      both: no other order is lost, and none is added.
// PL2. The second begins earlier than it did. So it must not fail at once (its values are safe), and if
//      its executor may fail, nothing with an effect may hang on the first alone.

import type { Edge } from "@gantry/shared/contract/workflow.ts";
import { needsAll } from "../node-rules.ts";
import type { NodeOperation } from "../node-patch.ts";
import { applyNodePatch } from "../node-patch.ts";
import type { Json } from "../json-value.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { hasSafeValues, isCertain, isEffectFree, isExecuted, isPure } from "./certain.ts";
import type { Pass } from "./pass.ts";
import { addEdge, reachedFrom, removeEdge, type View, viewOf } from "./view.ts";

const STEPS_MAX = 1_000; // each takes one pair apart; beyond, the rest stays in a row

export const parallelise: Pass = (given) => {
  const operations: NodeOperation[] = [];
  const notes: string[] = [];
  let view: View | undefined = given;
  for (let step = 0; step < STEPS_MAX && view !== undefined; step += 1) {
    const edge = looseEdge(view);
    if (edge === undefined) break;
    const parted = part(view, edge);
    operations.push(...parted);
    notes.push(`"${edge.to}" no longer waits for "${edge.from}", of which it reads nothing`);
    const graph = applyNodePatch(view.graph as unknown as Json, parted).result; // JSON by its schema
    view = viewOf(graph as unknown as Graph, given.inputs);
  }
  return { operations, notes };
};

function looseEdge(view: View): Edge | undefined {
  return view.graph.edges.find((edge) => isLoose(view, edge));
}

function isLoose(view: View, { from, to }: Edge): boolean {
  const [first, second] = [view.node(from), view.node(to)];
  const arePure = isPure(first) && isPure(second) && isExecuted(second);
  if (!arePure || !view.isSimple(from) || !view.isSimple(to)) return false;
  if (view.reads(to).nodes.has(from) || !hasSafeValues(second, view.inputs)) return false;
  const after = view.outs(to);
  if (after.some((edge) => !needsAll(view.node(edge.to)))) return false;
  if (after.length === 0 && view.graph.output === undefined && view.outs(from).length === 1)
    return false; // it would show
  if (view.outs(from).some((edge) => edge.to !== to && reachedFrom(view, edge.to, "outs").has(to)))
    return false;
  return isCertain(second, view.inputs) || isAlone(view, from, to); // PL2
}

/** Nothing with an effect follows the first but not the second. */
function isAlone(view: View, first: string, second: string): boolean {
  const behind = reachedFrom(view, second, "outs");
  return [...reachedFrom(view, first, "outs")].every(
    (id) => id === second || behind.has(id) || isEffectFree(view.node(id)),
  );
}

/** PL1. */
function part(view: View, edge: Edge): readonly NodeOperation[] {
  const { from: first, to: second } = edge;
  const has = (from: string, to: string): boolean => view.outs(from).some((one) => one.to === to);
  const before = view.ins(first).filter(({ from }) => !has(from, second));
  const after = view.outs(second).filter(({ to }) => !has(first, to));
  return [
    removeEdge(edge),
    ...before.map(({ from, on }) => addEdge({ from, to: second, on })),
    ...after.map(({ to }) => addEdge({ from: first, to })),
  ];
}
