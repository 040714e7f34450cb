// What each fact does to a run. A fact that changes nothing says why, before anything is touched.
//
// FA1. Only the last attempt at a place that is not over counts (EN4). An executor that was given up
//      and comes back with its own attempt is believed: it knows what happened.
// FA2. A `once` node that had begun is never begun again by the engine: it becomes unknown.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { beginNode } from "./begin.ts";
import {
  type Cell,
  isDeadAt,
  moreOf,
  nodeOf,
  placeOf,
  setMore,
  type Spot,
  spotOf,
  stateAt,
  type Work,
} from "./draft.ts";
import { type Fact, type Fault, NODE, type Resolution, type Stale } from "./engine-types.ts";
import { cancelCell, endDone, endFailed, ending, failRun, sweep } from "./moves.ts";
import { patch } from "./patching.ts";
import type { PlanNode } from "./plan.ts";
import { decide, timeIsUp } from "./asking.ts";

type Of<K extends Fact["kind"]> = Extract<Fact, { kind: K }>;

/** Not for `retriedFrom` (retry-from.ts). */
export function applyFact(
  work: Work,
  fact: Exclude<Fact, { kind: "retriedFrom" }>,
): Stale | undefined {
  switch (fact.kind) {
    case "taken":
    case "finished":
    case "failed":
    case "lost":
      return ofExecutor(work, fact);
    case "decided":
      return decide(work, fact);
    case "timerFired":
      return timerFired(work, fact);
    case "resolved":
      return resolved(work, fact.place, fact.outcome);
    case "cancelled":
      return cancelled(work, fact.reason);
    case "exhausted":
      return exhausted(work, fact.fault);
    case "paused":
      return paused(work);
    case "resumed":
      return resumed(work);
    case "continued":
      if (work.run.state === "running") sweep(work);
      return undefined;
    case "patched":
      return patch(work, fact.plan, fact.revision);
  }
}

type Report = Of<"taken"> | Of<"finished"> | Of<"failed"> | Of<"lost">;

/** FA1. */
function ofExecutor(work: Work, fact: Report): Stale | undefined {
  const spot = spotOf(work, fact.place);
  if (spot === undefined) return "no_place";
  const { cell, index } = spot;
  const state = stateAt(cell, index);
  if (isDeadAt(cell, index)) return "place_over";
  if (cell.frame.attempt[index] !== fact.attempt) return "old_attempt";
  const { doer } = nodeOf(cell, index);
  const isOut = state === NODE.ready || state === NODE.running;
  const counts = isOut || (state === NODE.unknown && fact.kind !== "taken" && fact.kind !== "lost");
  if ((doer !== "executor" && doer !== "child" && !nodeOf(cell, index).isUndo) || !counts) {
    return "not_waiting";
  }
  return report(work, spot, fact, state);
}

function report(work: Work, { cell, index }: Spot, fact: Report, state: number): Stale | undefined {
  switch (fact.kind) {
    case "taken":
      if (state === NODE.running) return "not_waiting";
      cell.frame.state[index] = NODE.running;
      return undefined;
    case "finished":
      endDone(work, cell, index, fact.output);
      return undefined;
    case "failed":
      failed(work, cell, nodeOf(cell, index), fact.fault, fact.retryAtMs);
      return undefined;
    case "lost":
      lost(work, cell, nodeOf(cell, index), state === NODE.running);
      return undefined;
  }
}

function failed(
  work: Work,
  cell: Cell,
  node: PlanNode,
  fault: Fault,
  retryAtMs: number | undefined,
): void {
  const { id, index } = node;
  if (retryAtMs === undefined || triesOf(cell, node) >= node.triesMax) {
    endFailed(work, cell, index, fault);
    return;
  }
  cell.frame.state[index] = NODE.waiting;
  setMore(cell, id, { ...moreOf(cell, id), fault, dueMs: retryAtMs });
  work.effects.push({ kind: "timer", place: placeOf(cell, index), dueMs: retryAtMs, why: "retry" });
}

/** Tries so far, lost ones not counted: they say nothing about the node. */
function triesOf(cell: Cell, { id, index }: PlanNode): number {
  const { since = cell.frame.base, losses = 0 } = moreOf(cell, id);
  return (cell.frame.attempt[index] ?? 0) - since - losses;
}

/** FA2. One that kills every executor must not go round for ever. */
function lost(work: Work, cell: Cell, node: PlanNode, hadBegun: boolean): void {
  const { id, index } = node;
  if (node.isOnce && hadBegun) {
    cell.frame.state[index] = NODE.unknown;
    return;
  }
  const losses = (moreOf(cell, id).losses ?? 0) + 1;
  setMore(cell, id, { ...moreOf(cell, id), losses });
  if (losses < LIMIT.nodeLosses.max) again(work, cell, node);
  else endFailed(work, cell, index, { code: "lost", message: `${losses} executors were lost` });
}

/** At once; or, if the run is paused, when it goes on. */
function again(work: Work, cell: Cell, node: PlanNode): void {
  cell.frame.state[node.index] = NODE.pending;
  beginNode(work, cell, node, ending);
}

function timerFired(work: Work, { place, dueMs }: Of<"timerFired">): Stale | undefined {
  const spot = spotOf(work, place);
  if (spot === undefined) return "no_place";
  const { cell, index } = spot;
  const node = nodeOf(cell, index);
  const state = stateAt(cell, index);
  if (isDeadAt(cell, index)) return "place_over";
  if (state !== NODE.waiting || moreOf(cell, node.id).dueMs !== dueMs) return "not_waiting";
  if (node.doer === "timer") endDone(work, cell, index, { dueMs });
  else if (node.doer === "people") timeIsUp(work, cell, node);
  else again(work, cell, node);
  return undefined;
}

function resolved(work: Work, place: string, outcome: Resolution): Stale | undefined {
  const spot = spotOf(work, place);
  if (spot === undefined) return "no_place";
  const { cell, index } = spot;
  const state = stateAt(cell, index);
  if (isDeadAt(cell, index)) return "place_over";
  if (state !== NODE.unknown) return "not_waiting";
  switch (outcome.kind) {
    case "done":
      endDone(work, cell, index, outcome.output);
      break;
    case "failed":
      endFailed(work, cell, index, outcome.fault);
      break;
    case "again": {
      const node = nodeOf(cell, index);
      setMore(cell, node.id, { since: cell.frame.attempt[index] ?? 0 }); // a doing of its own
      again(work, cell, node);
    }
  }
  return undefined;
}

function cancelled(work: Work, reason: string): Stale | undefined {
  const { run, root } = work;
  if (run.state === "undoing") return "run_undoing";
  if (run.ending !== null) {
    run.state = "undoing"; // it had failed while it was paused
    return undefined;
  }
  cancelCell(work, root);
  failRun(work, "cancelled", { code: "cancelled", message: reason });
  return undefined;
}

/** A run that is over its budget while it is paused undoes what it has done all the same. */
function exhausted(work: Work, fault: Fault): Stale | undefined {
  const { run, root } = work;
  if (run.state === "undoing") return "run_undoing";
  cancelCell(work, root);
  failRun(work, "failed", fault);
  run.state = "undoing";
  return undefined;
}

function paused({ run }: Work): Stale | undefined {
  if (run.state !== "running") return run.state === "paused" ? "paused_already" : "run_undoing";
  run.state = "paused";
  return undefined;
}

function resumed(work: Work): Stale | undefined {
  const { run } = work;
  if (run.state !== "paused") return "not_paused";
  run.state = run.ending === null ? "running" : "undoing";
  if (run.state === "running") sweep(work);
  return undefined;
}
