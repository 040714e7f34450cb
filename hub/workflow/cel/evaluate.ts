// A CEL tree turned into closures, once; evaluating calls them.
//
// CE1. It sees the names of its scope and nothing else: no clock, no chance, no global thing.
// CE2. Numbers are JSON's, so 1 and 1.0 are one number and `/` does not cut off; nothing is turned
//      into another kind by itself. All else is CEL: `&&` and `||` ask the other side if one fails,
//      equality is deep, a missing member is a fault that `has` avoids.
// CE3. Names and functions are known before it runs: what is not known is a fault of reading it.

import { isArray, isObject, type Json, memberOf } from "../json-value.ts";
import type { Binary, Node } from "./ast.ts";
import { CelFault } from "./fault.ts";
import { type Fuel, isEqual, spend, spendChars } from "./fuel.ts";
import { finite, kindOf, LIBRARY, order, typeFault } from "./library.ts";
import { bindMacro } from "./macros.ts";
import { asBool, type Env, type Locals, type Read, type Scope } from "./read.ts";

/** Throws CelFault cel_unknown_name, cel_unknown_function, cel_syntax, and what `scope.path` throws. */
export function bind<E extends Env>(node: Node, scope: Scope<E>, locals: Locals = []): Read<E> {
  const path = isShadowed(node, locals) ? undefined : scope.path?.(node);
  if (path !== undefined) return path;
  const inner = (of: Node): Read<E> => bind(of, scope, locals);
  switch (node.kind) {
    case "literal":
      return constant(node.value);
    case "name":
      return nameOf(node, scope, locals);
    case "member":
      return memberIn(inner(node.of), node.name, node.at);
    case "index":
      return indexIn(inner(node.of), inner(node.key), node.at);
    case "call":
      return bindMacro(node, scope, locals, bind) ?? callOf(node, inner);
    case "unary":
      return node.op === "!" ? not(inner(node.of)) : negative(inner(node.of));
    case "binary":
      return binary(node.op, inner(node.left), inner(node.right));
    case "choice":
      return choice(inner(node.test), inner(node.yes), inner(node.no));
    case "list":
      return listOf(node.items.map(inner));
    case "map":
      return mapOf(
        node.entries.map(({ key, value }) => ({ key: inner(key), value: inner(value) })),
      );
  }
}

/** A macro's variable hides a name of the scope. */
function isShadowed(node: Node, locals: Locals): boolean {
  if (node.kind === "name") return locals.includes(node.name);
  return (node.kind === "member" || node.kind === "index") && isShadowed(node.of, locals);
}

const constant =
  <E extends Env>(value: Json): Read<E> =>
  (env) => {
    spend(env.fuel, 1);
    return value;
  };

function nameOf<E extends Env>(
  { name, at }: { readonly name: string; readonly at: number },
  scope: Scope<E>,
  locals: Locals,
): Read<E> {
  const slot = locals.lastIndexOf(name);
  if (slot >= 0) {
    return (env) => {
      spend(env.fuel, 1);
      return env.locals[slot] ?? null;
    };
  }
  const read = scope.name(name);
  if (read === undefined) throw new CelFault("cel_unknown_name", `There is no "${name}" here`, at);
  return (env) => {
    spend(env.fuel, 1);
    return read(env);
  };
}

const memberIn =
  <E extends Env>(of: Read<E>, name: string, at: number): Read<E> =>
  (env) => {
    const value = of(env);
    spend(env.fuel, 1);
    if (!isObject(value)) throw typeFault(`"${name}" is read of a map`, value);
    const member = memberOf(value, name);
    if (member === undefined) throw new CelFault("cel_no_such_member", `There is no "${name}"`, at);
    return member;
  };

const indexIn =
  <E extends Env>(of: Read<E>, key: Read<E>, at: number): Read<E> =>
  (env) => {
    const value = of(env);
    const place = key(env);
    spend(env.fuel, 1);
    if (isArray(value) && typeof place === "number") {
      const item = value[place];
      if (item !== undefined) return item;
      throw new CelFault("cel_out_of_bounds", `The list has ${value.length} items`, at);
    }
    if (isObject(value) && typeof place === "string") {
      const member = memberOf(value, place);
      if (member !== undefined) return member;
      throw new CelFault("cel_no_such_member", `There is no "${place.slice(0, 100)}"`, at);
    }
    throw typeFault(`A ${kindOf(place)} is no key of this`, value);
  };

function callOf<E extends Env>(
  node: Extract<Node, { kind: "call" }>,
  inner: (of: Node) => Read<E>,
): Read<E> {
  const given = node.target === undefined ? node.args : [node.target, ...node.args];
  const found = LIBRARY.get(node.name);
  if (found === undefined) {
    throw new CelFault("cel_unknown_function", `There is no function "${node.name}"`, node.at);
  }
  if (given.length < found.argsMin || given.length > found.argsMax) {
    const { argsMin, argsMax } = found;
    const count = argsMin === argsMax ? `${argsMin}` : `${argsMin} to ${argsMax}`;
    throw new CelFault("cel_syntax", `${node.name} takes ${count} values`, node.at);
  }
  const args = given.map(inner);
  return (env) => {
    spend(env.fuel, 2);
    return found.call(
      args.map((arg) => arg(env)),
      env.fuel,
    );
  };
}

const not =
  <E extends Env>(of: Read<E>): Read<E> =>
  (env) => {
    spend(env.fuel, 1);
    return !asBool(of(env));
  };

const negative =
  <E extends Env>(of: Read<E>): Read<E> =>
  (env) => {
    spend(env.fuel, 1);
    const value = of(env);
    if (typeof value !== "number") throw typeFault("A number is needed here", value);
    return -value;
  };

const choice =
  <E extends Env>(test: Read<E>, yes: Read<E>, no: Read<E>): Read<E> =>
  (env) => {
    spend(env.fuel, 1);
    return asBool(test(env)) ? yes(env) : no(env);
  };

const listOf =
  <E extends Env>(items: readonly Read<E>[]): Read<E> =>
  (env) => {
    spend(env.fuel, 1 + items.length);
    return items.map((item) => item(env));
  };

const mapOf =
  <E extends Env>(
    entries: readonly { readonly key: Read<E>; readonly value: Read<E> }[],
  ): Read<E> =>
  (env) => {
    spend(env.fuel, 1 + entries.length);
    return Object.fromEntries(
      entries.map(({ key, value }) => {
        const name = key(env);
        if (typeof name !== "string") throw typeFault("A key is a string here", name);
        return [name, value(env)];
      }),
    ); // fromEntries defines members, `__proto__` too, and calls no setter
  };

function binary<E extends Env>(op: Binary, left: Read<E>, right: Read<E>): Read<E> {
  if (op === "&&") return eitherSide(left, right, false);
  if (op === "||") return eitherSide(left, right, true);
  return (env) => {
    spend(env.fuel, 1);
    return operate(op, left(env), right(env), env.fuel);
  };
}

/** The side that decides wins, even if the other one fails (langdef.md, "Logical Operators"). */
const eitherSide =
  <E extends Env>(left: Read<E>, right: Read<E>, decides: boolean): Read<E> =>
  (env) => {
    spend(env.fuel, 1);
    let fault: CelFault;
    try {
      return asBool(left(env)) === decides ? decides : asBool(right(env));
    } catch (error) {
      if (!(error instanceof CelFault) || error.code === "cel_too_costly") throw error;
      fault = error;
    }
    if (asBool(right(env)) === decides) return decides;
    throw fault;
  };

function operate(op: Binary, a: Json, b: Json, fuel: Fuel): Json {
  switch (op) {
    case "==":
      return isEqual(a, b, fuel);
    case "!=":
      return !isEqual(a, b, fuel);
    case "<":
      return order(a, b) < 0;
    case "<=":
      return order(a, b) <= 0;
    case ">":
      return order(a, b) > 0;
    case ">=":
      return order(a, b) >= 0;
    case "in":
      return isIn(a, b, fuel);
    case "+":
      return plus(a, b, fuel);
    case "-":
    case "*":
    case "/":
    case "%":
      return calculate(op, a, b);
    case "&&":
    case "||":
      throw new CelFault("cel_syntax", "This operator has a rule of its own"); // eitherSide
  }
}

function isIn(item: Json, of: Json, fuel: Fuel): boolean {
  if (isArray(of)) return of.some((other) => isEqual(item, other, fuel));
  if (isObject(of) && typeof item === "string") return Object.hasOwn(of, item);
  throw typeFault("`in` asks a list, or a map for a string", of);
}

function plus(a: Json, b: Json, fuel: Fuel): Json {
  if (typeof a === "number" && typeof b === "number") return finite(a + b);
  if (typeof a === "string" && typeof b === "string") {
    spendChars(fuel, a.length + b.length);
    return a + b;
  }
  if (isArray(a) && isArray(b)) {
    spend(fuel, a.length + b.length);
    return [...a, ...b];
  }
  throw new CelFault("cel_type", `A ${kindOf(a)} and a ${kindOf(b)} cannot be added`);
}

function calculate(op: "-" | "*" | "/" | "%", a: Json, b: Json): number {
  if (typeof a !== "number") throw typeFault("A number is needed here", a);
  if (typeof b !== "number") throw typeFault("A number is needed here", b);
  if (op === "-") return finite(a - b);
  if (op === "*") return finite(a * b);
  if (b === 0) throw new CelFault("cel_divide_by_zero", "Nothing can be divided by 0");
  return finite(op === "/" ? a / b : a % b);
}
