// The functions of function nodes: pure, each over its `with` values, paid for with fuel.
//
// WF1. Same values, same output, on every hub and at every replay: no clock, no chance, no locale, no
//      time zone of the machine.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { CelFault } from "./cel/fault.ts";
import { type Fuel, isEqual, spend, spendChars, spendWhole } from "./cel/fuel.ts";
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
import { timeParts } from "./time-parts.ts";

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

const DEPTH_MAX = 60; // canonicalJson refuses more than 64

function cel(name: string, args: readonly Json[], fuel: Fuel): Json {
  const found = LIBRARY.get(name);
  if (found === undefined) throw new CelFault("cel_unknown_function", `There is no ${name}`);
  return found.call(args, fuel);
}

function merge(items: readonly Json[], fuel: Fuel): Json {
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
function at(value: Json, path: readonly string[], fuel: Fuel): Json | undefined {
  let here: Json | undefined = value;
  for (const step of path) {
    spend(fuel, 1);
    if (isArray(here)) here = here[Number(step)];
    else if (isObject(here)) here = memberOf(here, step);
    else return undefined;
  }
  return here;
}

function kept(of: JsonObject, keep: (key: string) => boolean, fuel: Fuel): Json {
  const made: Record<string, Json> = {};
  for (const [key, value] of Object.entries(of)) {
    spend(fuel, 1);
    if (keep(key)) setMember(made, key, value);
  }
  return made;
}

function concat(lists: readonly Json[], fuel: Fuel): Json {
  const made: Json[] = [];
  for (const list of lists) {
    if (!isArray(list)) throw new CelFault("cel_type", "concat takes lists");
    spend(fuel, list.length);
    for (const item of list) made.push(item);
  }
  return made;
}

function numbers(items: readonly Json[], fuel: Fuel): readonly number[] {
  spend(fuel, items.length);
  return items.map((item) => {
    if (typeof item !== "number") throw new CelFault("cel_type", "Numbers are needed here");
    return item;
  });
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new CelFault("cel_overflow", "The number is out of range");
  return value;
}

function group(items: readonly Json[], by: string, fuel: Fuel): Json {
  const made: Record<string, Json[]> = {};
  for (const item of items) {
    const key = asText((isObject(item) ? memberOf(item, by) : undefined) ?? null, fuel);
    if (!Object.hasOwn(made, key)) setMember(made, key, []);
    made[key]?.push(item);
    spend(fuel, 1);
  }
  return made;
}

function parse(text: string, fuel: Fuel): Json {
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

function toBase64(text: string, fuel: Fuel): string {
  spendChars(fuel, text.length * 4);
  return BYTES.encode(text).toBase64();
}

function fromBase64(text: string, fuel: Fuel): string {
  spendChars(fuel, text.length * 4);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(text));
  } catch {
    throw new CelFault("cel_type", "The text is not base64 of UTF-8");
  }
}

/** Items in groups of `size`, the last one may be shorter. */
function chunks(items: readonly Json[], size: number, fuel: Fuel): Json {
  if (!Number.isInteger(size) || size < 1) {
    throw new CelFault("cel_out_of_bounds", "size is a whole number from 1");
  }
  spend(fuel, items.length);
  const made: Json[] = [];
  for (let from = 0; from < items.length; from += size) made.push(items.slice(from, from + size));
  return made;
}

function sortedBy(items: readonly Json[], by: string | undefined, fuel: Fuel): readonly Json[] {
  if (by === undefined) return cel("sort", [items], fuel) as readonly Json[]; // sort gives a list
  const keys = items.map((item) => (isObject(item) ? memberOf(item, by) : undefined) ?? null);
  const order = cel("sort", [keys], fuel) as readonly Json[];
  const left = items.map((item, index) => ({ item, key: keys[index] ?? null }));
  return order.map((key) => {
    const found = left.findIndex((entry) => isEqual(entry.key, key, fuel));
    return left.splice(found, 1)[0]?.item ?? null;
  });
}

const one = (
  title: string,
  takes: BuiltIn["takes"],
  call: BuiltIn["call"],
  isOpen = false,
): BuiltIn => ({ title, takes, call, isOpen });

export const FUNCTIONS: ReadonlyMap<string, BuiltIn> = new Map<string, BuiltIn>([
  ["value", one("The value itself", { value: "any" }, (of) => of.value("value"))],
  ["object", one("All of `with` as an object", {}, (of) => of.all, true)],
  [
    "get",
    one("A member by path", { from: "any", path: "strings", "otherwise?": "any" }, (of, fuel) => {
      const found = at(of.value("from"), of.strings("path"), fuel);
      return found ?? of.value("otherwise");
    }),
  ],
  [
    "merge",
    one("Objects in one, the later wins", { objects: "list" }, (of, fuel) =>
      merge(of.list("objects"), fuel),
    ),
  ],
  [
    "pick",
    one("Some members", { from: "object", keys: "strings" }, (of, fuel) => {
      const keys = new Set(of.strings("keys"));
      return kept(of.object("from"), (key) => keys.has(key), fuel);
    }),
  ],
  [
    "omit",
    one("All but some members", { from: "object", keys: "strings" }, (of, fuel) => {
      const keys = new Set(of.strings("keys"));
      return kept(of.object("from"), (key) => !keys.has(key), fuel);
    }),
  ],
  [
    "template",
    one("A text with ${expressions}", { text: "any" }, (of, fuel) =>
      asText(of.value("text"), fuel),
    ),
  ],
  ["concat", one("Lists in one", { lists: "list" }, (of, fuel) => concat(of.list("lists"), fuel))],
  [
    "sum",
    one("Of numbers", { of: "list" }, (of, fuel) =>
      finite(numbers(of.list("of"), fuel).reduce((a, b) => a + b, 0)),
    ),
  ],
  [
    "average",
    one("Of numbers, null of none", { of: "list" }, (of, fuel) => {
      const values = numbers(of.list("of"), fuel);
      return values.length === 0 ? null : finite(values.reduce((a, b) => a + b, 0) / values.length);
    }),
  ],
  ["min", one("Of numbers", { of: "list" }, (of, fuel) => cel("min", [of.list("of")], fuel))],
  ["max", one("Of numbers", { of: "list" }, (of, fuel) => cel("max", [of.list("of")], fuel))],
  ["count", one("How many", { of: "list" }, (of) => of.list("of").length)],
  [
    "sort",
    one("By value, or by a member", { of: "list", "by?": "string" }, (of, fuel) =>
      sortedBy(of.list("of"), of.value("by") === null ? undefined : of.text("by"), fuel),
    ),
  ],
  [
    "reverse",
    one("Last first", { of: "list" }, (of, fuel) => {
      spend(fuel, of.list("of").length);
      return of.list("of").toReversed();
    }),
  ],
  [
    "unique",
    one("Each value once", { of: "list" }, (of, fuel) => cel("distinct", [of.list("of")], fuel)),
  ],
  [
    "flatten",
    one("Lists of lists, one level", { of: "list" }, (of, fuel) =>
      concat(
        of.list("of").map((item) => (isArray(item) ? item : [item])),
        fuel,
      ),
    ),
  ],
  [
    "slice",
    one("Items from and up to", { of: "list", "from?": "number", "to?": "number" }, (of, fuel) => {
      spend(fuel, of.list("of").length);
      return of.list("of").slice(of.number("from") ?? 0, of.number("to"));
    }),
  ],
  [
    "chunk",
    one("Groups of a size", { of: "list", size: "number" }, (of, fuel) =>
      chunks(of.list("of"), of.number("size") ?? 0, fuel),
    ),
  ],
  [
    "group",
    one("Items by the text of a member", { of: "list", by: "string" }, (of, fuel) =>
      group(of.list("of"), of.text("by"), fuel),
    ),
  ],
  [
    "split",
    one("A text at a mark", { text: "string", at: "string" }, (of, fuel) =>
      cel("split", [of.text("text"), of.text("at")], fuel),
    ),
  ],
  [
    "join_text",
    one("Texts in one", { texts: "list", "between?": "string" }, (of, fuel) => {
      const texts = of.list("texts").map((part) => asText(part, fuel));
      return cel("join", [texts, of.value("between") === null ? "" : of.text("between")], fuel);
    }),
  ],
  [
    "replace",
    one(
      "Each place of a text in another",
      { text: "string", from: "string", to: "string" },
      (of, fuel) => cel("replace", [of.text("text"), of.text("from"), of.text("to")], fuel),
    ),
  ],
  [
    "json",
    one("Canonical JSON text", { value: "any" }, (of, fuel) => {
      spendWhole(fuel, of.value("value"));
      return canonicalJson(of.value("value"));
    }),
  ],
  [
    "parse",
    one("The value of a JSON text", { text: "string" }, (of, fuel) => parse(of.text("text"), fuel)),
  ],
  [
    "base64",
    one("Of the UTF-8 bytes of a text", { text: "string" }, (of, fuel) =>
      toBase64(of.text("text"), fuel),
    ),
  ],
  [
    "from_base64",
    one("The text again", { text: "string" }, (of, fuel) => fromBase64(of.text("text"), fuel)),
  ],
  [
    "sha256",
    one("Of a text, or of a value's canonical JSON", { value: "any" }, (of, fuel) => {
      const text = asText(of.value("value"), fuel);
      spendChars(fuel, text.length);
      return sha256(text);
    }),
  ],
  [
    "time_parts",
    one("Year to ms, weekday and ISO text, in UTC", { time: "any" }, (of) =>
      timeParts(of.value("time")),
    ),
  ],
]);

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
