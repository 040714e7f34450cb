// CEL's macros (langdef.md, "Macros"): has, all, exists, exists_one, map, filter.

import { isArray, isObject, type Json } from "../json-value.ts";
import type { Node } from "./ast.ts";
import { asBool, type Env, type Locals, type Read, type Scope } from "./read.ts";
import { CelFault } from "./fault.ts";
import { spend } from "./fuel.ts";
import { typeFault } from "./library.ts";

type Call = Extract<Node, { kind: "call" }>;
type Bind = <E extends Env>(node: Node, scope: Scope<E>, locals: Locals) => Read<E>;

const COMPREHENSIONS = ["all", "exists", "exists_one", "map", "filter"] as const;
type Comprehension = (typeof COMPREHENSIONS)[number];

/** Undefined: the call is none of a macro. */
export function bindMacro<E extends Env>(
  node: Call,
  scope: Scope<E>,
  locals: Locals,
  bind: Bind,
): Read<E> | undefined {
  if (node.name === "has" && node.target === undefined) return has(node, scope, locals, bind);
  const macro = COMPREHENSIONS.find((name) => name === node.name);
  const [variable, ...rest] = node.args;
  if (macro === undefined || node.target === undefined || variable?.kind !== "name") {
    return undefined;
  }
  if (rest.length !== 1 && !(macro === "map" && rest.length === 2)) {
    throw new CelFault("cel_syntax", `${macro} takes a name and an expression`, node.at);
  }
  const over = bind(node.target, scope, locals);
  const within = [...locals, variable.name];
  const steps = rest.map((step) => bind(step, scope, within));
  return comprehension(macro, over, steps, locals.length);
}

/** Whether a member is there; its parents must be. */
function has<E extends Env>(node: Call, scope: Scope<E>, locals: Locals, bind: Bind): Read<E> {
  const [of] = node.args;
  if (node.args.length !== 1 || of?.kind !== "member") {
    throw new CelFault("cel_syntax", "has takes one path, as in has(inputs.name)", node.at);
  }
  if (scope.path?.(of) !== undefined) {
    const read = bind(of, scope, locals);
    return (env) => read(env) !== null;
  }
  const parent = bind(of.of, scope, locals);
  return (env) => {
    const value = parent(env);
    spend(env.fuel, 1);
    if (!isObject(value)) throw typeFault("has asks a map", value);
    return Object.hasOwn(value, of.name);
  };
}

/** Items of a list, keys of a map. */
function itemsOf(value: Json): readonly Json[] {
  if (isArray(value)) return value;
  if (isObject(value)) return Object.keys(value);
  throw typeFault("A list or a map is needed here", value);
}

function comprehension<E extends Env>(
  macro: Comprehension,
  over: Read<E>,
  steps: readonly Read<E>[],
  slot: number,
): Read<E> {
  const [first, second] = steps;
  if (first === undefined) throw new CelFault("cel_syntax", `${macro} takes an expression`);
  const each = (env: E, visit: (item: Json) => boolean): void => {
    for (const item of itemsOf(over(env))) {
      spend(env.fuel, 2);
      env.locals[slot] = item; // the place of this macro alone: locals are by depth
      if (visit(item)) return;
    }
  };
  switch (macro) {
    case "all":
      return (env) => decided(env, each, first, false);
    case "exists":
      return (env) => decided(env, each, first, true);
    case "exists_one":
      return (env) => {
        let count = 0;
        each(env, () => {
          if (asBool(first(env))) count += 1;
          return false;
        });
        return count === 1;
      };
    case "map":
    case "filter":
      return (env) => {
        const made: Json[] = [];
        each(env, (item) => {
          const isKept = macro === "map" && second === undefined ? true : asBool(first(env));
          if (isKept) made.push(macro === "filter" ? item : (second ?? first)(env));
          return false;
        });
        return made;
      };
  }
}

/** all and exists: an item that decides wins over items that fail. */
function decided<E extends Env>(
  env: E,
  each: (env: E, visit: (item: Json) => boolean) => void,
  test: Read<E>,
  decides: boolean,
): boolean {
  let fault: CelFault | undefined;
  let isDecided = false;
  each(env, () => {
    try {
      isDecided = asBool(test(env)) === decides;
    } catch (error) {
      if (!(error instanceof CelFault) || error.code === "cel_too_costly") throw error;
      fault ??= error;
    }
    return isDecided;
  });
  if (!isDecided && fault !== undefined) throw fault;
  return isDecided ? decides : !decides;
}
