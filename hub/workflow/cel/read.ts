// What a read expression is, and what it is given when it is evaluated.

import type { Json } from "../json-value.ts";
import type { Node } from "./ast.ts";
import type { Fuel } from "./fuel.ts";
import { typeFault } from "./library.ts";

export interface Env {
  readonly fuel: Fuel;
  /** Variables of macros, by depth. */
  readonly locals: Json[];
}

/** Throws CelFault. */
export type Read<E extends Env> = (env: E) => Json;

/** What an expression sees. */
export interface Scope<E extends Env> {
  readonly name: (name: string) => Read<E> | undefined;
  /** Asked for each member before its parts are: for paths that are read as one. Throws CelFault. */
  readonly path?: (node: Node) => Read<E> | undefined;
}

/** Variables of the macros around, innermost last. */
export type Locals = readonly string[];

export function asBool(value: Json): boolean {
  if (typeof value !== "boolean") throw typeFault("A bool is needed here", value);
  return value;
}
