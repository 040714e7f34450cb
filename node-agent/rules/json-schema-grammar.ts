// A JSON schema (draft 2020-12, the part that can be upheld while writing) as GBNF for llama.cpp.
// Pure. The answer is checked once more by a validator (runners/json-answer.ts).
//
// G1. Everything that the grammar can write, the schema accepts; not the other way round (keys come
//     in the schema's order, lengths and digits are bounded, white space is at most one space).
// G2. A keyword that is not upheld is refused with its JSON pointer, never ignored.
// G3. No rule begins with itself: llama.cpp cannot read such a grammar. A cycle of $ref is allowed
//     where an object or an array lies between.
// G4. The size is bounded: NODES_MAX places in the schema, LENGTH_MAX characters of a string.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { integerGrammar, type NumberBounds, numberGrammar } from "./grammar-number.ts";
import { patternGrammar, PatternRefused } from "./grammar-pattern.ts";
import { charClass, literal, PLAIN_CHARS, repeated } from "./grammar-text.ts";
import { areDisjoint } from "./schema-overlap.ts";

type Schema = Readonly<Record<string, unknown>>;

const NODES_MAX = 2_000;
/** Longer strings are cut to this by the grammar: llama.cpp unrolls each count. */
const LENGTH_MAX = 1_000;
const ITEMS_MAX = 500;

const ANNOTATIONS = new Set(
  "title description default examples deprecated readOnly writeOnly $schema $id $comment $defs definitions".split(
    " ",
  ),
);

/** The keywords that are upheld, by type. */
const KEYWORDS = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "prefixItems", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  boolean: [],
  null: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type TypeName = keyof typeof KEYWORDS;

const TWO = "[0-5] [0-9]";
const DATE = '[12] [0-9]{3} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])';
const TIME = `([01] [0-9] | "2" [0-3]) ":" ${TWO} ":" ${TWO} "Z"`;
const HEX = "[0-9a-f]";
const FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE} "T" ${TIME}`,
  uuid: `${HEX}{8} "-" ${HEX}{4} "-" "4" ${HEX}{3} "-" [89ab] ${HEX}{3} "-" ${HEX}{12}`,
};

/** GBNF with the rule `root`. Throws bad_request with `details.pointer` for what it cannot uphold. */
export function compileGrammar(schema: unknown): string {
  const compiler = makeCompiler(schema);
  const root = compiler.visit(schema, "", []);
  return [`root ::= ${root}`, ...compiler.rules()].join("\n");
}

function makeCompiler(root: unknown) {
  const rules = new Map<string, string>();
  const refRules = new Map<string, string>();
  let nodes = 0;

  function addRule(body: string): string {
    const name = `r${rules.size}`;
    rules.set(name, body);
    return name;
  }

  /** A rule that is written once and may be named before it is complete. */
  function shared(name: string, write: () => string): string {
    if (!rules.has(name)) {
      rules.set(name, "");
      rules.set(name, write());
    }
    return name;
  }

  const char = (): string =>
    shared("char", () => `${charClass(PLAIN_CHARS) ?? ""} | ${literal("\\")} ["\\\\/bfnrt]`);
  const anyString = (): string => shared("string", () => `"\\"" ${char()}* "\\""`);
  const anyValue = (): string =>
    shared("value", () => {
      const item = "value";
      const pair = `${anyString()} ":" ${item}`;
      return [
        anyString(),
        numberGrammar({}) ?? "",
        '"true" | "false" | "null"',
        `"[" (${item} ("," ${item})*)? "]"`,
        `"{" (${pair} ("," ${pair})*)? "}"`,
      ].join(" | ");
    });

  /** `open`: the $refs being resolved since the last object or array (G3). */
  function visit(schema: unknown, pointer: string, open: readonly string[]): string {
    nodes += 1;
    if (nodes > NODES_MAX) throw refused(pointer, `more than ${NODES_MAX} places`);
    if (schema === true) return anyValue();
    if (!isSchema(schema)) throw refused(pointer, "must be a schema object or true");
    if (schema["$ref"] !== undefined) return reference(schema, pointer, open);
    for (const keyword of ["anyOf", "oneOf", "allOf"] as const) {
      if (schema[keyword] !== undefined) return choice(schema, keyword, pointer, open);
    }
    if (schema["const"] !== undefined || schema["enum"] !== undefined) {
      return constants(schema, pointer);
    }
    const types = typesOf(schema, pointer);
    if (types === undefined) {
      allow(schema, [], pointer);
      return anyValue();
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
    const name = addRule("");
    refRules.set(ref, name);
    rules.set(name, visit(target, ref.slice(1), [...open, ref]));
    return name;
  }

  function choice(
    schema: Schema,
    keyword: "anyOf" | "oneOf" | "allOf",
    pointer: string,
    open: readonly string[],
  ): string {
    allow(schema, [keyword], pointer);
    const at = `${pointer}/${keyword}`;
    const branches = schema[keyword];
    if (!Array.isArray(branches) || branches.length === 0) throw refused(at, "must be a list");
    if (keyword === "allOf" && branches.length > 1) throw refused(at, "can hold one schema only");
    if (keyword === "oneOf") requireDisjoint(branches, at);
    const alternatives = branches.map((branch, index) => visit(branch, `${at}/${index}`, open));
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
        return objectOf(schema, pointer);
      case "array":
        return arrayOf(schema, pointer);
      case "string":
        return stringOf(schema, pointer);
      case "number":
      case "integer":
        return numberOf(type, schema, pointer);
      case "boolean":
        return '("true" | "false")';
      case "null":
        return '"null"';
    }
  }

  function objectOf(schema: Schema, pointer: string): string {
    const properties = recordAt(schema, "properties", pointer);
    const required = namesAt(schema, "required", pointer);
    const others = schema["additionalProperties"] ?? true;
    const missing = required.filter((name) => !Object.hasOwn(properties, name));
    if (missing.length > 0 && others === false) {
      throw refused(`${pointer}/required`, `${missing[0]} is not among the properties`);
    }
    const names = [...Object.keys(properties), ...new Set(missing)];
    if (names.length === 0) return others === false ? '"{}"' : mapOf(others, pointer);
    const pairs = names.map((name) => {
      const listed = Object.hasOwn(properties, name);
      const at = listed
        ? `${pointer}/properties/${token(name)}`
        : `${pointer}/additionalProperties`;
      const value = visit(listed ? properties[name] : others, at, []);
      return { text: `${literal(JSON.stringify(name) + ":")} " "? ${value}`, name };
    });
    return addRule(`"{" ${membersFrom(pairs, new Set(required))} "}"`);
  }

  /**
   * Members in order, each present or left out. `rest` is what may follow a written member, `first`
   * what may stand while none is written; both are built from the last member backwards.
   */
  function membersFrom(
    pairs: readonly { readonly text: string; readonly name: string }[],
    required: ReadonlySet<string>,
  ): string {
    let rest = '""';
    let first = '""';
    for (const { text, name } of pairs.toReversed()) {
      const restName = addRule(rest);
      const written = `${text} ${restName}`;
      first = required.has(name) ? written : `${written} | ${addRule(first)}`;
      rest = required.has(name) ? `"," " "? ${written}` : `"," " "? ${written} | ${restName}`;
    }
    return addRule(first);
  }

  function mapOf(others: unknown, pointer: string): string {
    const value = visit(others, `${pointer}/additionalProperties`, []);
    const pair = addRule(`${anyString()} ":" " "? ${value}`);
    return addRule(`"{" (${pair} ("," " "? ${pair})*)? "}"`);
  }

  function arrayOf(schema: Schema, pointer: string): string {
    const prefix = schema["prefixItems"] ?? [];
    if (!Array.isArray(prefix)) throw refused(`${pointer}/prefixItems`, "must be a list");
    const min = countAt(schema, "minItems", pointer) ?? 0;
    const max = Math.min(countAt(schema, "maxItems", pointer) ?? Infinity, ITEMS_MAX);
    if (min > max) throw refused(`${pointer}/minItems`, `is over ${max}`);
    if (schema["items"] === false && min > prefix.length) {
      throw refused(`${pointer}/minItems`, "asks for more items than there may be");
    }
    const heads = prefix.slice(0, max).map((item, index) => {
      return visit(item, `${pointer}/prefixItems/${index}`, []);
    });
    const hasTail = schema["items"] !== false && max > heads.length;
    const tail = hasTail ? visit(schema["items"] ?? true, `${pointer}/items`, []) : undefined;
    // A tuple's items may be left out from the end, as long as `min` are there.
    let rest = tail === undefined ? '""' : tailOf(tail, heads.length, min, max);
    for (let index = heads.length - 1; index >= 0; index -= 1) {
      const comma = index === 0 ? "" : '"," " "? ';
      const written = `${comma}${heads[index]} ${addRule(rest)}`;
      rest = index >= min ? `(${written})?` : written;
    }
    return addRule(`"[" ${rest} "]"`);
  }

  function stringOf(schema: Schema, pointer: string): string {
    const { pattern, format } = schema;
    const min = countAt(schema, "minLength", pointer) ?? 0;
    const max = countAt(schema, "maxLength", pointer);
    if (pattern !== undefined || format !== undefined) {
      const keyword = pattern === undefined ? "format" : "pattern";
      if (min > 0 || max !== undefined || (pattern !== undefined && format !== undefined)) {
        throw refused(`${pointer}/${keyword}`, "cannot be bound together with a length or another");
      }
      const inner = pattern === undefined ? formatOf(format, pointer) : patternOf(pattern, pointer);
      return addRule(`"\\"" ${inner} "\\""`);
    }
    if (min === 0 && max === undefined) return anyString();
    if (min > Math.min(max ?? LENGTH_MAX, LENGTH_MAX)) {
      throw refused(`${pointer}/minLength`, `is over ${Math.min(max ?? LENGTH_MAX, LENGTH_MAX)}`);
    }
    return addRule(`"\\"" ${repeated(char(), min, Math.min(max ?? LENGTH_MAX, LENGTH_MAX))} "\\""`);
  }

  return {
    visit,
    rules: () => [...rules].map(([name, body]) => `${name} ::= ${body}`),
  };
}

function tailOf(item: string, before: number, min: number, max: number): string {
  const least = Math.max(min - before, 0);
  const most = max - before;
  const more = `"," " "? ${item}`;
  if (before > 0) return repeated(more, least, most);
  const filled = `${item} ${repeated(more, Math.max(least - 1, 0), most - 1)}`;
  return least === 0 ? `(${filled})?` : filled;
}

function patternOf(pattern: unknown, pointer: string): string {
  const at = `${pointer}/pattern`;
  if (typeof pattern !== "string") throw refused(at, "must be text");
  try {
    return patternGrammar(pattern);
  } catch (cause) {
    if (cause instanceof PatternRefused) throw refused(at, `is not upheld: ${cause.message}`);
    throw cause;
  }
}

function formatOf(format: unknown, pointer: string): string {
  const grammar = typeof format === "string" ? FORMATS[format] : undefined;
  if (grammar !== undefined) return grammar;
  throw refused(`${pointer}/format`, `is not upheld; known are ${Object.keys(FORMATS).join(", ")}`);
}

function numberOf(type: "number" | "integer", schema: Schema, pointer: string): string {
  const bounds: Record<string, number> = {};
  for (const keyword of KEYWORDS.number) {
    const value = schema[keyword];
    if (value === undefined) continue;
    if (typeof value !== "number") throw refused(`${pointer}/${keyword}`, "must be a number");
    bounds[keyword] = value;
  }
  if (schema["multipleOf"] !== undefined && schema["multipleOf"] !== 1) {
    throw refused(`${pointer}/multipleOf`, "is not upheld");
  }
  const grammar =
    type === "integer"
      ? integerGrammar(bounds satisfies NumberBounds)
      : numberGrammar(bounds satisfies NumberBounds);
  if (grammar === undefined) throw refused(pointer, "leaves no number that can be written");
  return grammar;
}

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

/** The types a schema names, or the one that its keywords imply; undefined for anything at all. */
function typesOf(schema: Schema, pointer: string): readonly TypeName[] | undefined {
  const { type } = schema;
  if (type === undefined) {
    const implied = (["object", "array", "string", "number"] as const).find((name) =>
      KEYWORDS[name].some((keyword) => schema[keyword] !== undefined),
    );
    return implied === undefined ? undefined : [implied];
  }
  const names: readonly unknown[] = Array.isArray(type) ? type : [type];
  if (names.length === 0 || !names.every(isTypeName)) {
    throw refused(`${pointer}/type`, "is not a type of JSON");
  }
  return names;
}

const isTypeName = (name: unknown): name is TypeName =>
  typeof name === "string" && Object.hasOwn(KEYWORDS, name);

/** Upholds G2. */
function allow(schema: Schema, keywords: readonly string[], pointer: string): void {
  for (const keyword of Object.keys(schema)) {
    if (schema[keyword] === undefined || ANNOTATIONS.has(keyword)) continue;
    if (!keywords.includes(keyword)) {
      throw refused(`${pointer}/${token(keyword)}`, "is not upheld here");
    }
  }
}

function recordAt(schema: Schema, keyword: string, pointer: string): Schema {
  const value = schema[keyword] ?? {};
  if (!isSchema(value)) throw refused(`${pointer}/${keyword}`, "must be an object");
  return value;
}

function namesAt(schema: Schema, keyword: string, pointer: string): readonly string[] {
  const value = schema[keyword] ?? [];
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string")) {
    throw refused(`${pointer}/${keyword}`, "must be a list of names");
  }
  return value;
}

function countAt(schema: Schema, keyword: string, pointer: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw refused(`${pointer}/${keyword}`, "must be a whole number from 0");
}

/** What `#/a/b` names in `root`. */
function lookUp(root: unknown, ref: string): unknown {
  if (ref !== "#" && !ref.startsWith("#/")) return undefined;
  const path = ref
    .slice(2)
    .split("/")
    .filter((part) => part !== "");
  return path.reduce<unknown>((value, part) => {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    return isSchema(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }, root);
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const token = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");

const refused = (pointer: string, what: string): GantryError =>
  new GantryError("bad_request", `The JSON schema at ${pointer === "" ? "/" : pointer} ${what}`, {
    details: { pointer },
  });
