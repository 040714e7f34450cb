// A run that is over goes on from some of its nodes: those nodes, all after them, and what had not come to
// its end are as if they had never begun; all else keeps its output.
//
// RF1. Attempts count on, so that a late word of the time before is old; and the idempotency key is
//      another one, so that the world does it again.
// RF2. What was undone is done again, and with it what came after.

import { type Cell, isOverAt, moreIn, setMore, stateAt, type Work } from "./draft.ts";
import { NODE, type Stale } from "./engine-types.ts";
import { sweep } from "./moves.ts";

export function retryFrom(work: Work, ids: readonly string[]): Stale | undefined {
  const { run, root } = work;
  const starts = new Set(ids.map((id) => root.body.indexOf.get(id) ?? -1));
  const isBad = (start: number): boolean => root.body.nodes[start]?.isUndo !== false;
  if ([...starts].some(isBad)) return "no_place";
  const again = resetSet(root, starts);
  run.retries += 1;
  for (const index of again) reset(root, index);
  root.frame.open = root.body.nodes.filter(
    ({ index, isUndo }) => !isUndo && !isOverAt(root, index),
  ).length;
  const kept = new Set(
    root.body.nodes.filter(({ index }) => !again.has(index)).map((node) => node.id),
  );
  run.undo = run.undo.filter((place) => kept.has(place.split(/[[/]/, 1)[0] ?? ""));
  run.state = "running";
  run.ending = null;
  run.fault = null;
  run.output = null;
  run.endedMs = null;
  sweep(work);
  return undefined;
}

/** In the order of the plan, so that one pass finds all that comes after. */
function resetSet(root: Cell, starts: ReadonlySet<number>): ReadonlySet<number> {
  const again = new Set<number>();
  for (const { index, ins, isUndo, undo, handlesFailure } of root.body.nodes) {
    if (isUndo) continue;
    const state = stateAt(root, index);
    const isKept =
      state === NODE.done || state === NODE.skipped || (state === NODE.failed && handlesFailure);
    const isUndone = undo >= 0 && stateAt(root, undo) !== NODE.pending; // RF2
    const follows = ins.some(({ from }) => again.has(from));
    if (starts.has(index) || !isKept || isUndone || follows) again.add(index);
    if (again.has(index) && undo >= 0) again.add(undo);
  }
  return again;
}

/** RF1. */
function reset(root: Cell, index: number): void {
  const { frame, body } = root;
  const id = body.nodes[index]?.id ?? "";
  const last = frame.attempt[index] ?? 0;
  const { since = frame.base } = moreIn(frame, id);
  frame.state[index] = NODE.pending;
  frame.output[index] = null;
  setMore(root, id, last > since ? { since: last } : since > frame.base ? { since } : undefined);
}
