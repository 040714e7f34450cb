// What can be said of a node before it runs: that it changes nothing outside, that it cannot fail.
//
// CN1. Pure: a function node without an effect of its own, and what says `effect: pure`. Nothing else:
//      a GET is idempotent, not pure; an artifact is kept; people and time are the world.
// CN2. Certain: pure, computed by the engine, and no value whatever makes it fail. A run that fails
//      stops all that has not begun, so a node that may fail must not move against nodes with effects.

import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Node } from "../cel/ast.ts";
import { CelFault } from "../cel/fault.ts";
import { parseCel } from "../cel/parse.ts";
import { callBuiltIn } from "../function-calls.ts";
import { FUNCTIONS } from "../functions.ts";
import { isArray, isObject, type Json, type JsonObject, memberOf } from "../json-value.ts";
import { DOERS, valuesIn } from "../node-values.ts";
import { partsOf } from "../template.ts";
import { fieldOf, stepOf } from "./reads.ts";

/** CN1. */
export const isPure = (node: WorkflowNode): boolean =>
  node.effect === "pure" || (node.type === "function" && node.effect === undefined);

/** Joins and branches have no effect, but what they give depends on the edges at them. */
export const isEffectFree = (node: WorkflowNode): boolean =>
  isPure(node) || ((node.type === "join" || node.type === "branch") && node.effect === undefined);

export const isExecuted = (node: WorkflowNode): boolean => DOERS[node.type] === "executor";

/** Nothing in the graph touches the world. */
export const isPureGraph = (graph: Graph): boolean =>
  Object.values(graph.nodes).every((node) =>
    node.type === "map" || node.type === "loop" ? isPureGraph(node.body) : isEffectFree(node),
  );

/** CN2. `inputs`: those of the whole workflow. */
export function isCertain(node: WorkflowNode, inputs: Graph["inputs"]): boolean {
  if (node.type !== "function" || !isPure(node)) return false;
  const given = node.with as JsonObject; // JSON by its schema
  if (isConstant(given)) return succeeds(node.function, given);
  if (node.function === "value" || node.function === "object") return isSafe(given, inputs);
  if (node.function !== "get") return false;
  const path = memberOf(given, "path") ?? null; // a path is a list of texts, or get fails
  const isPath =
    isArray(path) && path.every((step) => typeof step === "string") && isConstant(path);
  return isPath && isSafe(given, inputs);
}

/** Its values are worked out without fail, so that a failure can only come from its executor. */
export const hasSafeValues = (node: WorkflowNode, inputs: Graph["inputs"]): boolean =>
  Object.values(valuesIn(node)).every((value) => isSafe(value, inputs));

export const isConstant = (value: Json): boolean => {
  if (typeof value === "string") return !value.includes("${");
  if (isArray(value)) return value.every(isConstant);
  return !isObject(value) || Object.values(value).every(isConstant);
};

function succeeds(name: string, given: JsonObject): boolean {
  const builtIn = FUNCTIONS.get(name);
  if (builtIn === undefined) return false;
  try {
    callBuiltIn(builtIn, given, { left: LIMIT.celSteps.max / 2 }); // half: filling in the values costs, too
    return true;
  } catch (error) {
    if (error instanceof CelFault) return false;
    throw error;
  }
}

function isSafe(value: Json, inputs: Graph["inputs"]): boolean {
  if (isArray(value)) return value.every((item) => isSafe(item, inputs));
  if (isObject(value)) return Object.values(value).every((item) => isSafe(item, inputs));
  if (typeof value !== "string" || !value.includes("${")) return true;
  const parts = partsOf(value);
  const isAlone = parts.length === 1;
  return parts.every(
    ({ isExpression, text }) =>
      !isExpression ||
      (isAlone ? isSafeValue(parseCel(text), inputs) : isSafeText(parseCel(text), inputs)),
  );
}

/** It gives a value, whatever the values are that it reads. */
function isSafeValue(node: Node, inputs: Graph["inputs"]): boolean {
  if (isSafeText(node, inputs) || fieldOf(node) !== undefined) return true;
  if (node.kind === "name")
    return ["inputs", "item", "index", "state", "round"].includes(node.name);
  if (inputOf(node, inputs) !== undefined) return true;
  return node.kind === "list" && node.items.every((item) => isSafeValue(item, inputs));
}

/** It can be put into a text: nothing nested too deeply to be written. */
function isSafeText(node: Node, inputs: Graph["inputs"]): boolean {
  if (node.kind === "literal") return node.value === null || typeof node.value !== "object";
  if (node.kind === "name") return node.name === "index" || node.name === "round";
  const type = inputOf(node, inputs);
  return type === "string" || type === "number" || type === "boolean";
}

/** The type of an input that is surely there. */
function inputOf(node: Node, inputs: Graph["inputs"]): string | undefined {
  const step = stepOf(node);
  if (step?.of.kind !== "name" || step.of.name !== "inputs" || inputs === undefined)
    return undefined;
  const rule = Object.hasOwn(inputs, step.name) ? inputs[step.name] : undefined;
  if (rule === undefined || (rule.required === false && rule.default === undefined))
    return undefined;
  return rule.default === undefined || typeof rule.default === rule.type ? rule.type : "any";
}
