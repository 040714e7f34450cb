// A branch whose cases are constants decides before the run: what lies on the ways that it never takes
// goes, as far as it is free of effects.
//
// DP1. A node is dead if edges that are never taken see to it that it is always skipped. Only edges on
//      `skipped` and `always` lead on from it.
// DP2. Pruned is what is dead, has no effect, leads to pruned nodes only, is read by pruned nodes only,
//      and does not show in what the graph gives. A dead node with effects stays where it is.

import type { Edge } from "@gantry/shared/contract/workflow.ts";
import type { NodeOperation } from "../node-patch.ts";
import { CelFault } from "../cel/fault.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { bind } from "../cel/evaluate.ts";
import { namesIn } from "../cel/names.ts";
import { parseCel } from "../cel/parse.ts";
import { meaningOf, needsAll } from "../node-rules.ts";
import { bare } from "../template.ts";
import { isEffectFree } from "./certain.ts";
import { NOTHING, type Pass } from "./pass.ts";
import type { View } from "./view.ts";

export const pruneDeadPaths: Pass = (view) => {
  const decided = new Map<string, string>();
  for (const id of view.ids) {
    const take = constantOf(view, id);
    if (take !== undefined) decided.set(id, take);
  }
  if (decided.size === 0) return NOTHING;
  const pruned = prunable(view, deadOf(view, decided), decided);
  if (pruned.size === 0) return NOTHING;
  const operations: NodeOperation[] = [...pruned].map((id) => ({ op: "removeNode", id }));
  return {
    operations,
    notes: [`${[...pruned].map((id) => `"${id}"`).join(", ")} can never run`],
  };
};

/** What a branch takes in every run; undefined if that depends on the run. */
function constantOf(view: View, id: string): string | undefined {
  const node = view.node(id);
  if (node.type !== "branch") return undefined;
  for (const { when, take } of node.cases) {
    const holds = constantBool(when);
    if (holds === undefined) return undefined;
    if (holds) return take;
  }
  return node.otherwise ?? "";
}

function constantBool(text: string): boolean | undefined {
  try {
    const parsed = parseCel(bare(text));
    if (namesIn(parsed).size > 0) return undefined;
    const read = bind(parsed, { name: () => undefined });
    const value = read({ fuel: { left: LIMIT.celSteps.max / 2 }, locals: [] });
    return typeof value === "boolean" ? value : undefined;
  } catch (error) {
    if (error instanceof CelFault) return undefined; // then the branch fails when it runs, as before
    throw error;
  }
}

const ENDS: ReadonlySet<string> = new Set(["done", "failed", "skipped", "always"]);

/** DP1, in an order in which every edge leads forward. */
function deadOf(view: View, decided: ReadonlyMap<string, string>): ReadonlySet<string> {
  const dead = new Set<string>();
  const isDead = (edge: Edge): boolean => {
    const on = meaningOf(edge, view.node(edge.from));
    if (dead.has(edge.from)) return on !== "skipped" && on !== "always";
    const take = decided.get(edge.from);
    return take !== undefined && !ENDS.has(on) && on !== take;
  };
  for (const id of view.ids) {
    const node = view.node(id);
    const edges = view.ins(id);
    const counts = node.type === "join" && node.count !== undefined ? node.count : 1;
    const alive = edges.filter((edge) => !isDead(edge)).length;
    const isSkipped = needsAll(node) ? alive < edges.length : edges.length > 0 && alive < counts;
    if (isSkipped) dead.add(id);
  }
  return dead;
}

/** DP2: takes out of `dead` what must stay until nothing more must. */
function prunable(
  view: View,
  dead: ReadonlySet<string>,
  decided: ReadonlyMap<string, string>,
): ReadonlySet<string> {
  const pruned = new Set(
    [...dead].filter((id) => {
      const node = view.node(id);
      return isEffectFree(node) && node.undo === undefined && !view.isShown(id);
    }),
  );
  for (let isStable = false; !isStable;) {
    isStable = true;
    for (const id of pruned) {
      if (stays(view, id, pruned, decided)) {
        pruned.delete(id);
        isStable = false;
      }
    }
  }
  return pruned;
}

function stays(
  view: View,
  id: string,
  pruned: ReadonlySet<string>,
  decided: ReadonlyMap<string, string>,
): boolean {
  if (view.outs(id).some(({ to }) => !pruned.has(to))) return true;
  if (view.readers(id).some((reader) => !pruned.has(reader))) return true;
  return view.ins(id).some((edge) => !pruned.has(edge.from) && !mayGo(view, edge, pruned, decided));
}

/** Without this edge the node before it does what it did: no failure is handled less, nothing new shows. */
function mayGo(
  view: View,
  edge: Edge,
  pruned: ReadonlySet<string>,
  decided: ReadonlyMap<string, string>,
): boolean {
  const on = meaningOf(edge, view.node(edge.from));
  const isQuiet = on === "done" || on === "approved" || decided.has(edge.from);
  const keepsOne = view.outs(edge.from).some(({ to }) => !pruned.has(to));
  return (
    isQuiet && on !== "failed" && on !== "always" && (keepsOne || view.graph.output !== undefined)
  );
}
