// A run as people see it: every place with how it stands.

import { moreIn } from "./draft.ts";
import { NODE_STATES, type NodeView, type RunState } from "./engine-types.ts";
import { visit } from "./owed.ts";
import type { Plan } from "./plan.ts";

/** Outer places before inner ones; items of maps that are over are in the map's output only. */
export function nodesOf(plan: Plan, run: RunState): readonly NodeView[] {
  const views: NodeView[] = [];
  visit({ frame: run.root, body: plan.root, around: null, prefix: "" }, (spot, node) => {
    const { fault, take, dueMs } = moreIn(spot.frame, node.id);
    views.push({
      place: spot.prefix + node.id,
      type: node.node.type,
      state: NODE_STATES[spot.frame.state[node.index] ?? 0] ?? "pending",
      attempt: spot.frame.attempt[node.index] ?? 0,
      output: spot.frame.output[node.index] ?? null,
      ...(fault === undefined ? {} : { fault }),
      ...(take === undefined ? {} : { take }),
      ...(dueMs === undefined ? {} : { dueMs }),
    });
  });
  return views;
}
