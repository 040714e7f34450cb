// A JSON schema (draft 2020-12, the part that can be upheld while writing) as GBNF for llama.cpp.
// Pure. The answer is checked once more by a validator (runners/json-answer.ts).
//
// G1. Everything that the grammar can write, the schema accepts; not the other way round (keys come
//     in the schema's order, lengths and digits are bounded, white space is at most one space).
// G2. A keyword that is not upheld is refused with its JSON pointer, never ignored.
// G3. No rule begins with itself: llama.cpp cannot read such a grammar. A cycle of $ref is allowed
//     where an object or an array lies between.
// G4. The size is bounded: NODES_MAX places in the schema, LENGTH_MAX characters of a string,
//     ITEMS_MAX items of an array.

import { arrayGrammar } from "./grammar-array.ts";
import { multiplesGrammar } from "./grammar-multiple.ts";
import { integerGrammar, type NumberBounds, numberGrammar } from "./grammar-number.ts";
import { objectGrammar } from "./grammar-object.ts";
import { type GrammarRules, makeGrammarRules } from "./grammar-rules.ts";
import { stringGrammar } from "./grammar-string.ts";
import { literal } from "./grammar-text.ts";
import { alternativesOf, needsMerging } from "./schema-merge.ts";
import { areDisjoint } from "./schema-overlap.ts";
import {
  allow,
  isAnnotation,
  isSchema,
  KEYWORDS,
  lookUp,
  refused,
  type Schema,
  type TypeName,
  typesOf,
} from "./schema-reader.ts";

const NODES_MAX = 2_000;

/** GBNF with the rule `root`. Throws bad_request with `details.pointer` for what it cannot uphold. */
export function compileGrammar(schema: unknown): string {
  const compiler = makeCompiler(schema);
  const root = compiler.visit(schema, "", []);
  return [`root ::= ${root}`, ...compiler.rules()].join("\n");
}

/** As compileGrammar, but into rules that others share; gives the expression of the schema. */
export const compileInto = (rules: GrammarRules, schema: unknown): string =>
  makeCompiler(schema, rules).visit(schema, "", []);

function makeCompiler(root: unknown, rules: GrammarRules = makeGrammarRules()) {
  const refRules = new Map<string, string>();
  let nodes = 0;

  /** Inside an object or an array a $ref may come round again (G3). */
  const visitInside = (schema: unknown, pointer: string): string => visit(schema, pointer, []);

  /** `open`: the $refs being resolved since the last object or array (G3). */
  function visit(schema: unknown, pointer: string, open: readonly string[]): string {
    nodes += 1;
    if (nodes > NODES_MAX) throw refused(pointer, `more than ${NODES_MAX} places`);
    if (schema === true) return rules.anyValue();
    if (schema === false) throw refused(pointer, "leaves no value");
    if (isSchema(schema) && needsMerging(schema, isAnnotation)) return merged(schema, pointer);
    if (!isSchema(schema)) throw refused(pointer, "must be a schema object or true");
    if (schema["$ref"] !== undefined) return reference(schema, pointer, open);
    for (const keyword of ["anyOf", "oneOf"] as const) {
      if (schema[keyword] !== undefined) return choice(schema, keyword, pointer, open);
    }
    if (schema["const"] !== undefined || schema["enum"] !== undefined) {
      return constants(schema, pointer);
    }
    const types = typesOf(schema, pointer);
    if (types === undefined) {
      allow(schema, [], pointer);
      return rules.anyValue();
    }
    const known = types.flatMap((type): readonly string[] => KEYWORDS[type]);
    allow(schema, ["type", ...known], pointer);
    const alternatives = types.map((type) => ofType(type, schema, pointer));
    return alternatives.length === 1 ? (alternatives[0] ?? "") : `(${alternatives.join(" | ")})`;
  }

  function reference(schema: Schema, pointer: string, open: readonly string[]): string {
    allow(schema, ["$ref"], pointer);
    const ref = schema["$ref"];
    if (typeof ref !== "string") throw refused(`${pointer}/$ref`, "must be text");
    if (open.includes(ref)) throw refused(`${pointer}/$ref`, "refers to itself without an end");
    const named = refRules.get(ref);
    if (named !== undefined) return named; // perhaps still being written: a proper recursion
    const target = lookUp(root, ref);
    if (target === undefined) throw refused(`${pointer}/$ref`, `${ref} is not in this schema`);
    const name = rules.add("");
    refRules.set(ref, name);
    rules.set(name, visit(target, ref.slice(1), [...open, ref]));
    return name;
  }

  /** A combiner with keywords beside it: plain alternatives, none of which has a combiner. */
  function merged(schema: Schema, pointer: string): string {
    const found = alternativesOf(root, schema, pointer, requireDisjoint);
    const written = found.map((alternative) => visit(alternative, pointer, []));
    return written.length === 1 ? (written[0] ?? "") : `(${written.join(" | ")})`;
  }

  function choice(
    schema: Schema,
    keyword: "anyOf" | "oneOf",
    pointer: string,
    open: readonly string[],
  ): string {
    allow(schema, [keyword], pointer);
    const at = `${pointer}/${keyword}`;
    const branches = schema[keyword];
    if (!Array.isArray(branches) || branches.length === 0) throw refused(at, "must be a list");
    if (keyword === "oneOf") requireDisjoint(branches, at);
    const alternatives = branches.flatMap((branch, index) =>
      branch === false ? [] : [visit(branch, `${at}/${index}`, open)],
    );
    if (alternatives.length === 0) throw refused(at, "leaves no value");
    return alternatives.length === 1 ? (alternatives[0] ?? "") : `(${alternatives.join(" | ")})`;
  }

  /** oneOf means exactly one: alternatives that share a value would let a refused answer through. */
  function requireDisjoint(branches: readonly unknown[], at: string): void {
    const resolved = branches.map(resolve);
    for (const [index, branch] of resolved.entries()) {
      const overlapping = resolved
        .slice(index + 1)
        .findIndex((other) => !areDisjoint(branch, other));
      if (overlapping >= 0) {
        throw refused(at, `${index} and ${index + 1 + overlapping} may overlap; use anyOf`);
      }
    }
  }

  function resolve(schema: unknown): unknown {
    const seen = new Set<string>();
    let current = schema;
    while (isSchema(current) && typeof current["$ref"] === "string" && !seen.has(current["$ref"])) {
      seen.add(current["$ref"]);
      current = lookUp(root, current["$ref"]);
    }
    return current;
  }

  function ofType(type: TypeName, schema: Schema, pointer: string): string {
    switch (type) {
      case "object":
        return objectGrammar(schema, pointer, rules, visitInside);
      case "array":
        return arrayGrammar(schema, pointer, rules, visitInside);
      case "string":
        return stringGrammar(schema, pointer, rules);
      case "number":
      case "integer":
        return numberOf(type, schema, pointer);
      case "boolean":
        return '("true" | "false")';
      case "null":
        return '"null"';
    }
  }

  return { visit, rules: () => rules.lines() };
}

function numberOf(type: "number" | "integer", schema: Schema, pointer: string): string {
  const bounds: Record<string, number> = {};
  for (const keyword of ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const) {
    const value = schema[keyword];
    if (value === undefined) continue;
    if (typeof value !== "number") throw refused(`${pointer}/${keyword}`, "must be a number");
    bounds[keyword] = value;
  }
  const grammar = rangeOf(type, bounds, schema, pointer);
  if (grammar === undefined) throw refused(pointer, "leaves no number that can be written");
  return grammar;
}

/** Formats that say how wide a number is (OpenAPI); wider ones hold all that is written here. */
const WIDTHS: Readonly<Record<string, NumberBounds>> = {
  int8: { minimum: -128, maximum: 127 },
  uint8: { minimum: 0, maximum: 255 },
  int16: { minimum: -32_768, maximum: 32_767 },
  uint16: { minimum: 0, maximum: 65_535 },
  int32: { minimum: -2_147_483_648, maximum: 2_147_483_647 },
  uint32: { minimum: 0, maximum: 4_294_967_295 },
  int64: {},
  uint64: { minimum: 0 },
  float: {},
  double: {},
};

function rangeOf(
  type: "number" | "integer",
  bounds: NumberBounds,
  schema: Schema,
  pointer: string,
): string | undefined {
  const { format, multipleOf } = schema;
  const width = format === undefined ? {} : typeof format === "string" ? WIDTHS[format] : undefined;
  if (width === undefined) throw refused(`${pointer}/format`, "is not upheld");
  const within: NumberBounds = {
    ...bounds,
    ...(width.minimum === undefined
      ? {}
      : { minimum: Math.max(width.minimum, bounds.minimum ?? -Infinity) }),
    ...(width.maximum === undefined
      ? {}
      : { maximum: Math.min(width.maximum, bounds.maximum ?? Infinity) }),
  };
  if (multipleOf === undefined) {
    return type === "integer" ? integerGrammar(within) : numberGrammar(within);
  }
  if (typeof multipleOf !== "number" || !(multipleOf > 0))
    throw refused(`${pointer}/multipleOf`, "must be a number over 0");
  const step = type === "integer" ? wholeStep(multipleOf) : multipleOf;
  if (step === undefined) throw refused(`${pointer}/multipleOf`, "is not upheld");
  const multiples = multiplesGrammar(within, step);
  if (multiples.kind === "unknown") throw refused(`${pointer}/multipleOf`, "is not upheld");
  return multiples.kind === "none" ? undefined : multiples.grammar;
}

/** Which whole numbers a step goes through: every 3rd for 0.75. Halves, quarters and eighths alone. */
const wholeStep = (step: number): number | undefined =>
  [1, 2, 4, 8].map((count) => step * count).find(Number.isInteger);

function constants(schema: Schema, pointer: string): string {
  allow(schema, ["const", "enum", "type"], pointer);
  const isConst = schema["const"] !== undefined;
  if (isConst && schema["enum"] !== undefined) throw refused(`${pointer}/enum`, "beside const");
  const values: unknown = isConst ? [schema["const"]] : schema["enum"];
  if (!Array.isArray(values) || values.length === 0) throw refused(`${pointer}/enum`, "is empty");
  const types = typesOf({ type: schema["type"] }, pointer);
  const fitting = values.filter(
    (value) => types === undefined || types.some((t) => isOf(value, t)),
  );
  if (fitting.length === 0) throw refused(pointer, "has no value of its type");
  return `(${fitting.map((value) => literal(JSON.stringify(value))).join(" | ")})`;
}

function isOf(value: unknown, type: TypeName): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isSchema(value);
    case "integer":
      return Number.isInteger(value);
    case "string":
    case "number":
    case "boolean":
      return typeof value === type;
  }
}
