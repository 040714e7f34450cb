// All that a run owes the world, read off its state (EN3): after a crash or an election, and to check
// what `advance` has told.

import { moreIn } from "./draft.ts";
import { type DutySpot, dutiesOf } from "./duties.ts";
import { verdictOf } from "./edges.ts";
import { type Effect, isOver, isRunOver, NODE, type RunState } from "./engine-types.ts";
import type { Body, Plan, PlanNode } from "./plan.ts";

interface OwedSpot extends DutySpot {
  readonly body: Body;
  readonly around: OwedSpot | null;
}

/**
 * O(nodes and open frames). `isUnderWay`: this attempt is left out, and costs no look at its values;
 * it is asked of each that an executor or another run has to do.
 */
export function owed(
  plan: Plan,
  run: RunState,
  isUnderWay?: (place: string, attempt: number) => boolean,
): readonly Effect[] {
  if (isRunOver(run.state)) return [];
  const root: OwedSpot = { frame: run.root, body: plan.root, around: null, prefix: "" };
  const looking: Looking = {
    run,
    isUnderWay,
    effects: [],
    mayMove: run.state !== "undoing" && run.ending === null,
    canMove: run.state === "undoing" && undoWaits(run, root),
  };
  lookIn(looking, root);
  if (looking.canMove) looking.effects.push({ kind: "continue" });
  return looking.effects;
}

interface Looking {
  readonly run: RunState;
  readonly isUnderWay: ((place: string, attempt: number) => boolean) | undefined;
  readonly effects: Effect[];
  readonly mayMove: boolean;
  canMove: boolean;
}

function lookIn(looking: Looking, spot: OwedSpot): void {
  const { run } = looking;
  const { frame, body, prefix } = spot;
  for (const node of body.nodes) {
    const state = frame.state[node.index] ?? NODE.pending;
    if (!isOver(state)) {
      if (state !== NODE.pending) lookAt(looking, spot, node, state);
      if (looking.mayMove && !looking.canMove) looking.canMove = movesAlone(run, spot, node);
    }
    if (node.body === undefined) continue;
    for (const [key, inner] of Object.entries(moreIn(frame, node.id).frames ?? {})) {
      const within = `${prefix}${node.id}[${key}]/`;
      lookIn(looking, { frame: inner, body: node.body, around: spot, prefix: within });
    }
  }
}

function lookAt(looking: Looking, spot: OwedSpot, node: PlanNode, state: number): void {
  const { run, isUnderWay, effects } = looking;
  if (state === NODE.ready || state === NODE.running) {
    if (run.state === "paused" && state === NODE.ready) return; // it begins when the run goes on
    const attempt = spot.frame.attempt[node.index] ?? 0;
    if (isUnderWay?.(spot.prefix + node.id, attempt) === true) return;
  }
  for (const duty of dutiesOf(run.id, run.inputs, spot, node)) effects.push(duty);
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
