// What two JSON schemas accept in common, as one schema; and a schema with $ref, allOf, anyOf, oneOf and
// keywords beside them as a list of plain alternatives. Pure.
//
// SM1. A merged schema accepts nothing that one of its parts refuses. Where that cannot be written down,
//      the schema is refused with its pointer.
// SM2. What no value fits is left out of the alternatives; if nothing is left, the schema is refused.
// SM3. additionalProperties speaks about the properties of its own schema: what the other one lists
//      beside them must fit it, or may not be there.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import { isSchema, lookUp, refused, type Schema, type TypeName, typesOf } from "./schema-reader.ts";

const ALTERNATIVES_MAX = 64;
const COMBINERS: ReadonlySet<string> = new Set(["$ref", "allOf", "anyOf", "oneOf"]);

/** True where a combiner stands beside keywords that bind a value, or beside another combiner. */
export function needsMerging(schema: Schema, isAnnotation: (keyword: string) => boolean): boolean {
  const keywords = Object.keys(schema).filter(
    (keyword) => schema[keyword] !== undefined && !isAnnotation(keyword),
  );
  const combiners = keywords.filter((keyword) => COMBINERS.has(keyword));
  if (combiners.length === 0) return false;
  return keywords.length > 1 || combiners[0] === "allOf";
}

/** `checkOneOf`: throws where branches of a oneOf may accept one value in common. */
export function alternativesOf(
  root: unknown,
  schema: Schema,
  pointer: string,
  checkOneOf: (branches: readonly unknown[], at: string) => void,
): readonly Schema[] {
  const found = expand(schema, pointer, []);
  if (found.length === 0) throw refused(pointer, "leaves no value");
  return found;

  function expand(part: unknown, at: string, open: readonly string[]): readonly Schema[] {
    if (part === true) return [{}];
    if (part === false) return [];
    if (!isSchema(part)) throw refused(at, "must be a schema object, true or false");
    const own = Object.entries(part).filter(([keyword]) => !COMBINERS.has(keyword));
    let all: readonly Schema[] = [Object.fromEntries(own)];
    if (part["$ref"] !== undefined) all = product(all, referred(part["$ref"], at, open), at);
    for (const [index, branch] of listOf(part, "allOf", at).entries())
      all = product(all, expand(branch, `${at}/allOf/${index}`, open), at);
    for (const keyword of ["anyOf", "oneOf"] as const) {
      const branches = listOf(part, keyword, at);
      if (branches.length === 0) continue;
      if (keyword === "oneOf") checkOneOf(branches, `${at}/oneOf`);
      const each = branches.flatMap((branch, index) =>
        expand(branch, `${at}/${keyword}/${index}`, open),
      );
      all = product(all, each, at);
    }
    return all;
  }

  function referred(ref: unknown, at: string, open: readonly string[]): readonly Schema[] {
    if (typeof ref !== "string") throw refused(`${at}/$ref`, "must be text");
    if (open.includes(ref)) throw refused(`${at}/$ref`, "refers to itself without an end");
    const target = lookUp(root, ref);
    if (target === undefined) throw refused(`${at}/$ref`, `${ref} is not in this schema`);
    return expand(target, ref.slice(1), [...open, ref]);
  }
}

function listOf(schema: Schema, keyword: string, at: string): readonly unknown[] {
  const list = schema[keyword];
  if (list === undefined) return [];
  if (Array.isArray(list) && list.length > 0) return list;
  throw refused(`${at}/${keyword}`, "must be a list");
}

function product(left: readonly Schema[], right: readonly Schema[], at: string): readonly Schema[] {
  if (left.length * right.length > ALTERNATIVES_MAX)
    throw refused(at, `has over ${ALTERNATIVES_MAX} alternatives`);
  return left.flatMap((a) =>
    right.flatMap((b) => {
      const merged = merge(a, b, at);
      return merged === undefined ? [] : [merged];
    }),
  );
}

/** Undefined where no value fits both. */
function merge(left: Schema, right: Schema, at: string): Schema | undefined {
  const merged: Record<string, unknown> = {};
  for (const keyword of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const [a, b] = [left[keyword], right[keyword]];
    if (a === undefined || b === undefined) merged[keyword] = a ?? b;
    else {
      const rule = RULES[keyword];
      if (rule !== undefined) merged[keyword] = rule(a, b, `${at}/${keyword}`);
      else if (JSON.stringify(a) === JSON.stringify(b)) merged[keyword] = a;
      else if (!ANNOTATED.has(keyword)) throw refused(`${at}/${keyword}`, "cannot be joined");
    }
  }
  const types = commonTypes(left, right, at);
  if (types !== undefined) {
    if (types.length === 0) return undefined; // SM2
    merged["type"] = types.length === 1 ? types[0] : types;
  }
  const values = commonValues(left, right);
  if (values !== undefined) {
    if (values.length === 0) return undefined; // SM2
    delete merged["const"];
    merged["enum"] = values;
  }
  assertPatternsAlone(left, right, at);
  return constants(joinObjects(merged, left, right), at);
}

/** Names that fit a pattern of one schema are the other's properties, or its additional ones. */
function assertPatternsAlone(left: Schema, right: Schema, at: string): void {
  for (const [one, other] of [
    [left, right],
    [right, left],
  ] as const) {
    if (one["patternProperties"] === undefined || other["patternProperties"] !== undefined)
      continue;
    const { additionalProperties: others = true, properties } = other;
    if (others !== true || properties !== undefined)
      throw refused(`${at}/patternProperties`, "cannot be joined with properties");
  }
}

/** Undefined where neither lists its values. */
function commonValues(left: Schema, right: Schema): readonly unknown[] | undefined {
  const lists = [left, right].flatMap((schema) => [
    ...(schema["const"] === undefined ? [] : [[schema["const"]]]),
    ...(Array.isArray(schema["enum"]) ? [schema["enum"] as readonly unknown[]] : []),
  ]);
  const [first, ...others] = lists;
  if (first === undefined) return undefined;
  const texts = others.map((list) => new Set(list.map((value) => canonicalJson(value))));
  return first.filter((value) => texts.every((set) => set.has(canonicalJson(value))));
}

const ANNOTATED: ReadonlySet<string> = new Set(
  "title description default examples deprecated readOnly writeOnly $schema $id $comment $defs definitions type properties required additionalProperties const enum".split(
    " ",
  ),
);

type Rule = (a: unknown, b: unknown, at: string) => unknown;

const greatest: Rule = (a, b, at) => Math.max(numberAt(a, at), numberAt(b, at));
const least: Rule = (a, b, at) => Math.min(numberAt(a, at), numberAt(b, at));
const both: Rule = (a, b) => ({ allOf: [a, b] });

const RULES: Readonly<Record<string, Rule>> = {
  minimum: greatest,
  exclusiveMinimum: greatest,
  minLength: greatest,
  minItems: greatest,
  minProperties: greatest,
  maximum: least,
  exclusiveMaximum: least,
  maxLength: least,
  maxItems: least,
  maxProperties: least,
  items: both,
  uniqueItems: (a, b) => a === true || b === true,
  multipleOf: (a, b, at) => commonMultiple(numberAt(a, at), numberAt(b, at), at),
};

function numberAt(value: unknown, at: string): number {
  if (typeof value === "number") return value;
  throw refused(at, "must be a number");
}

function commonMultiple(a: number, b: number, at: string): number {
  if (!Number.isInteger(a) || !Number.isInteger(b)) throw refused(at, "cannot be joined");
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Undefined where neither names a type; of a type that keywords only imply, nothing is said. */
function commonTypes(left: Schema, right: Schema, at: string): readonly TypeName[] | undefined {
  const [a, b] = [left, right].map((schema) =>
    schema["type"] === undefined ? undefined : typesOf(schema, at),
  );
  if (a === undefined || b === undefined) return a ?? b;
  const shared = a.flatMap((type): readonly TypeName[] => {
    if (b.includes(type)) return [type];
    const isWhole =
      (type === "number" && b.includes("integer")) || (type === "integer" && b.includes("number"));
    return isWhole ? ["integer"] : [];
  });
  return [...new Set(shared)];
}

/** SM3 */
function joinObjects(
  merged: Record<string, unknown>,
  left: Schema,
  right: Schema,
): Record<string, unknown> | undefined {
  const isBound = [left, right].some(
    (schema) => schema["properties"] !== undefined || schema["additionalProperties"] !== undefined,
  );
  const required = [...new Set([...namesOf(left), ...namesOf(right)])];
  if (required.length > 0) merged["required"] = required;
  if (!isBound) return merged;
  const [ours, theirs] = [propertiesOf(left), propertiesOf(right)];
  const properties: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const parts = [
      Object.hasOwn(ours, name) ? ours[name] : left["additionalProperties"],
      Object.hasOwn(theirs, name) ? theirs[name] : right["additionalProperties"],
    ].filter((part) => part !== undefined && part !== true);
    if (parts.includes(false)) {
      if (required.includes(name)) return undefined; // SM2
      continue;
    }
    properties[name] = parts.length === 0 ? true : parts.length === 1 ? parts[0] : { allOf: parts };
  }
  merged["properties"] = properties;
  const others = [left["additionalProperties"], right["additionalProperties"]].filter(
    (part) => part !== undefined && part !== true,
  );
  delete merged["additionalProperties"];
  if (others.includes(false)) merged["additionalProperties"] = false;
  else if (others.length > 0)
    merged["additionalProperties"] = others.length === 1 ? others[0] : { allOf: others };
  return merged;
}

const namesOf = (schema: Schema): readonly unknown[] =>
  Array.isArray(schema["required"]) ? schema["required"] : [];

const propertiesOf = (schema: Schema): Schema =>
  isSchema(schema["properties"]) ? schema["properties"] : {};

const VALUE_ONLY: ReadonlySet<string> = new Set(
  [...ANNOTATED].filter(
    (keyword) => !["properties", "required", "additionalProperties"].includes(keyword),
  ),
);

/** Values that are listed are told apart by hand; beside keywords that bind them they cannot be. */
function constants(merged: Record<string, unknown> | undefined, at: string): Schema | undefined {
  if (merged === undefined) return undefined;
  if (merged["const"] === undefined && merged["enum"] === undefined) return merged;
  const bound = Object.keys(merged).find(
    (keyword) => merged[keyword] !== undefined && !VALUE_ONLY.has(keyword),
  );
  if (bound !== undefined) throw refused(`${at}/${bound}`, "cannot be joined with listed values");
  return merged;
}
