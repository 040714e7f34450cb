// The functions of function nodes: pure, each over its `with` values, paid for with fuel.
//
// WF1. Same values, same output, on every hub and at every replay: no clock, no chance, no locale, no
//      time zone of the machine.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { spend, spendChars, spendWhole } from "./cel/fuel.ts";
import { asText } from "./cel/library.ts";
import type { BuiltIn } from "./function-calls.ts";
import {
  at,
  cel,
  chunks,
  concat,
  finite,
  fromBase64,
  group,
  kept,
  merge,
  numbers,
  parse,
  sortedBy,
  toBase64,
} from "./function-work.ts";
import { isArray } from "./json-value.ts";
import { timeParts } from "./time-parts.ts";

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
