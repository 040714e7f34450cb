// After a failure or a cancel: what was done is undone, one thing at a time, the last thing first. An
// undo that fails is seen at its node and does not keep the others from being done.

import { type Cell, nodeOf, spotOf, stateAt, type Work } from "./draft.ts";
import { beginNode } from "./begin.ts";
import { isOver, NODE } from "./engine-types.ts";
import { ending, endRun } from "./moves.ts";

export function undoNext(work: Work): void {
  const { run } = work;
  while (run.state === "undoing") {
    const place = run.undo.at(-1);
    if (place === undefined) {
      endRun(work, run.ending ?? "failed", null);
      return;
    }
    const spot = spotOf(work, place);
    if (spot !== undefined && !undoOne(work, spot.cell, spot.index)) return;
    run.undo = run.undo.slice(0, -1);
  }
}

/** Whether it is over. */
function undoOne(work: Work, cell: Cell, index: number): boolean {
  const node = nodeOf(cell, nodeOf(cell, index).undo);
  if (stateAt(cell, node.index) === NODE.pending) {
    if (work.fuel.left < 0) {
      work.effects.push({ kind: "continue" }); // EN7
      return false;
    }
    beginNode(work, cell, node, ending);
  }
  return isOver(stateAt(cell, node.index));
}
