// Reads a JSON schema keyword by keyword; refuses with its JSON pointer what is not upheld (G2 of
// json-schema-grammar.ts). Pure.

import { GantryError } from "@gantry/shared/base/errors.ts";

export type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS = new Set(
  "title description default examples deprecated readOnly writeOnly $schema $id $comment $defs definitions".split(
    " ",
  ),
);

/** The keywords that are upheld, by type. */
export const KEYWORDS = {
  object: [
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
  ],
  array: ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"],
  integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"],
  boolean: [],
  null: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type TypeName = keyof typeof KEYWORDS;

/** The types a schema names, or the one that its keywords imply; undefined for anything at all. */
export function typesOf(schema: Schema, pointer: string): readonly TypeName[] | undefined {
  const { type } = schema;
  if (type === undefined) {
    // `format` alone may be a text's or a number's: it is taken for a text's, as most are.
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

/** Says nothing about values. Keywords of one's own begin with x- (OpenAPI). */
export const isAnnotation = (keyword: string): boolean =>
  ANNOTATIONS.has(keyword) || keyword.startsWith("x-");

/** Upholds G2: throws bad_request for a keyword beside `keywords` that means something. */
export function allow(schema: Schema, keywords: readonly string[], pointer: string): void {
  for (const keyword of Object.keys(schema)) {
    if (schema[keyword] === undefined || isAnnotation(keyword)) continue;
    if (!keywords.includes(keyword)) {
      throw refused(`${pointer}/${token(keyword)}`, "is not upheld here");
    }
  }
}

export function recordAt(schema: Schema, keyword: string, pointer: string): Schema {
  const value = schema[keyword] ?? {};
  if (!isSchema(value)) throw refused(`${pointer}/${keyword}`, "must be an object");
  return value;
}

export function namesAt(schema: Schema, keyword: string, pointer: string): readonly string[] {
  const value = schema[keyword] ?? [];
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string")) {
    throw refused(`${pointer}/${keyword}`, "must be a list of names");
  }
  return value;
}

export function countAt(schema: Schema, keyword: string, pointer: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw refused(`${pointer}/${keyword}`, "must be a whole number from 0");
}

/** What `#/a/b` names in `root`. */
export function lookUp(root: unknown, ref: string): unknown {
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

const isTypeName = (name: unknown): name is TypeName =>
  typeof name === "string" && Object.hasOwn(KEYWORDS, name);

export const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A name as a part of a JSON pointer. */
export const token = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");

/** bad_request with `details.pointer`. */
export const refused = (pointer: string, what: string): GantryError =>
  new GantryError("bad_request", `The JSON schema at ${pointer === "" ? "/" : pointer} ${what}`, {
    details: { pointer },
  });
