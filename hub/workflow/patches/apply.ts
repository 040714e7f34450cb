// Applies a patch whose operations may be of both kinds, in order.
//
// AP1. All or nothing, and the graph that was given is never changed: json-patch.ts sees to both, and a
//      refusal on the way leaves nothing behind.
// AP2. The inverse is for exactly the graph that came out.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { applyPatch, type JsonOperation, type JsonPatch, type Patched } from "../json-patch.ts";
import { applyNodePatch, type NodeOperation } from "../node-patch.ts";
import type { Json } from "../json-value.ts";
import type { GraphOperation } from "./patch-types.ts";

type Stretch =
  | { readonly kind: "node"; readonly first: number; readonly steps: NodeOperation[] }
  | { readonly kind: "json"; readonly first: number; readonly steps: JsonOperation[] };

/** Throws what applyPatch and applyNodePatch throw; `details.operation` counts over all. */
export function applyOperations(graph: Json, operations: readonly GraphOperation[]): Patched {
  let result = graph;
  let inverse: JsonPatch = [];
  for (const { kind, first, steps } of stretchesOf(operations)) {
    try {
      const patched = kind === "node" ? applyNodePatch(result, steps) : applyPatch(result, steps);
      result = patched.result;
      inverse = [...patched.inverse, ...inverse];
    } catch (error) {
      throw renumbered(error, first);
    }
  }
  return { result, inverse };
}

function stretchesOf(operations: readonly GraphOperation[]): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (const [at, each] of operations.entries()) {
    const last = stretches.at(-1);
    if (isNodeOperation(each)) {
      if (last?.kind === "node") last.steps.push(each);
      else stretches.push({ kind: "node", first: at, steps: [each] });
    } else if (last?.kind === "json") last.steps.push(each);
    else stretches.push({ kind: "json", first: at, steps: [each] });
  }
  return stretches;
}

const NODE_OPS: ReadonlySet<string> = new Set([
  "addNode",
  "removeNode",
  "setNode",
  "addEdge",
  "removeEdge",
]);
const isNodeOperation = (each: GraphOperation): each is NodeOperation => NODE_OPS.has(each.op);

function renumbered(error: unknown, first: number): unknown {
  if (!(error instanceof GantryError)) return error;
  const { operation } = error.details as { readonly operation?: number }; // as patch-refusal.ts makes them
  if (operation === undefined || first === 0) return error;
  return new GantryError(error.code, error.message, {
    details: { ...error.details, operation: operation + first },
  });
}
