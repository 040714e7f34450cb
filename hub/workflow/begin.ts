// How a node begins. What the engine does by itself is over at once and is no record of the log (EN2);
// all else becomes a duty (duties.ts).

import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { callBuiltIn } from "./function-calls.ts";
import { CelFault } from "./cel/fault.ts";
import { asBool } from "./cel/read.ts";
import { type Cell, type Ending, moreOf, placeOf, setMore, type Work } from "./draft.ts";
import { dispatchOf, envOf, ticketOf, valuesOf } from "./duties.ts";
import { type More, NODE } from "./engine-types.ts";
import { faultOf } from "./faults.ts";
import { isArray, isObject, type Json, type JsonObject, memberOf } from "./json-value.ts";
import { isTaken } from "./edges.ts";
import type { PlanNode } from "./plan.ts";
import { pump } from "./repeat.ts";
import type { RunEnv } from "./scope.ts";
import { timeMs } from "./time-parts.ts";

/** Its edges say that it may; it does not while the run is paused (MV3). */
export function beginNode(work: Work, cell: Cell, node: PlanNode, ending: Ending): void {
  if (work.run.state === "paused") return;
  const { index, id } = node;
  const { since, losses } = moreOf(cell, id);
  if (Object.hasOwn(cell.frame.more, id)) setMore(cell, id, ofDoing(since, losses));
  cell.frame.attempt[index] = (cell.frame.attempt[index] ?? 0) + 1;
  const env = envOf(work.run.inputs, cell);
  try {
    beginAs(work, cell, node, env, ending);
  } catch (error) {
    ending.failed(work, cell, index, faultOf(error));
  }
  work.fuel.left -= LIMIT.celSteps.max - env.fuel.left;
}

/** What is kept from one attempt to the next. */
const ofDoing = (since: number | undefined, losses: number | undefined): More | undefined =>
  since === undefined && losses === undefined
    ? undefined
    : { ...(since === undefined ? {} : { since }), ...(losses === undefined ? {} : { losses }) };

/** Throws CelFault. */
function beginAs(work: Work, cell: Cell, node: PlanNode, env: RunEnv, ending: Ending): void {
  switch (node.doer) {
    case "engine":
      ending.done(work, cell, node.index, computed(work, cell, node, env));
      return;
    case "executor":
    case "child": {
      const values = valuesOf(node, env);
      cell.frame.state[node.index] = NODE.ready;
      work.effects.push(dispatchOf(work.run.id, cell, node, values, false));
      return;
    }
    case "timer":
      beginTimer(work, cell, node, env, ending);
      return;
    case "people":
      ask(work, cell, node, env);
      return;
    case "body":
      beginBody(work, cell, node, env, ending);
  }
}

/** Throws CelFault. */
function computed(work: Work, cell: Cell, node: PlanNode, env: RunEnv): Json {
  const { node: given, builtIn } = node;
  if (given.type === "branch") return branch(cell, node, given, env);
  if (given.type === "join") return joined(cell, node);
  const values = valuesOf(node, env);
  if (given.type === "artifact") {
    const { name = null, value = null } = values;
    if (typeof name !== "string") throw new CelFault("cel_type", "The name is to be a string");
    const { mediaType } = given;
    const attempt = cell.frame.attempt[node.index] ?? 0;
    work.named ??= [];
    work.named.push({ place: placeOf(cell, node.index), attempt, name, mediaType, value });
    return { name, mediaType, value };
  }
  if (builtIn === undefined) throw new CelFault("cel_unknown_function", "It has no function");
  const all = memberOf(values, "with") ?? {};
  return callBuiltIn(builtIn, isObject(all) ? all : {}, env.fuel);
}

function branch(
  cell: Cell,
  node: PlanNode,
  { cases, otherwise = "" }: Extract<WorkflowNode, { type: "branch" }>,
  env: RunEnv,
): Json {
  const found = node.tests.findIndex((test) => asBool(test(env)));
  const take = cases[found]?.take ?? otherwise;
  setMore(cell, node.id, { ...moreOf(cell, node.id), take });
  return { take: take === "" ? null : take };
}

/** With a count it holds the outputs itself, because what it waits for goes on after it. */
function joined(cell: Cell, node: PlanNode): Json {
  const from = node.ins.filter((edge) => isTaken(cell, edge)).map((edge) => edge.from);
  const ids = from.map((index) => cell.body.nodes[index]?.id ?? "");
  if (node.count === 0) return { taken: ids };
  const entries = from.map(
    (index, at) => [ids[at] ?? "", cell.frame.output[index] ?? null] as const,
  );
  return { taken: ids, outputs: Object.fromEntries(entries) };
}

function beginTimer(
  work: Work,
  cell: Cell,
  { node, id, index, tests }: PlanNode,
  env: RunEnv,
  ending: Ending,
): void {
  if (node.type !== "timer") return;
  const [until] = tests;
  const dueMs = until === undefined ? work.nowMs + (node.delayMs ?? 0) : timeMs(until(env));
  if (dueMs <= work.nowMs) {
    ending.done(work, cell, index, { dueMs });
    return;
  }
  cell.frame.state[index] = NODE.waiting;
  setMore(cell, id, { ...moreOf(cell, id), dueMs });
  work.effects.push({ kind: "timer", place: placeOf(cell, index), dueMs, why: "delay" });
}

function ask(work: Work, cell: Cell, node: PlanNode, env: RunEnv): void {
  if (node.node.type !== "approval") return;
  const { question = "" } = valuesOf(node, env);
  if (typeof question !== "string")
    throw new CelFault("cel_type", "The question is to be a string");
  const dueMs = work.nowMs + node.node.waitMs;
  const place = placeOf(cell, node.index);
  cell.frame.state[node.index] = NODE.waiting;
  setMore(cell, node.id, { ...moreOf(cell, node.id), dueMs, votes: [] });
  work.effects.push(...ticketOf(cell, node, place, dueMs, question));
  work.effects.push({ kind: "timer", place, dueMs, why: "approval" });
}

function beginBody(work: Work, cell: Cell, node: PlanNode, env: RunEnv, ending: Ending): void {
  const { id, index } = node;
  const kept = moreOf(cell, id);
  if (node.node.type === "map") {
    const items = node.tests[0]?.(env) ?? null;
    if (!isArray(items)) throw new CelFault("cel_type", "`over` is to be a list");
    if (items.length > LIMIT.mapItems.max) {
      const message = `${items.length} items, over ${LIMIT.mapItems.max}`;
      ending.failed(work, cell, index, { code: "too_many_items", message });
      return;
    }
    const results = items.map(() => null);
    setMore(cell, id, { ...kept, items, results, next: 0, ended: 0, failures: 0, frames: {} });
  } else {
    const values: JsonObject = valuesOf(node, env);
    setMore(cell, id, { ...kept, state: memberOf(values, "start") ?? null, next: 0, frames: {} });
  }
  cell.frame.state[index] = NODE.waiting;
  pump(work, cell, node, ending);
}
