// Objects as GBNF: members in the schema's order, or a map of names. Pure.
//
// OB1. Where members are listed, no others are written: then additionalProperties and propertyNames hold.
// OB2. Names of a map may come twice, and a reader keeps the last: so no map is promised to have more
//      than one member.

import type { GrammarRules, VisitInside } from "./grammar-rules.ts";
import { literal } from "./grammar-text.ts";
import {
  countAt,
  isSchema,
  namesAt,
  recordAt,
  refused,
  type Schema,
  token,
} from "./schema-reader.ts";

const MEMBERS_MAX = 500;

/** Throws bad_request for a required name that may not be there. */
export function objectGrammar(
  schema: Schema,
  pointer: string,
  rules: GrammarRules,
  visit: VisitInside,
): string {
  const properties = recordAt(schema, "properties", pointer);
  const required = namesAt(schema, "required", pointer);
  const others = schema["additionalProperties"] ?? true;
  const missing = required.filter((name) => !Object.hasOwn(properties, name));
  if (missing.length > 0 && others === false) {
    throw refused(`${pointer}/required`, `${missing[0]} is not among the properties`);
  }
  const names = [...Object.keys(properties), ...new Set(missing)].filter(
    (name) => required.includes(name) || properties[name] !== false,
  );
  const hasPatterns = schema["patternProperties"] !== undefined;
  if (names.length === 0 && Object.keys(properties).length === 0)
    return mapOf(schema, others, pointer, rules, visit);
  if (hasPatterns) throw refused(`${pointer}/patternProperties`, "cannot be beside properties");
  if (schema["propertyNames"] !== undefined && schema["propertyNames"] !== true)
    throw refused(`${pointer}/propertyNames`, "cannot be beside properties");
  assertCount(schema, names.length, new Set(required).size, pointer);
  if (names.length === 0) return '"{}"';
  const pairs = names.map((name) => {
    const listed = Object.hasOwn(properties, name);
    const at = listed ? `${pointer}/properties/${token(name)}` : `${pointer}/additionalProperties`;
    const value = visit(listed ? properties[name] : others, at);
    return { text: `${literal(JSON.stringify(name) + ":")} " "? ${value}`, name };
  });
  return rules.add(`"{" ${membersFrom(pairs, new Set(required), rules)} "}"`);
}

/** With listed members the count is between the required ones and all of them. */
function assertCount(schema: Schema, most: number, least: number, pointer: string): void {
  const min = countAt(schema, "minProperties", pointer) ?? 0;
  const max = countAt(schema, "maxProperties", pointer) ?? Infinity;
  if (min > least) throw refused(`${pointer}/minProperties`, "is upheld by required names alone");
  if (max < most) throw refused(`${pointer}/maxProperties`, "is under the number of properties");
}

/**
 * Members in order, each present or left out. `rest` is what may follow a written member, `first`
 * what may stand while none is written; both are built from the last member backwards.
 */
function membersFrom(
  pairs: readonly { readonly text: string; readonly name: string }[],
  required: ReadonlySet<string>,
  rules: GrammarRules,
): string {
  let rest = '""';
  let first = '""';
  for (const { text, name } of pairs.toReversed()) {
    const restName = rules.add(rest);
    const written = `${text} ${restName}`;
    first = required.has(name) ? written : `${written} | ${rules.add(first)}`;
    rest = required.has(name) ? `"," " "? ${written}` : `"," " "? ${written} | ${restName}`;
  }
  return rules.add(first);
}

/** Any names, those of one pattern, or those that a schema of names accepts. */
function mapOf(
  schema: Schema,
  others: unknown,
  pointer: string,
  rules: GrammarRules,
  visit: VisitInside,
): string {
  const min = countAt(schema, "minProperties", pointer) ?? 0;
  const max = Math.min(countAt(schema, "maxProperties", pointer) ?? Infinity, MEMBERS_MAX);
  if (min > 1) throw refused(`${pointer}/minProperties`, "is upheld up to 1 for free names"); // OB2
  if (min > max) throw refused(`${pointer}/maxProperties`, `is under ${min}`);
  const kind = memberOf(schema, others, pointer, rules, visit);
  if (kind === undefined || max === 0) {
    if (min > 0)
      throw refused(`${pointer}/minProperties`, "asks for members that may not be there");
    return '"{}"';
  }
  const pair = rules.add(kind);
  const more = max === 1 ? "" : ` ("," " "? ${pair})${max < MEMBERS_MAX ? `{0,${max - 1}}` : "*"}`;
  const filled = `${pair}${more}`;
  return rules.add(`"{" ${min === 0 ? `(${filled})?` : filled} "}"`);
}

function memberOf(
  schema: Schema,
  others: unknown,
  pointer: string,
  rules: GrammarRules,
  visit: VisitInside,
): string | undefined {
  const patterns = Object.entries(recordAt(schema, "patternProperties", pointer));
  const [only, ...further] = patterns;
  if (further.length > 0)
    throw refused(`${pointer}/patternProperties`, "can hold one pattern only: a name may fit two");
  const names = schema["propertyNames"];
  if (only === undefined) {
    if (others === false || names === false) return undefined;
    const name =
      names === undefined || names === true ? rules.anyString() : nameOf(names, pointer, visit);
    return `${name} ":" " "? ${visit(others, `${pointer}/additionalProperties`)}`;
  }
  if (names !== undefined) throw refused(`${pointer}/propertyNames`, "cannot be beside patterns");
  const [pattern, value] = only;
  if (value === false) throw refused(`${pointer}/patternProperties`, "forbids what it names");
  const at = `${pointer}/patternProperties`;
  const name = visit({ type: "string", pattern }, at);
  return `${name} ":" " "? ${visit(value, `${at}/${token(pattern)}`)}`;
}

/** A name is text, whatever else its schema says. */
function nameOf(names: unknown, pointer: string, visit: VisitInside): string {
  const at = `${pointer}/propertyNames`;
  if (!isSchema(names)) throw refused(at, "must be a schema");
  const isText = names["type"] === undefined || names["type"] === "string";
  const listed: readonly unknown[] = Array.isArray(names["enum"]) ? names["enum"] : [];
  if (!isText || listed.some((value) => typeof value !== "string") || names["const"] !== undefined)
    throw refused(at, "must be a schema of text");
  return visit({ ...names, type: "string" }, at);
}
