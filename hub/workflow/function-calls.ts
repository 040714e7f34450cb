// What a function of function nodes takes, and the call of one over the values of `with`.

import { CelFault } from "./cel/fault.ts";
import { type Fuel, spend } from "./cel/fuel.ts";
import { isArray, isObject, type Json, type JsonObject, memberOf } from "./json-value.ts";

type Kind = "any" | "string" | "number" | "list" | "object" | "strings";

export interface BuiltIn {
  readonly title: string;
  /** Members of `with`. A name that ends with `?` may be left out. */
  readonly takes: Readonly<Record<string, Kind>>;
  /** More members than `takes` names may be given. */
  readonly isOpen?: boolean;
  readonly call: (given: Given, fuel: Fuel) => Json;
}

/** Values that were checked against `takes`. */
interface Given {
  readonly all: JsonObject;
  readonly value: (name: string) => Json;
  readonly text: (name: string) => string;
  readonly number: (name: string) => number | undefined;
  readonly list: (name: string) => readonly Json[];
  readonly object: (name: string) => JsonObject;
  readonly strings: (name: string) => readonly string[];
}

const isKind = (kind: Kind, value: Json): boolean =>
  kind === "any" ||
  (kind === "list" && isArray(value)) ||
  (kind === "object" && isObject(value)) ||
  (kind === "strings" && isArray(value) && value.every((item) => typeof item === "string")) ||
  typeof value === kind;

/** Members of `with` that a function needs and does not get, or gets and does not know. */
export function misfits(
  builtIn: BuiltIn,
  given: readonly string[],
): {
  readonly missing: readonly string[];
  readonly unknown: readonly string[];
} {
  const takes = Object.keys(builtIn.takes);
  const names = new Set(takes.map((name) => name.replace(/\?$/, "")));
  const has = new Set(given);
  return {
    missing: takes.filter((name) => !name.endsWith("?") && !has.has(name)),
    unknown: builtIn.isOpen === true ? [] : given.filter((name) => !names.has(name)),
  };
}

/** Throws CelFault. */
export function callBuiltIn(builtIn: BuiltIn, all: JsonObject, fuel: Fuel): Json {
  spend(fuel, 2);
  for (const [take, kind] of Object.entries(builtIn.takes)) {
    const name = take.replace(/\?$/, "");
    const value = memberOf(all, name);
    if (value === undefined && take.endsWith("?")) continue;
    if (!isKind(kind, value ?? null)) {
      throw new CelFault("cel_type", `\`${name}\` is to be a ${kind}`);
    }
  }
  return builtIn.call(givenOf(all), fuel);
}

/** The casts hold: callBuiltIn has just looked. */
const givenOf = (all: JsonObject): Given => ({
  all,
  value: (name) => memberOf(all, name) ?? null,
  text: (name) => memberOf(all, name) as string,
  number: (name) => memberOf(all, name) as number | undefined,
  list: (name) => memberOf(all, name) as readonly Json[],
  object: (name) => memberOf(all, name) as JsonObject,
  strings: (name) => memberOf(all, name) as readonly string[],
});
