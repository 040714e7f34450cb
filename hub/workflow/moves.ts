// How a run moves by itself: nodes begin, end, and set off those after them, until all that is left
// waits for the world.
//
// MV1. Nothing here calls itself through a body: what may move next goes on the agenda, so a loop of
//      ten thousand rounds is no deeper than one of two.
// MV2. A node begins or is skipped only once all edges to it are known (EN6); a join with a count
//      alone begins before.
// MV3. In a run that is paused nothing begins; what runs may end, and with it the run. If it fails, its
//      end waits for the word to go on, because undoing would begin something.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import {
  type Cell,
  closeCell,
  isLive,
  type Ending,
  moreOf,
  nodeOf,
  openCells,
  placeOf,
  setMore,
  stateAt,
  withResult,
  type Work,
} from "./draft.ts";
import { beginNode } from "./begin.ts";
import { verdictOf } from "./edges.ts";
import { envOf } from "./duties.ts";
import { type Fault, isOver, NODE, type NodeCode } from "./engine-types.ts";
import { faultOf, weightFault } from "./faults.ts";
import type { Json, JsonObject } from "./json-value.ts";
import type { Body } from "./plan.ts";
import { pump } from "./repeat.ts";
import { fill } from "./template.ts";

/** Works the agenda off; owes `continue` if there is too much of it (EN7). */
export function settle(work: Work): void {
  const { agenda, fuel } = work;
  for (let next = 0; next < agenda.length; next += 1) {
    const item = agenda[next];
    if (item === undefined || !isLive(work)) break;
    fuel.left -= 1;
    if (fuel.left < 0) {
      work.effects.push({ kind: "continue" });
      break;
    }
    consider(work, item.cell, item.index);
  }
  agenda.length = 0;
}

function consider(work: Work, cell: Cell, index: number): void {
  const node = nodeOf(cell, index);
  const state = stateAt(cell, index);
  if (state === NODE.waiting && node.doer === "body") pump(work, cell, node, ending);
  if (state !== NODE.pending || node.isUndo) return;
  const verdict = verdictOf(cell, node);
  if (verdict === "begin") beginNode(work, cell, node, ending);
  else if (verdict === "skip") endNode(work, cell, index, NODE.skipped, null);
}

/** What `begin` and `repeat` do with a node that is over at once. */
export const ending: Ending = { done: endDone, failed: endFailed };

export function endDone(work: Work, cell: Cell, index: number, output: Json): void {
  const fault = weightFault(output);
  if (fault === undefined) endNode(work, cell, index, NODE.done, output);
  else endFailed(work, cell, index, fault);
}

export function endFailed(work: Work, cell: Cell, index: number, fault: Fault): void {
  const { id, doer } = nodeOf(cell, index);
  if (doer === "body") {
    for (const inner of openCells(work, cell, index)) cancelCell(work, inner);
  }
  setMore(cell, id, { ...moreOf(cell, id), fault });
  endNode(work, cell, index, NODE.failed, null);
}

/** EN4: a node that is over does not come here again. */
export function endNode(work: Work, cell: Cell, index: number, code: NodeCode, output: Json): void {
  const { frame } = cell;
  const node = nodeOf(cell, index);
  frame.state[index] = code;
  frame.output[index] = output;
  if (node.isUndo) return; // undoing.ts goes on
  frame.open -= 1;
  if (code === NODE.done && node.undo >= 0) {
    work.run.undo = [...work.run.undo, placeOf(cell, index)];
  }
  if (!isLive(work)) return;
  if (code === NODE.failed && !node.handlesFailure) {
    failBody(work, cell, moreOf(cell, node.id).fault ?? UNTOLD, placeOf(cell, index));
  } else if (frame.open === 0) completeBody(work, cell);
  else for (const { to } of node.outs) work.agenda.push({ cell, index: to });
}

const UNTOLD: Fault = { code: "failed", message: "It failed" };

function completeBody(work: Work, cell: Cell): void {
  let output: Json;
  try {
    output = outputOf(work, cell);
  } catch (error) {
    failBody(work, cell, faultOf(error), `${cell.prefix}output`);
    return;
  }
  const heavy = weightFault(output);
  if (heavy !== undefined) failBody(work, cell, heavy, `${cell.prefix}output`);
  else if (cell.around === null) endRun(work, "done", output);
  else bodyDone(work, cell, cell.around, output);
}

/** Throws CelFault. */
function outputOf(work: Work, cell: Cell): Json {
  const { body, frame } = cell;
  if (body.output !== undefined) {
    const env = envOf(work.run.inputs, cell);
    const output = fill(body.output, env);
    work.fuel.left -= LIMIT.celSteps.max - env.fuel.left;
    return output;
  }
  return lastOutputs(body, frame.output);
}

function lastOutputs(body: Body, outputs: readonly Json[]): JsonObject {
  const given: Record<string, Json> = {};
  for (const index of body.last) given[body.nodes[index]?.id ?? ""] = outputs[index] ?? null;
  return given;
}

/** An item or a round is over; the map or loop goes on when its turn comes (MV1). */
function bodyDone(work: Work, cell: Cell, around: Cell, output: Json): void {
  closeCell(work, cell);
  const { id, node } = nodeOf(around, cell.index);
  const more = moreOf(around, id);
  if (node.type === "loop") setMore(around, id, { ...more, state: output, next: cell.key + 1 });
  else {
    const results = withResult(work, more.results ?? [], cell.key, output);
    setMore(around, id, { ...more, results, ended: (more.ended ?? 0) + 1 });
  }
  work.agenda.push({ cell: around, index: cell.index });
}

/** A node failed and no edge goes on from it: the rest of its graph is not wanted any more. */
function failBody(work: Work, cell: Cell, fault: Fault, place: string): void {
  cancelCell(work, cell);
  if (cell.around === null) {
    failRun(work, "failed", { code: fault.code, message: fault.message, place });
    return;
  }
  const { around } = cell;
  const { id, node } = nodeOf(around, cell.index);
  if (node.type === "map") {
    const failures = (moreOf(around, id).failures ?? 0) + 1;
    setMore(around, id, { ...moreOf(around, id), failures });
    const error = { code: fault.code, message: fault.message };
    if (failures <= node.tolerate) {
      bodyDone(work, cell, around, { error });
      return;
    }
  }
  const message = `${place}: ${fault.message}`.slice(0, MESSAGE_MAX);
  endFailed(work, around, cell.index, { code: fault.code, message });
}

const MESSAGE_MAX = 1_000;

/** All that is not over in it and the bodies within; what is unknown stays so, for people to see. */
export function cancelCell(work: Work, cell: Cell): void {
  const { frame, body } = cell;
  for (const { index, id, isUndo, doer } of body.nodes) {
    const state = stateAt(cell, index);
    if (isOver(state) || isUndo || state === NODE.unknown) continue;
    if (doer === "body") {
      for (const inner of openCells(work, cell, index)) cancelCell(work, inner);
    } else if (state !== NODE.pending) {
      work.effects.push({
        kind: "stop",
        place: cell.prefix + id,
        attempt: frame.attempt[index] ?? 0,
      });
    }
    frame.state[index] = NODE.cancelled;
  }
  frame.open = 0;
}

/** What was done is undone first, last thing first (undoing.ts). MV3. */
export function failRun(work: Work, state: "failed" | "cancelled", fault: Fault): void {
  work.run.fault = fault;
  work.run.ending = state;
  const waits = work.run.state === "paused" && state === "failed" && work.run.undo.length > 0;
  if (!waits) work.run.state = "undoing";
}

/** EN5. */
export function endRun(work: Work, state: "done" | "failed" | "cancelled", output: Json): void {
  work.run.state = state;
  work.run.output = output;
  work.run.ending = null;
  work.run.endedMs = work.nowMs;
  work.effects.push({ kind: "ended", state });
}

/** Looks at everything again: after a pause, a patch, a cut. */
export function sweep(work: Work, cell: Cell = work.root): void {
  for (const { index, doer } of cell.body.nodes) {
    const state = stateAt(cell, index);
    if (state === NODE.waiting && doer === "body") {
      for (const inner of openCells(work, cell, index)) sweep(work, inner);
      work.agenda.push({ cell, index });
    } else if (state === NODE.pending) work.agenda.push({ cell, index });
  }
}

/** The end of a graph that has nothing left to do. */
export function completeIfOver(work: Work): void {
  if (isLive(work) && work.root.frame.open === 0) completeBody(work, work.root);
}
