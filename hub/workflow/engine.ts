// The workflow engine: see engine-types.ts for its words and invariants. Pure.

import { assert } from "@gantry/shared/base/assert.ts";
import { beginWork, newFrame, type Work } from "./draft.ts";
import {
  type Advanced,
  type Effect,
  type Fact,
  isRunOver,
  type RunState,
  type Stale,
} from "./engine-types.ts";
import { applyFact } from "./facts.ts";
import { readInputs } from "./inputs.ts";
import type { JsonObject } from "./json-value.ts";
import { settle } from "./moves.ts";
import { owed } from "./owed.ts";
import type { Plan } from "./plan.ts";
import { retryFrom } from "./retry-from.ts";
import { undoNext } from "./undoing.ts";

/** `id` is the run's; it is in every idempotency key. Throws bad_request if inputs do not fit. */
export function start(plan: Plan, id: string, given: JsonObject, nowMs: number): Advanced {
  const inputs = readInputs(plan.graph, given);
  const run: RunState = {
    id,
    graph: plan.hash,
    revision: 0,
    state: "running",
    inputs,
    root: newFrame(plan.root, {}, 0),
    undo: [],
    ending: null,
    fault: null,
    frames: 0,
    retries: 0,
    output: null,
    startedMs: nowMs,
    endedMs: null,
  };
  const work = beginWork(plan, run, nowMs);
  for (const index of plan.root.first) work.agenda.push({ cell: work.root, index });
  return ended(work);
}

/** `plan` is that of `run.graph`. The same arguments give the same answer, anywhere. */
export function advance(plan: Plan, run: RunState, fact: Fact, nowMs: number): Advanced {
  assert(plan.hash === run.graph, "the plan is not that of the run's graph");
  if (isRunOver(run.state) !== (fact.kind === "retriedFrom")) {
    return unchanged(run, fact.kind === "retriedFrom" ? "run_not_over" : "run_over");
  }
  if (fact.kind === "continued" && !owed(plan, run).some(({ kind }) => kind === "continue")) {
    return unchanged(run, "not_waiting");
  }
  const work = beginWork(plan, run, nowMs);
  const stale =
    fact.kind === "retriedFrom"
      ? retryFrom(work, [fact.node, ...(fact.also ?? [])])
      : applyFact(work, fact);
  if (stale !== undefined) return unchanged(run, stale);
  const after = ended(work);
  if (fact.kind !== "resumed" || isRunOver(after.run.state)) return after;
  return { ...after, effects: owed(plan, after.run) }; // what was ready before the pause, too
}

const unchanged = (run: RunState, stale: Stale): Advanced => ({ run, effects: NONE, stale });
const NONE: readonly Effect[] = [];

function ended(work: Work): Advanced {
  settle(work);
  undoNext(work);
  const { run, effects, named } = work;
  return named === undefined ? { run, effects } : { run, effects, named };
}
