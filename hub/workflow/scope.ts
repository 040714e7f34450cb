// What the expressions of a workflow see: `inputs`, `nodes.ID.output | state | error` of nodes that
// come before, in a map's body `item` and `index`, in a loop's `state` and `round`; and what is seen
// around the body. The nearest one of a name wins.

import type { Node } from "./cel/ast.ts";
import type { Env, Read, Scope } from "./cel/read.ts";
import { CelFault } from "./cel/fault.ts";
import { type Fuel, spend } from "./cel/fuel.ts";
import { type Frame, NODE_STATES } from "./engine-types.ts";
import type { Json, JsonObject } from "./json-value.ts";

/** A frame and those around it. */
export interface Sight {
  readonly frame: Frame;
  readonly around: Sight | null;
}

export interface RunEnv extends Env {
  readonly fuel: Fuel;
  readonly locals: Json[];
  readonly inputs: JsonObject;
  readonly sight: Sight;
}

export type RunRead = Read<RunEnv>;

/** What is known of a frame before there is one. */
export interface Level {
  readonly around: Level | null;
  readonly vars: readonly string[];
  /** Index of a node, whether it comes before the one that reads or not. */
  readonly indexOf: ReadonlyMap<string, number>;
  /** Whether the node at this index is surely over when the reader begins. */
  readonly isBefore: (index: number) => boolean;
}

/** Of the run's own inputs; undefined: any may be read. */
export type InputNames = ReadonlySet<string> | undefined;

const FIELDS = ["output", "state", "error"] as const;
type Field = (typeof FIELDS)[number];

export function scopeOf(level: Level, inputs: InputNames): Scope<RunEnv> {
  return {
    name: (name) => nameIn(level, name),
    path: (node) => nodePath(level, node) ?? inputPath(inputs, node),
  };
}

function nameIn(level: Level, name: string): RunRead | undefined {
  if (name === "inputs") return (env) => env.inputs;
  if (name === "nodes") throw new CelFault("cel_syntax", "Nodes are read as nodes.ID.output");
  let steps = 0;
  for (let at: Level | null = level; at !== null; at = at.around, steps += 1) {
    if (at.vars.includes(name)) return varAt(steps, name);
  }
  return undefined;
}

function sightAt(env: RunEnv, steps: number): Sight {
  let { sight } = env;
  for (let step = 0; step < steps && sight.around !== null; step += 1) sight = sight.around;
  return sight;
}

const varAt =
  (steps: number, name: string): RunRead =>
  (env) =>
    sightAt(env, steps).frame.vars[name] ?? null;

/** `a.b` and `a["b"]` alike. */
function memberOfPath(node: Node): { readonly of: Node; readonly name: string } | undefined {
  if (node.kind === "member") return { of: node.of, name: node.name };
  if (node.kind !== "index" || node.key.kind !== "literal") return undefined;
  const { value } = node.key;
  return typeof value === "string" ? { of: node.of, name: value } : undefined;
}

/** nodes.ID.FIELD as one. */
function nodePath(level: Level, node: Node): RunRead | undefined {
  const field = memberOfPath(node);
  if (field === undefined) return undefined;
  const owner = memberOfPath(field.of);
  if (owner === undefined || owner.of.kind !== "name" || owner.of.name !== "nodes")
    return undefined;
  const known = FIELDS.find((name) => name === field.name);
  if (known === undefined) {
    throw new CelFault("cel_no_such_member", "A node has output, state and error", node.at);
  }
  return readerOf(level, owner.name, known, node.at);
}

function readerOf(level: Level, id: string, field: Field, at: number): RunRead {
  let steps = 0;
  for (let here: Level | null = level; here !== null; here = here.around, steps += 1) {
    const index = here.indexOf.get(id);
    if (index === undefined) continue;
    if (!here.isBefore(index)) throw new NotBefore(id, at);
    return nodeReader(steps, index, id, field);
  }
  throw new UnknownNode(id, at);
}

function nodeReader(steps: number, index: number, id: string, field: Field): RunRead {
  switch (field) {
    case "output":
      return (env) => {
        spend(env.fuel, 1);
        return sightAt(env, steps).frame.output[index] ?? null;
      };
    case "state":
      return (env) => NODE_STATES[sightAt(env, steps).frame.state[index] ?? 0] ?? "pending";
    case "error":
      return (env) => {
        const { more } = sightAt(env, steps).frame;
        const fault = Object.hasOwn(more, id) ? more[id]?.fault : undefined;
        return fault === undefined ? null : { code: fault.code, message: fault.message };
      };
  }
}

/** inputs.NAME: refused if the workflow says which inputs it has, and this is none of them. */
function inputPath(inputs: InputNames, node: Node): undefined {
  const member = memberOfPath(node);
  const isInput = member?.of.kind === "name" && member.of.name === "inputs";
  if (isInput && inputs !== undefined && !inputs.has(member.name)) {
    throw new UnknownInput(member.name, node.at);
  }
  return undefined;
}

export class NotBefore extends CelFault {
  constructor(id: string, at: number) {
    super("cel_unknown_name", `The node "${id}" does not come before this one`, at);
  }
}

export class UnknownNode extends CelFault {
  constructor(id: string, at: number) {
    super("cel_unknown_name", `There is no node "${id}"`, at);
  }
}

export class UnknownInput extends CelFault {
  constructor(name: string, at: number) {
    super("cel_unknown_name", `The workflow has no input "${name}"`, at);
  }
}
