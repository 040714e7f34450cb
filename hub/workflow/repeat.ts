// Maps and loops: which item or round is next, and when there is none any more.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { asBool } from "./cel/read.ts";
import { type Cell, type Ending, moreOf, openCell, setMore, type Work } from "./draft.ts";
import { envOf } from "./duties.ts";
import type { Fault } from "./engine-types.ts";
import { faultOf } from "./faults.ts";
import type { JsonObject } from "./json-value.ts";
import type { PlanNode } from "./plan.ts";

/** Begins what may begin, or ends the node. It waits, and may have been looked at before. */
export function pump(work: Work, cell: Cell, node: PlanNode, ending: Ending): void {
  if (node.node.type === "map") {
    pumpMap(work, cell, node, node.node.maxParallel, ending);
  } else if (node.node.type === "loop") pumpLoop(work, cell, node, node.node.maxRounds, ending);
}

function pumpMap(work: Work, cell: Cell, node: PlanNode, parallel: number, ending: Ending): void {
  const { items = [], results = [], ended = 0 } = moreOf(cell, node.id);
  if (ended === items.length) {
    drop(cell, node);
    ending.done(work, cell, node.index, results);
    return;
  }
  for (;;) {
    const { next = 0 } = moreOf(cell, node.id);
    if (next >= items.length || next - ended >= parallel || work.run.state === "paused") return;
    if (work.fuel.left < 0) {
      work.agenda.push({ cell, index: node.index }); // EN7: it goes on after `continue`
      return;
    }
    const fault = framesFault(work);
    if (fault !== undefined) {
      ending.failed(work, cell, node.index, fault);
      return;
    }
    beginFrame(work, cell, node, next, { item: items[next] ?? null, index: next });
    setMore(cell, node.id, { ...moreOf(cell, node.id), next: next + 1 });
  }
}

function pumpLoop(work: Work, cell: Cell, node: PlanNode, rounds: number, ending: Ending): void {
  const { next = 0, state = null, frames = {} } = moreOf(cell, node.id);
  if (frames[next] !== undefined || work.run.state === "paused") return; // this round runs
  let goesOn: boolean;
  const vars = { state, round: next };
  const sight = { frame: { ...cell.frame, vars }, around: cell };
  const env = envOf(work.run.inputs, sight);
  try {
    goesOn = asBool(node.tests[0]?.(env) ?? null);
  } catch (error) {
    ending.failed(work, cell, node.index, faultOf(error));
    return;
  }
  work.fuel.left -= LIMIT.celSteps.max - env.fuel.left;
  const tooMany: Fault = { code: "too_many_rounds", message: `Still true after ${rounds} rounds` };
  const fault = next >= rounds ? tooMany : framesFault(work);
  if (!goesOn) {
    drop(cell, node);
    ending.done(work, cell, node.index, state);
  } else if (fault !== undefined) ending.failed(work, cell, node.index, fault);
  else beginFrame(work, cell, node, next, vars);
}

/** The output holds what it came to; what may have to be undone stays. */
function drop(cell: Cell, { id, body }: PlanNode): void {
  const { since, frames } = moreOf(cell, id);
  const kept = {
    ...(since === undefined ? {} : { since }),
    ...(body?.hasUndo === true && frames !== undefined ? { frames } : {}),
  };
  setMore(cell, id, Object.keys(kept).length === 0 ? undefined : kept);
}

function framesFault({ run }: Work): Fault | undefined {
  if (run.frames < LIMIT.runFrames.max) return undefined;
  const message = `Over ${LIMIT.runFrames.max} items and rounds in one run`;
  return { code: "too_many_frames", message };
}

function beginFrame(work: Work, around: Cell, node: PlanNode, key: number, vars: JsonObject): void {
  const cell = openCell(work, around, node.index, key, vars);
  work.fuel.left -= cell.body.nodes.length;
  for (const index of cell.body.first) work.agenda.push({ cell, index });
}
