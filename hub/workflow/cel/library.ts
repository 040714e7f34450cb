// The functions of CEL that are spoken here: those of cel-spec's standard definitions and of its
// strings and math extensions that need neither a clock nor a pattern. `x.f(y)` is f(x, y).
// Regular expressions (`matches`) are left out: no bound on their cost could be kept.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import { isArray, isObject, type Json, measure, memberOf } from "../json-value.ts";
import { CelFault } from "./fault.ts";
import { type Fuel, isEqual, spend, spendChars, spendWhole } from "./fuel.ts";

export interface CelFunction {
  readonly argsMin: number;
  readonly argsMax: number;
  readonly call: (args: readonly Json[], fuel: Fuel) => Json;
}

const DEPTH_MAX = 60; // canonicalJson refuses more than 64

export const kindOf = (value: Json): string =>
  value === null
    ? "null"
    : isArray(value)
      ? "list"
      : typeof value === "object"
        ? "map"
        : typeof value;

export const typeFault = (what: string, value: Json): CelFault =>
  new CelFault("cel_type", `${what}, not a ${kindOf(value)}`);

function text(args: readonly Json[], at: number): string {
  const value = args[at] ?? null;
  if (typeof value !== "string") throw typeFault("A string is needed here", value);
  return value;
}

function numeric(args: readonly Json[], at: number): number {
  const value = args[at] ?? null;
  if (typeof value !== "number") throw typeFault("A number is needed here", value);
  return value;
}

function list(args: readonly Json[], at: number): readonly Json[] {
  const value = args[at] ?? null;
  if (!isArray(value)) throw typeFault("A list is needed here", value);
  return value;
}

export function finite(value: number): number {
  if (!Number.isFinite(value)) throw new CelFault("cel_overflow", "The number is out of range");
  return value;
}

const fixed = (count: number, call: CelFunction["call"]): CelFunction => ({
  argsMin: count,
  argsMax: count,
  call,
});

/** About one string, paid by its length. */
const ofText = (count: number, call: (of: string, args: readonly Json[], fuel: Fuel) => Json) =>
  fixed(count, (args, fuel) => {
    const of = text(args, 0);
    spendChars(fuel, of.length);
    return call(of, args, fuel);
  });

const ofNumber = (call: (of: number) => number): CelFunction =>
  fixed(1, (args) => finite(call(numeric(args, 0))));

/** Code points, as CEL counts (langdef.md, "size"). */
function size([value = null]: readonly Json[], fuel: Fuel): number {
  if (typeof value === "string") {
    spendChars(fuel, value.length);
    let points = 0;
    for (const _point of value) points += 1;
    return points;
  }
  if (isArray(value)) return value.length;
  if (isObject(value)) return Object.keys(value).length;
  throw typeFault("size takes a string, list or map", value);
}

/** Text as it is, all else as canonical JSON. */
export function asText(value: Json, fuel: Fuel): string {
  if (typeof value === "string") return value;
  spendWhole(fuel, value);
  if (typeof measure(value, DEPTH_MAX) === "string")
    throw typeFault("It is nested too deeply", value);
  return canonicalJson(value);
}

function asNumber([value = null]: readonly Json[]): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  const read = typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
  if (!Number.isFinite(read)) throw typeFault("This cannot be read as a number", value);
  return read;
}

function asBool([value = null]: readonly Json[]): boolean {
  if (typeof value === "boolean") return value;
  if (value === "true") return true;
  if (value === "false") return false;
  throw typeFault("This cannot be read as a bool", value);
}

/** [from, to) within the text; code units, like `indexOf`. */
function substring(of: string, args: readonly Json[]): string {
  const from = numeric(args, 1);
  const to = args.length > 2 ? numeric(args, 2) : of.length;
  if (!(from >= 0 && from <= to && to <= of.length)) {
    throw new CelFault("cel_out_of_bounds", `The text has ${of.length} characters`);
  }
  return of.slice(from, to);
}

function replaceAll(of: string, args: readonly Json[], fuel: Fuel): string {
  const [before, after] = [text(args, 1), text(args, 2)];
  const pieces = of.split(before);
  spendChars(fuel, of.length + pieces.length * (after.length + 16));
  return pieces.join(after);
}

function split(of: string, args: readonly Json[], fuel: Fuel): readonly string[] {
  spend(fuel, of.length);
  return of.split(text(args, 1));
}

function joinText(args: readonly Json[], fuel: Fuel): string {
  const between = args.length > 1 ? text(args, 1) : "";
  const parts = list(args, 0).map((part) => {
    if (typeof part !== "string") throw typeFault("join takes strings", part);
    spendChars(fuel, part.length + between.length);
    return part;
  });
  return parts.join(between);
}

/** Of several numbers, or of one list of them. */
const extreme = (pick: (...values: number[]) => number): CelFunction => ({
  argsMin: 1,
  argsMax: 16,
  call: (args, fuel) => {
    const values = args.length === 1 && isArray(args[0]) ? args[0] : args;
    if (values.length === 0) throw new CelFault("cel_out_of_bounds", "The list is empty");
    spend(fuel, values.length);
    return values.map((_, at) => numeric(values, at)).reduce((a, b) => pick(a, b));
  },
});

/** CEL orders numbers and strings only; a list of one kind. */
function sorted(args: readonly Json[], fuel: Fuel): readonly Json[] {
  const items = list(args, 0);
  spend(fuel, Math.ceil(items.length * Math.log2(items.length + 2)));
  return items.toSorted((a, b) => order(a, b));
}

/** Negative, 0 or positive. Throws CelFault cel_type unless both are numbers, strings or bools. */
export function order(a: Json, b: Json): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  throw new CelFault("cel_type", `A ${kindOf(a)} and a ${kindOf(b)} have no order`);
}

function distinct(args: readonly Json[], fuel: Fuel): readonly Json[] {
  const kept: Json[] = [];
  for (const item of list(args, 0)) {
    if (!kept.some((other) => isEqual(other, item, fuel))) kept.push(item);
  }
  return kept;
}

function members(args: readonly Json[], fuel: Fuel): readonly [string, Json][] {
  const of = args[0] ?? null;
  if (!isObject(of)) throw typeFault("A map is needed here", of);
  const entries = Object.entries(of);
  spend(fuel, entries.length);
  return entries;
}

/** get(map or list, key, otherwise). */
function get([of = null, key = null, otherwise = null]: readonly Json[]): Json {
  if (isObject(of) && typeof key === "string") return memberOf(of, key) ?? otherwise;
  if (isArray(of) && typeof key === "number") return of[key] ?? otherwise;
  if (of === null) return otherwise;
  throw typeFault("get takes a map and a string, or a list and a number", of);
}

export const LIBRARY: ReadonlyMap<string, CelFunction> = new Map<string, CelFunction>([
  ["size", fixed(1, size)],
  ["string", fixed(1, ([value = null], fuel) => asText(value, fuel))],
  ["double", fixed(1, asNumber)],
  ["int", fixed(1, (args) => Math.trunc(asNumber(args)))],
  ["bool", fixed(1, asBool)],
  ["type", fixed(1, ([value = null]) => kindOf(value))],
  ["contains", ofText(2, (of, args) => of.includes(text(args, 1)))],
  ["startsWith", ofText(2, (of, args) => of.startsWith(text(args, 1)))],
  ["endsWith", ofText(2, (of, args) => of.endsWith(text(args, 1)))],
  ["indexOf", ofText(2, (of, args) => of.indexOf(text(args, 1)))],
  ["lastIndexOf", ofText(2, (of, args) => of.lastIndexOf(text(args, 1)))],
  ["lowerAscii", ofText(1, (of) => of.replace(/[A-Z]+/g, (part) => part.toLowerCase()))],
  ["upperAscii", ofText(1, (of) => of.replace(/[a-z]+/g, (part) => part.toUpperCase()))],
  ["trim", ofText(1, (of) => of.trim())],
  ["substring", { ...ofText(2, substring), argsMax: 3 }],
  ["replace", ofText(3, replaceAll)],
  ["split", ofText(2, split)],
  ["join", { argsMin: 1, argsMax: 2, call: joinText }],
  ["abs", ofNumber(Math.abs)],
  ["ceil", ofNumber(Math.ceil)],
  ["floor", ofNumber(Math.floor)],
  ["round", ofNumber((of) => Math.sign(of) * Math.round(Math.abs(of)))],
  ["min", extreme(Math.min)],
  ["max", extreme(Math.max)],
  ["sort", fixed(1, sorted)],
  ["distinct", fixed(1, distinct)],
  ["keys", fixed(1, (args, fuel) => members(args, fuel).map(([key]) => key))],
  ["values", fixed(1, (args, fuel) => members(args, fuel).map(([, value]) => value))],
  ["get", { argsMin: 2, argsMax: 3, call: get }],
]);
