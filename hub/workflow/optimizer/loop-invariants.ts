// What a loop or map works out anew in each round, though it reads nothing of the round, is worked out
// once before it.
//
// LI1. It runs once even where the body never runs, so only what cannot fail is moved.
// LI2. In the body an alias stays under the old id. The new node begins on the loop's own edges, and
//      the loop waits for it.

import type { MapNode, LoopNode } from "@gantry/shared/contract/workflow.ts";
import type { NodeOperation } from "../node-patch.ts";
import { formatPointer } from "../json-pointer.ts";
import type { JsonObject } from "../json-value.ts";
import { isCertain } from "./certain.ts";
import type { Pass } from "./pass.ts";
import { addEdge, aliasOf, type View, viewOf } from "./view.ts";

export const hoistInvariants: Pass = (view) => {
  const operations: NodeOperation[] = [];
  const notes: string[] = [];
  const taken = new Set(view.ids);
  for (const id of view.ids) {
    const node = view.node(id);
    if ((node.type !== "map" && node.type !== "loop") || node.needs === "any") continue;
    for (const inner of invariantsOf(view, node)) {
      const name = `${id}-${inner}`;
      if (taken.has(name) || name.length > 64) continue; // the bound of an id
      taken.add(name);
      operations.push(...hoist(view, id, node, inner, name));
      notes.push(`"${inner}" of "${id}" is worked out once, as "${name}"`);
    }
  }
  return { operations, notes };
};

function invariantsOf(view: View, { body }: MapNode | LoopNode): readonly string[] {
  const inside = viewOf(body, view.inputs);
  if (inside === undefined) return [];
  return inside.ids.filter((id) => {
    const node = inside.node(id);
    if (node.type !== "function" || node.function === "value") return false; // an alias is all there is to gain
    const { names, nodes } = inside.reads(id);
    const isOfRound =
      [...names].some((name) => name !== "inputs") ||
      [...nodes].some((one) => Object.hasOwn(body.nodes, one));
    return (
      !isOfRound &&
      inside.ins(id).length === 0 &&
      inside.isSimple(id) &&
      isCertain(node, view.inputs)
    ); // LI1
  });
}

/** LI2. */
function hoist(
  view: View,
  id: string,
  { body }: MapNode | LoopNode,
  inner: string,
  name: string,
): readonly NodeOperation[] {
  const node = body.nodes[inner];
  if (node === undefined) return [];
  return [
    { op: "addNode", id: name, node: node as unknown as JsonObject }, // JSON by its schema
    ...view.ins(id).map(({ from, on }) => addEdge({ from, to: name, on })),
    addEdge({ from: name, to: id }),
    {
      op: "setNode",
      id,
      at: formatPointer(["body", "nodes", inner]),
      value: aliasOf(name, node.title),
    },
  ];
}
