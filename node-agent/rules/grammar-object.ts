// Objects as GBNF: members in the schema's order, or a map of any names. Pure.

import type { GrammarRules, VisitInside } from "./grammar-rules.ts";
import { literal } from "./grammar-text.ts";
import { namesAt, recordAt, refused, type Schema, token } from "./schema-reader.ts";

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
  const names = [...Object.keys(properties), ...new Set(missing)];
  if (names.length === 0) return others === false ? '"{}"' : mapOf(others, pointer, rules, visit);
  const pairs = names.map((name) => {
    const listed = Object.hasOwn(properties, name);
    const at = listed ? `${pointer}/properties/${token(name)}` : `${pointer}/additionalProperties`;
    const value = visit(listed ? properties[name] : others, at);
    return { text: `${literal(JSON.stringify(name) + ":")} " "? ${value}`, name };
  });
  return rules.add(`"{" ${membersFrom(pairs, new Set(required), rules)} "}"`);
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

function mapOf(others: unknown, pointer: string, rules: GrammarRules, visit: VisitInside): string {
  const value = visit(others, `${pointer}/additionalProperties`);
  const pair = rules.add(`${rules.anyString()} ":" " "? ${value}`);
  return rules.add(`"{" (${pair} ("," " "? ${pair})*)? "}"`);
}
