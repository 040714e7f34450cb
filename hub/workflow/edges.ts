// Edges: which are taken, and what that means for the node they lead to.

import { type Frame, isOver, NODE } from "./engine-types.ts";
import { type Body, ON, type PlanEdge, type PlanNode } from "./plan.ts";

interface Framed {
  readonly frame: Frame;
  readonly body: Body;
}

/** Whether an edge is taken, now that the node before it is over. */
export function isTaken(cell: Framed, edge: PlanEdge): boolean {
  const state = cell.frame.state[edge.from];
  switch (edge.on) {
    case ON.always:
      return true;
    case ON.done:
      return state === NODE.done;
    case ON.failed:
      return state === NODE.failed;
    case ON.skipped:
      return state === NODE.skipped;
    default:
      return state === NODE.done && moreTake(cell, edge.from) === edge.label;
  }
}

function moreTake({ frame, body }: Framed, index: number): string {
  const id = body.nodes[index]?.id ?? "";
  return (Object.hasOwn(frame.more, id) ? frame.more[id]?.take : undefined) ?? "";
}

type Verdict = "wait" | "begin" | "skip";

/** MV2. */
export function verdictOf(cell: Framed, node: PlanNode): Verdict {
  const { ins, needsAll, count } = node;
  let known = 0;
  let taken = 0;
  for (const edge of ins) {
    if (!isOver(cell.frame.state[edge.from] ?? NODE.pending)) continue;
    known += 1;
    if (isTaken(cell, edge)) taken += 1;
  }
  if (count > 0 && taken >= count) return "begin";
  if (known < ins.length) return "wait";
  if (count > 0) return "skip";
  const isOn = needsAll ? taken === ins.length : taken > 0 || ins.length === 0;
  return isOn ? "begin" : "skip";
}
