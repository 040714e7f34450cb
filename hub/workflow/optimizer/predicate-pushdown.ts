// Items that a filter throws away after a map need not go through the map: a filter of the same meaning
// is put before it.
//
//   over: inputs.parts                      over: type(inputs.parts) == "list" && ... ?
//   body output: {part: "${item}", ...}  =>       inputs.parts.filter(v, ... v.kind == "gear") : inputs.parts
//   nodes.each.output.filter(v, v.part.kind == "gear")
//
// PP1. The filter after the map stays and decides. The one before keeps every item on which the test
//      could fail, so what fails, fails as it did.
// PP2. Only of maps whose bodies are pure, count no items, and are read by this filter alone.
// PP3. Only tests of one member against a constant, and `&&`, `||` of such: for these it is known
//      beforehand when they fail.
// PP4. The new test must not cost a run its fuel: beyond ITEMS_MAX items the list is taken as it is.

import type { MapNode } from "@gantry/shared/contract/workflow.ts";
import type { Node } from "../cel/ast.ts";
import { parseCel } from "../cel/parse.ts";
import { isObject, type Json, memberOf } from "../json-value.ts";
import type { NodeOperation } from "../node-patch.ts";
import { bare, partsOf } from "../template.ts";
import { isPureGraph } from "./certain.ts";
import type { Pass } from "./pass.ts";
import { fieldOf, readsOfGraph, stepOf } from "./reads.ts";
import type { View } from "./view.ts";

const ITEMS_MAX = 500; // times about 40 steps for a test: well below LIMIT.celSteps

export const pushPredicates: Pass = (view) => {
  const operations: NodeOperation[] = [];
  const notes: string[] = [];
  for (const id of view.ids) {
    const filter = filterIn(view, id);
    const over = filter === undefined ? undefined : filteredOver(view, id, filter);
    if (filter === undefined || over === undefined) continue;
    operations.push({ op: "setNode", id: filter.map, at: "/over", value: over });
    notes.push(`"${filter.map}" goes over those items only that "${id}" may keep`);
  }
  return { operations, notes };
};

interface Filter {
  readonly map: string;
  readonly variable: string;
  readonly test: Node;
}

/** A `value` node that is nothing but a filter of what a map gives. */
function filterIn(view: View, id: string): Filter | undefined {
  const node = view.node(id);
  if (node.type !== "function" || node.function !== "value" || !view.isSimple(id)) return undefined;
  const call = aloneIn(node.with["value"]);
  if (call?.kind !== "call" || call.name !== "filter" || call.target === undefined)
    return undefined;
  const [variable, test] = call.args;
  const source = fieldOf(call.target);
  if (variable?.kind !== "name" || test === undefined || source?.field !== "output")
    return undefined;
  return { map: source.id, variable: variable.name, test };
}

/** The expression that a text is as a whole. */
function aloneIn(value: Json | undefined): Node | undefined {
  if (typeof value !== "string") return undefined;
  const [part, ...rest] = partsOf(value);
  return part?.isExpression === true && rest.length === 0 ? parseCel(part.text) : undefined;
}

function filteredOver(view: View, id: string, { map, variable, test }: Filter): string | undefined {
  if (!view.ids.includes(map)) return undefined; // of a graph around
  const node = view.node(map);
  const readers = view.readers(map);
  const isOnly = readers.length === 1 && readers[0] === id && !view.isShown(map);
  if (node.type !== "map" || node.effect !== undefined || !isOnly || !view.isSimple(map))
    return undefined;
  if (!isMovable(node) || ["inputs", "nodes"].includes(variable)) return undefined;
  const keeps = keeping(test, variable, node.body.output);
  const list = bare(node.over).trim();
  if (keeps === undefined || !isPath(parseCel(list)) || list.includes(KEPT)) return undefined;
  return `type(${list}) == "list" && size(${list}) <= ${ITEMS_MAX} ? ${list}.filter(${KEPT}, ${keeps}) : ${list}`; // PP4
}

const KEPT = "kept_item";

/** PP2. */
const isMovable = ({ body, tolerate, cache }: MapNode): boolean =>
  tolerate === 0 &&
  cache === undefined &&
  isPureGraph(body) &&
  !readsOfGraph(body).names.has("index");

const isPath = (node: Node): boolean => {
  if (fieldOf(node)?.field === "output") return true;
  if (node.kind === "name") return node.name === "inputs";
  return node.kind === "member" && isPath(node.of);
};

/** A test of the item before the map: false only where the test after it is false (PP1, PP3). */
function keeping(test: Node, variable: string, output: Json | undefined): string | undefined {
  if (test.kind !== "binary") return undefined;
  if (test.op === "&&" || test.op === "||") {
    const [left, right] = [test.left, test.right].map((side) => keeping(side, variable, output));
    return left === undefined || right === undefined ? undefined : `(${left} ${test.op} ${right})`;
  }
  if (!isComparison(test.op) || test.right.kind !== "literal") return undefined;
  const steps = stepsOf(test.left, variable);
  const path = steps === undefined ? undefined : itemPath(steps, output);
  return path === undefined ? undefined : guarded(path, test.op, test.right.value);
}

const COMPARISONS = ["==", "!=", "<", "<=", ">", ">="];
const isComparison = (op: string): boolean => COMPARISONS.includes(op);

/** Of `v.a.b`: a, b. */
function stepsOf(node: Node, variable: string): readonly string[] | undefined {
  if (node.kind === "name") return node.name === variable ? [] : undefined;
  const step = stepOf(node);
  const before = step === undefined ? undefined : stepsOf(step.of, variable);
  return step === undefined || before === undefined ? undefined : [...before, step.name];
}

/** Where in the item that part of the body's output comes from. */
function itemPath(
  steps: readonly string[],
  output: Json | undefined,
): readonly string[] | undefined {
  if (output === undefined) return undefined;
  const whole = aloneIn(output);
  if (whole !== undefined) {
    const own = stepsOf(whole, "item");
    return own === undefined ? undefined : [...own, ...steps];
  }
  const [first, ...rest] = steps;
  if (first === undefined || !isObject(output)) return undefined;
  return itemPath(rest, memberOf(output, first));
}

/** True wherever the comparison would fail, or the item has no such member. */
function guarded(path: readonly string[], op: string, value: Json): string | undefined {
  if (typeof value === "object" && value !== null) return undefined;
  const guards: string[] = [];
  let here = KEPT;
  for (const step of path) {
    const key = JSON.stringify(step);
    guards.push(`type(${here}) == "map"`, `${key} in ${here}`);
    here = `${here}[${key}]`;
  }
  const isOrder = op !== "==" && op !== "!=";
  if (isOrder && typeof value !== "number" && typeof value !== "string") return undefined;
  if (isOrder) guards.push(`type(${here}) == "${typeof value}"`);
  const compared = `${here} ${op} ${JSON.stringify(value)}`;
  return guards.length === 0 ? `(${compared})` : `(!(${guards.join(" && ")}) || ${compared})`;
}
