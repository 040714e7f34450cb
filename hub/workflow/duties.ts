// What one node owes the world, read off its state: the same words whether it has just come to that
// state or is found in it after a crash (EN3).

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Fuel } from "./cel/fuel.ts";
import { type Effect, type Frame, NODE } from "./engine-types.ts";
import { isObject, type Json, type JsonObject, memberOf } from "./json-value.ts";
import type { PlanNode } from "./plan.ts";
import type { RunEnv, Sight } from "./scope.ts";
import { moreIn } from "./draft.ts";
import { fill } from "./template.ts";

/** Where a node is, as far as its duties need to know. */
export interface DutySpot extends Sight {
  readonly frame: Frame;
  readonly prefix: string;
}

/** For one expression or one node's values. */
export const envOf = (
  inputs: JsonObject,
  sight: Sight,
  fuel: Fuel = { left: LIMIT.celSteps.max },
): RunEnv => ({ fuel, locals: [], inputs, sight });

/** Throws CelFault. Values of a node are always an object. */
export function valuesOf(node: PlanNode, env: RunEnv): JsonObject {
  const values = fill(node.values, env);
  return isObject(values) ? values : {};
}

export function keyOf(runId: string, spot: DutySpot, node: PlanNode): string {
  const since = moreIn(spot.frame, node.id).since ?? spot.frame.base;
  return `${runId}/${spot.prefix}${node.id}${since > 0 ? `~${since}` : ""}`;
}

/** What is owed for a node that is ready, running or waiting. Throws CelFault for its values. */
export function dutiesOf(
  runId: string,
  inputs: JsonObject,
  spot: DutySpot,
  node: PlanNode,
): readonly Effect[] {
  const state = spot.frame.state[node.index];
  const place = spot.prefix + node.id;
  if (state === NODE.waiting) return waitingFor(inputs, spot, node, place);
  if (state !== NODE.ready && state !== NODE.running) return [];
  const values = valuesOf(node, envOf(inputs, spot));
  return [dispatchOf(runId, spot, node, values, state === NODE.running)];
}

export function dispatchOf(
  runId: string,
  spot: DutySpot,
  node: PlanNode,
  values: JsonObject,
  begun: boolean,
): Effect {
  const common = {
    place: spot.prefix + node.id,
    attempt: spot.frame.attempt[node.index] ?? 0,
    idempotencyKey: keyOf(runId, spot, node),
    begun,
  };
  if (node.node.type !== "subworkflow") {
    return { kind: "dispatch", ...common, node: node.node, values, isUndo: node.isUndo };
  }
  const given: Json = memberOf(values, "with") ?? {};
  const workflow = node.node.workflow;
  return { kind: "child", ...common, workflow, inputs: isObject(given) ? given : {} };
}

function waitingFor(
  inputs: JsonObject,
  spot: DutySpot,
  node: PlanNode,
  place: string,
): readonly Effect[] {
  const { dueMs } = moreIn(spot.frame, node.id);
  if (dueMs === undefined) return []; // a map or loop: its body is what is owed
  if (node.doer === "timer") return [{ kind: "timer", place, dueMs, why: "delay" }];
  if (node.doer !== "people") return [{ kind: "timer", place, dueMs, why: "retry" }];
  const { question = "" } = valuesOf(node, envOf(inputs, spot));
  const ticket = ticketOf(spot, node, place, dueMs, typeof question === "string" ? question : "");
  return [...ticket, { kind: "timer", place, dueMs, why: "approval" }];
}

export function ticketOf(
  spot: DutySpot,
  { id, node }: PlanNode,
  place: string,
  dueMs: number,
  question: string,
): readonly Effect[] {
  if (node.type !== "approval") return [];
  const { votes = [], escalated = false } = moreIn(spot.frame, id);
  const more = escalated && node.escalateTo !== undefined ? [node.escalateTo] : [];
  const { people = [], approvals } = node;
  const roles = [node.role, ...more];
  return [{ kind: "ticket", place, question, roles, people, approvals, votes, escalated, dueMs }];
}
