// Two nodes that give the same become one that works and one that passes its answer on: equal pure
// GETs (HTTP coalescing) and equal pure function nodes (common subexpressions).
//
// TW1. The one that works is surely done where the other begins: either both begin on the same edges,
//      and a new edge lets the other wait; or a chain of `done` edges leads from one to the other.
// TW2. The other node stays, as an alias under its own id: who reads it reads on, and the graph gives
//      what it gave.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { isPure } from "./certain.ts";
import type { Finding, Pass } from "./pass.ts";
import type { NodeOperation } from "../node-patch.ts";
import { addEdge, aliasOf, type View } from "./view.ts";

export const coalesceHttp: Pass = (view) =>
  merged(
    view,
    (node) => node.type === "http" && (node.method === "GET" || node.method === "HEAD"),
    "asks",
  );

export const shareFunctions: Pass = (view) =>
  merged(view, (node) => node.type === "function" && node.function !== "value", "computes");

function merged(view: View, isWanted: (node: WorkflowNode) => boolean, does: string): Finding {
  const operations: NodeOperation[] = [];
  const notes: string[] = [];
  const workers = new Map<string, string[]>(); // by what they do
  for (const id of view.ids) {
    const node = view.node(id);
    if (!isWanted(node) || !isPure(node) || !view.isSimple(id)) continue;
    const sign = signOf(node);
    const known = workers.get(sign) ?? [];
    workers.set(sign, known);
    const chained = known.find((other) => isSurelyBefore(view, other, id));
    const worker =
      chained ?? known.find((other) => sameStart(view, other, id) && mayLead(view, other));
    if (worker === undefined) {
      known.push(id);
      continue;
    }
    operations.push({ op: "setNode", id, value: aliasOf(worker, node.title) });
    if (chained === undefined) operations.push(addEdge({ from: worker, to: id }));
    notes.push(`"${id}" ${does} the same as "${worker}" and takes its answer`);
  }
  return { operations, notes };
}

/** What it does: all but its title. */
function signOf(node: WorkflowNode): string {
  const { title: _title, ...rest } = node;
  return canonicalJson(rest);
}

/** TW1, a chain: each link begins only if the one before it is done. */
function isSurelyBefore(view: View, earlier: string, later: string): boolean {
  const seen = new Set([later]);
  const open = [later];
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    if (here === earlier) return true;
    const isChain = here === later || view.isSimple(here) || isPlain(view, here);
    if (!isChain) continue;
    for (const { from } of view.ins(here)) {
      if (seen.has(from)) continue;
      seen.add(from);
      open.push(from);
    }
  }
  return false;
}

/** All that lead to it must be done, whatever follows it. */
const isPlain = (view: View, id: string): boolean => {
  const node = view.node(id);
  return (
    node.type !== "join" &&
    node.needs !== "any" &&
    view.ins(id).every(({ on }) => on === undefined || on === "done")
  );
};

/** TW1, the same edges. */
function sameStart(view: View, one: string, other: string): boolean {
  const from = (id: string): string =>
    canonicalJson(
      view
        .ins(id)
        .map((edge) => edge.from)
        .toSorted(),
    );
  return from(one) === from(other);
}

/** With an edge that leaves it, it would no longer be part of what the graph gives. */
const mayLead = (view: View, id: string): boolean => !view.isShown(id);
