// What a run is given, against what its workflow says it needs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Graph, InputRule } from "@gantry/shared/contract/workflow.ts";
import { type WorkflowFault, workflowFault } from "./fault.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  memberOf,
  setMember,
} from "./json-value.ts";
import { formatPointer } from "./json-pointer.ts";

const fits = ({ type }: InputRule, value: Json): boolean =>
  type === "any" ||
  (type === "list" && isArray(value)) ||
  (type === "object" && isObject(value)) ||
  typeof value === type;

/** Pointers are into the inputs. */
export function inputFaults(graph: Graph, given: JsonObject): readonly WorkflowFault[] {
  if (graph.inputs === undefined) return [];
  const rules = graph.inputs;
  const faults: WorkflowFault[] = [];
  for (const [name, rule] of Object.entries(rules)) {
    const value = memberOf(given, name);
    const isNeeded = rule.default === undefined && rule.required !== false;
    if (value !== undefined ? fits(rule, value) : !isNeeded) continue;
    const pointer = formatPointer([name]);
    if (value === undefined) {
      faults.push(workflowFault("missing_input", pointer, `The input "${name}" is missing`));
    } else {
      faults.push(workflowFault("bad_input", pointer, `"${name}" is to be a ${rule.type}`));
    }
  }
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(rules, name)) continue;
    const message = `The workflow has no input "${name}"`;
    faults.push(workflowFault("unknown_input", formatPointer([name]), message));
  }
  return faults;
}

/** With defaults; an input that may be missing and is becomes null. Throws bad_request. */
export function readInputs(graph: Graph, given: JsonObject): JsonObject {
  const faults = inputFaults(graph, given);
  const [first] = faults;
  if (first !== undefined) {
    throw new GantryError("bad_request", `The run cannot start: ${first.message}`, {
      details: { faults },
    });
  }
  if (graph.inputs === undefined) return given;
  const inputs: Record<string, Json> = {};
  for (const [name, rule] of Object.entries(graph.inputs)) {
    setMember(inputs, name, memberOf(given, name) ?? (rule.default as Json | undefined) ?? null); // z.json
  }
  return inputs;
}
