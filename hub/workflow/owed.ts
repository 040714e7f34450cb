// All that a run owes the world, read off its state (EN3): after a crash or an election, and to check
// what `advance` has told.

import { moreIn } from "./draft.ts";
import { type DutySpot, dutiesOf } from "./duties.ts";
import { verdictOf } from "./edges.ts";
import { type Effect, isRunOver, NODE, type RunState } from "./engine-types.ts";
import type { Body, Plan, PlanNode } from "./plan.ts";

interface OwedSpot extends DutySpot {
  readonly body: Body;
  readonly around: OwedSpot | null;
}

/** O(nodes and open frames). */
export function owed(plan: Plan, run: RunState): readonly Effect[] {
  if (isRunOver(run.state)) return [];
  const effects: Effect[] = [];
  const root: OwedSpot = { frame: run.root, body: plan.root, around: null, prefix: "" };
  let canMove = run.state === "undoing" && undoWaits(run, root);
  visit(root, (spot, node) => {
    const state = spot.frame.state[node.index];
    const rests = run.state === "paused" && state === NODE.ready; // it begins when the run goes on
    if (!rests) effects.push(...dutiesOf(run.id, run.inputs, spot, node));
    canMove ||= run.state !== "undoing" && run.ending === null && movesAlone(run, spot, node);
  });
  if (canMove) effects.push({ kind: "continue" });
  return effects;
}

/** Every node of every frame. */
export function visit(spot: OwedSpot, each: (spot: OwedSpot, node: PlanNode) => void): void {
  const { frame, body, prefix } = spot;
  for (const node of body.nodes) {
    each(spot, node);
    if (node.body === undefined) continue;
    for (const [key, inner] of Object.entries(moreIn(frame, node.id).frames ?? {})) {
      const within = `${prefix}${node.id}[${key}]/`;
      visit({ frame: inner, body: node.body, around: spot, prefix: within }, each);
    }
  }
}

/** Whether the engine was cut short here. */
function movesAlone({ state: phase }: RunState, spot: OwedSpot, node: PlanNode): boolean {
  const state = spot.frame.state[node.index];
  const mayBegin = phase === "running";
  if (state === NODE.pending && !node.isUndo) {
    const verdict = verdictOf(spot, node);
    return verdict === "skip" || (verdict === "begin" && mayBegin);
  }
  if (state !== NODE.waiting || node.doer !== "body") return false;
  const { items = [], next = 0, ended = 0, frames = {} } = moreIn(spot.frame, node.id);
  if (node.node.type === "loop") return mayBegin && frames[next] === undefined;
  if (node.node.type !== "map") return false;
  const hasRoom = next < items.length && next - ended < node.node.maxParallel;
  return ended === items.length || (hasRoom && mayBegin);
}

/** The next thing to undo has not begun. */
function undoWaits(run: RunState, root: OwedSpot): boolean {
  const place = run.undo.at(-1);
  let waits = place === undefined;
  visit(root, (spot, node) => {
    if (spot.prefix + node.id !== place || node.undo < 0) return;
    waits = spot.frame.state[node.undo] === NODE.pending;
  });
  return waits;
}
