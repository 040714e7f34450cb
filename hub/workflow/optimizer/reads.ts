// What the expressions of a node read, as far as their text says.
//
// RD1. Never less than what is read: a macro's variable that hides a name counts as that name.

import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Node } from "../cel/ast.ts";
import { namesIn } from "../cel/names.ts";
import { parseCel } from "../cel/parse.ts";
import { isArray, isObject, type Json } from "../json-value.ts";
import { testsIn, valuesIn } from "../node-values.ts";
import { bare, partsOf } from "../template.ts";

export interface Reads {
  /** Ids, those of the graphs around included. */
  readonly nodes: ReadonlySet<string>;
  /** Ids of which more than the output is read: `state` or `error`. */
  readonly endings: ReadonlySet<string>;
  /** inputs, item, index, state, round, and variables of macros. */
  readonly names: ReadonlySet<string>;
}

/** Bodies included. Throws CelFault for a text that cannot be read: the graph was compiled before. */
export function readsOf(node: WorkflowNode): Reads {
  return gather(expressionsOf(node));
}

/** Of a value with expressions in it, e.g. a graph's output. */
export const readsOfValue = (value: Json): Reads => gather(expressionsIn(value));

export const readsOfGraph = (graph: Graph): Reads => gather(expressionsOfGraph(graph));

function gather(expressions: readonly Node[]): Reads {
  const found = { nodes: new Set<string>(), endings: new Set<string>(), names: new Set<string>() };
  for (const expression of expressions) {
    for (const name of namesIn(expression)) if (name !== "nodes") found.names.add(name);
    collect(expression, found);
  }
  return found;
}

function expressionsOf(node: WorkflowNode): readonly Node[] {
  const own = [
    ...Object.values(valuesIn(node)).flatMap(expressionsIn),
    ...testsIn(node).map(({ text }) => parseCel(bare(text))),
  ];
  if (node.type === "loop") own.push(parseCel(bare(node.while)));
  return node.type === "map" || node.type === "loop"
    ? [...own, ...expressionsOfGraph(node.body)]
    : own;
}

const expressionsOfGraph = ({ nodes, output }: Graph): readonly Node[] => [
  ...Object.values(nodes).flatMap(expressionsOf),
  ...(output === undefined ? [] : expressionsIn(output)),
];

function expressionsIn(value: Json): readonly Node[] {
  if (typeof value === "string")
    return partsOf(value).flatMap(({ isExpression, text }) =>
      isExpression ? [parseCel(text)] : [],
    );
  if (isArray(value)) return value.flatMap(expressionsIn);
  return isObject(value) ? Object.values(value).flatMap(expressionsIn) : [];
}

interface Found {
  readonly nodes: Set<string>;
  readonly endings: Set<string>;
}

function collect(node: Node, found: Found): void {
  const field = fieldOf(node);
  if (field !== undefined) {
    found.nodes.add(field.id);
    if (field.field !== "output") found.endings.add(field.id);
    return;
  }
  for (const part of partsOfNode(node)) collect(part, found);
}

/** `nodes.ID.FIELD`, also as nodes["ID"].FIELD: the only way in which nodes are read. */
export function fieldOf(node: Node): { readonly id: string; readonly field: string } | undefined {
  const field = stepOf(node);
  const owner = field === undefined ? undefined : stepOf(field.of);
  if (field === undefined || owner?.of.kind !== "name" || owner.of.name !== "nodes")
    return undefined;
  return { id: owner.name, field: field.name };
}

export function stepOf(node: Node): { readonly of: Node; readonly name: string } | undefined {
  if (node.kind === "member") return { of: node.of, name: node.name };
  if (node.kind !== "index" || node.key.kind !== "literal") return undefined;
  const { value } = node.key;
  return typeof value === "string" ? { of: node.of, name: value } : undefined;
}

export function partsOfNode(node: Node): readonly Node[] {
  switch (node.kind) {
    case "literal":
    case "name":
      return [];
    case "member":
      return [node.of];
    case "index":
      return [node.of, node.key];
    case "call":
      return node.target === undefined ? node.args : [node.target, ...node.args];
    case "unary":
      return [node.of];
    case "binary":
      return [node.left, node.right];
    case "choice":
      return [node.test, node.yes, node.no];
    case "list":
      return node.items;
    case "map":
      return node.entries.flatMap(({ key, value }) => [key, value]);
  }
}
