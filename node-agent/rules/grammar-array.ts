// Arrays as GBNF: a tuple's items, then any number of equal ones. Pure.

import type { GrammarRules, VisitInside } from "./grammar-rules.ts";
import { literal, repeated } from "./grammar-text.ts";
import { countAt, isAnnotation, isSchema, refused, type Schema } from "./schema-reader.ts";

/** Longer arrays are cut to this by the grammar (G4 of json-schema-grammar.ts). */
const ITEMS_MAX = 500;

/** Throws bad_request for bounds that no array fits. */
export function arrayGrammar(
  schema: Schema,
  pointer: string,
  rules: GrammarRules,
  visit: VisitInside,
): string {
  const prefix = schema["prefixItems"] ?? [];
  if (!Array.isArray(prefix)) throw refused(`${pointer}/prefixItems`, "must be a list");
  const min = countAt(schema, "minItems", pointer) ?? 0;
  const max = Math.min(countAt(schema, "maxItems", pointer) ?? Infinity, ITEMS_MAX);
  if (min > max) throw refused(`${pointer}/minItems`, `is over ${max}`);
  if (schema["uniqueItems"] === true && max > 1)
    return setOf(schema, min, max, prefix, pointer, rules);
  if (schema["items"] === false && min > prefix.length) {
    throw refused(`${pointer}/minItems`, "asks for more items than there may be");
  }
  const heads = prefix.slice(0, max).map((item, index) => {
    return visit(item, `${pointer}/prefixItems/${index}`);
  });
  const hasTail = schema["items"] !== false && max > heads.length;
  const tail = hasTail ? visit(schema["items"] ?? true, `${pointer}/items`) : undefined;
  // A tuple's items may be left out from the end, as long as `min` are there.
  let rest = tail === undefined ? '""' : tailOf(tail, heads.length, min, max);
  for (let index = heads.length - 1; index >= 0; index -= 1) {
    const comma = index === 0 ? "" : '"," " "? ';
    const written = `${comma}${heads[index]} ${rules.add(rest)}`;
    rest = index >= min ? `(${written})?` : written;
  }
  return rules.add(`"[" ${rest} "]"`);
}

const SET_CELLS_MAX = 1_500;

/** Distinct values: of a list, in its order, each written or left out. */
function setOf(
  schema: Schema,
  min: number,
  max: number,
  prefix: readonly unknown[],
  pointer: string,
  rules: GrammarRules,
): string {
  const at = `${pointer}/uniqueItems`;
  const items = schema["items"];
  const values = isSchema(items) ? listedIn(items) : undefined;
  if (prefix.length > 0 || values === undefined)
    throw refused(at, "is upheld for items that are listed by enum alone");
  const texts = [...new Set(values.map((value) => JSON.stringify(value)))];
  if (min > texts.length)
    throw refused(`${pointer}/minItems`, `is over the ${texts.length} values`);
  const most = Math.min(max, texts.length);
  if (texts.length * (most + 1) > SET_CELLS_MAX) throw refused(at, "has too many values");
  // states[taken]: what may follow when so many are written and the values before are decided.
  let states: readonly (string | undefined)[] = Array.from({ length: most + 1 }, (_, taken) =>
    taken >= min ? '""' : undefined,
  );
  for (const text of texts.toReversed()) {
    const after = states.map((state) => (state === undefined ? undefined : rules.add(state)));
    states = states.map((_, taken) => {
      const comma = taken === 0 ? "" : '"," " "? ';
      const next = after[taken + 1];
      const written = next === undefined ? [] : [`${comma}${literal(text)} ${next}`];
      const skipped = after[taken] === undefined ? [] : [after[taken]];
      const both = [...written, ...skipped];
      return both.length === 0 ? undefined : both.join(" | ");
    });
  }
  return rules.add(`"[" ${rules.add(states[0] ?? '""')} "]"`);
}

/** The values of an enum or a const with nothing beside it. */
function listedIn(items: Schema): readonly unknown[] | undefined {
  const keywords = Object.keys(items).filter((keyword) => !isAnnotation(keyword));
  if (keywords.length !== 1) return undefined;
  if (items["const"] !== undefined) return [items["const"]];
  return Array.isArray(items["enum"]) && items["enum"].length > 0 ? items["enum"] : undefined;
}

function tailOf(item: string, before: number, min: number, max: number): string {
  const least = Math.max(min - before, 0);
  const most = max - before;
  const more = `"," " "? ${item}`;
  if (before > 0) return repeated(more, least, most);
  const filled = `${item} ${repeated(more, Math.max(least - 1, 0), most - 1)}`;
  return least === 0 ? `(${filled})?` : filled;
}
