// What has begun or is over stays as it was.
//
// HR1. No patch changes or removes a node that is dispatched, over or lost; the body of a map or loop
//      belongs to its node. Judged from the two graphs, whatever the operations say.
// HR2. New edges may leave a node that is over; none may lead into a node that is not pending, none that
//      leads there may go, and none that leaves a node that is over, but with the node it leads to.
// HR3. The undo node of a node that has begun stays: it is what was promised when that began.

import type { Edge } from "@gantry/shared/contract/workflow.ts";
import type { NodeState } from "../engine-types.ts";
import type { Changes, NodeChange } from "./changes.ts";
import { type OwnPatchCode, type PatchFault, patchFault } from "./patch-fault.ts";
import type { PatchedRun } from "./patch-types.ts";

/** None: every change is to what is still to come. */
export function historyFaults(run: PatchedRun, changes: Changes): readonly PatchFault[] {
  if (run.isOver) return [patchFault("run_over", "", "The run is over")];
  const promised = promisedUndo(run);
  return [
    ...changes.nodes.flatMap((change) => nodeFaults(run, promised, change)),
    ...[...changes.addedEdges, ...changes.removedEdges].flatMap((edge) => edgeFaults(run, edge)),
    ...changes.removedEdges.flatMap((edge) => decidedFaults(run, changes, edge)),
  ];
}

const CODES: Readonly<Record<Exclude<NodeState, "pending">, OwnPatchCode>> = {
  ready: "node_dispatched",
  running: "node_dispatched",
  waiting: "node_dispatched",
  done: "node_passed",
  failed: "node_passed",
  skipped: "node_passed",
  cancelled: "node_passed",
  unknown: "node_lost",
};

function nodeFaults(
  run: PatchedRun,
  promised: ReadonlyMap<string, string>,
  { id, before, members }: NodeChange,
): readonly PatchFault[] {
  if (before === undefined) return []; // it is new
  const state = run.stateOf(id) ?? "pending";
  const pointer = `/nodes/${id}`;
  if (state !== "pending") {
    const what = `The node "${id}" is ${state}: the patch comes too late to change its ${members.slice(0, 5).join(", ")}`;
    return [patchFault(CODES[state], pointer, what)]; // HR1
  }
  const owner = promised.get(id);
  if (owner === undefined) return [];
  return [
    patchFault("undo_promised", pointer, `The node "${id}" is to undo "${owner}", which has begun`),
  ]; // HR3
}

function edgeFaults(run: PatchedRun, edge: Edge): readonly PatchFault[] {
  const state = run.stateOf(edge.to) ?? "pending";
  if (state === "pending") return [];
  const what = `The edge from "${edge.from}" leads to "${edge.to}", which is ${state}`;
  return [patchFault("edge_into_passed", `/nodes/${edge.to}`, what)]; // HR2
}

function decidedFaults(run: PatchedRun, changes: Changes, edge: Edge): readonly PatchFault[] {
  const state = run.stateOf(edge.from) ?? "pending";
  const isKnown =
    OVER.has(state) &&
    !changes.nodes.some(({ id, after }) => id === edge.to && after === undefined);
  if (!isKnown) return [];
  const what = `The edge from "${edge.from}", which is ${state}, to "${edge.to}" is taken away`;
  return [patchFault("edge_decided", `/nodes/${edge.from}`, what)]; // HR2
}

const OVER: ReadonlySet<NodeState> = new Set(["done", "failed", "skipped", "cancelled"]);

/** Undo nodes of nodes that have begun, with whom they undo. */
function promisedUndo(run: PatchedRun): ReadonlyMap<string, string> {
  const promised = new Map<string, string>();
  for (const [id, { undo }] of Object.entries(run.graph.nodes)) {
    if (undo !== undefined && (run.stateOf(id) ?? "pending") !== "pending") promised.set(undo, id);
  }
  return promised;
}
