// What the functions of function nodes do, over values that were checked. Each is paid for with fuel.
//
// WF1. Same values, same output, on every hub and at every replay: no clock, no chance, no locale, no
//      time zone of the machine.

import { CelFault } from "./cel/fault.ts";
import { type Fuel, isEqual, spend, spendChars } from "./cel/fuel.ts";
import { asText, LIBRARY } from "./cel/library.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  measure,
  memberOf,
  setMember,
} from "./json-value.ts";

const DEPTH_MAX = 60; // canonicalJson refuses more than 64

export function cel(name: string, args: readonly Json[], fuel: Fuel): Json {
  const found = LIBRARY.get(name);
  if (found === undefined) throw new CelFault("cel_unknown_function", `There is no ${name}`);
  return found.call(args, fuel);
}

export function merge(items: readonly Json[], fuel: Fuel): Json {
  const made: Record<string, Json> = {};
  for (const item of items) {
    if (!isObject(item)) throw new CelFault("cel_type", "merge takes objects");
    const entries = Object.entries(item);
    spend(fuel, entries.length);
    for (const [key, value] of entries) setMember(made, key, value);
  }
  return made;
}

/** Undefined if the path leads nowhere. Keys of objects, or indexes of lists. */
export function at(value: Json, path: readonly string[], fuel: Fuel): Json | undefined {
  let here: Json | undefined = value;
  for (const step of path) {
    spend(fuel, 1);
    if (isArray(here)) here = here[Number(step)];
    else if (isObject(here)) here = memberOf(here, step);
    else return undefined;
  }
  return here;
}

export function kept(of: JsonObject, keep: (key: string) => boolean, fuel: Fuel): Json {
  const made: Record<string, Json> = {};
  for (const [key, value] of Object.entries(of)) {
    spend(fuel, 1);
    if (keep(key)) setMember(made, key, value);
  }
  return made;
}

export function concat(lists: readonly Json[], fuel: Fuel): Json {
  const made: Json[] = [];
  for (const list of lists) {
    if (!isArray(list)) throw new CelFault("cel_type", "concat takes lists");
    spend(fuel, list.length);
    for (const item of list) made.push(item);
  }
  return made;
}

export function numbers(items: readonly Json[], fuel: Fuel): readonly number[] {
  spend(fuel, items.length);
  return items.map((item) => {
    if (typeof item !== "number") throw new CelFault("cel_type", "Numbers are needed here");
    return item;
  });
}

export function finite(value: number): number {
  if (!Number.isFinite(value)) throw new CelFault("cel_overflow", "The number is out of range");
  return value;
}

export function group(items: readonly Json[], by: string, fuel: Fuel): Json {
  const made: Record<string, Json[]> = {};
  for (const item of items) {
    const key = asText((isObject(item) ? memberOf(item, by) : undefined) ?? null, fuel);
    if (!Object.hasOwn(made, key)) setMember(made, key, []);
    made[key]?.push(item);
    spend(fuel, 1);
  }
  return made;
}

export function parse(text: string, fuel: Fuel): Json {
  spendChars(fuel, text.length * 4);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CelFault("cel_type", "The text is not JSON");
  }
  const found = measure(value, DEPTH_MAX);
  if (typeof found === "string") throw new CelFault("cel_type", "The JSON is nested too deeply");
  return value as Json; // JSON.parse gives nothing else
}

const BYTES = new TextEncoder();

export function toBase64(text: string, fuel: Fuel): string {
  spendChars(fuel, text.length * 4);
  return BYTES.encode(text).toBase64();
}

export function fromBase64(text: string, fuel: Fuel): string {
  spendChars(fuel, text.length * 4);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(text));
  } catch {
    throw new CelFault("cel_type", "The text is not base64 of UTF-8");
  }
}

/** Items in groups of `size`, the last one may be shorter. */
export function chunks(items: readonly Json[], size: number, fuel: Fuel): Json {
  if (!Number.isInteger(size) || size < 1) {
    throw new CelFault("cel_out_of_bounds", "size is a whole number from 1");
  }
  spend(fuel, items.length);
  const made: Json[] = [];
  for (let from = 0; from < items.length; from += size) made.push(items.slice(from, from + size));
  return made;
}

export function sortedBy(
  items: readonly Json[],
  by: string | undefined,
  fuel: Fuel,
): readonly Json[] {
  if (by === undefined) return cel("sort", [items], fuel) as readonly Json[]; // sort gives a list
  const keys = items.map((item) => (isObject(item) ? memberOf(item, by) : undefined) ?? null);
  const order = cel("sort", [keys], fuel) as readonly Json[];
  const left = items.map((item, index) => ({ item, key: keys[index] ?? null }));
  return order.map((key) => {
    const found = left.findIndex((entry) => isEqual(entry.key, key, fuel));
    return left.splice(found, 1)[0]?.item ?? null;
  });
}
