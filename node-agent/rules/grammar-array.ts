// Arrays as GBNF: a tuple's items, then any number of equal ones. Pure.

import type { GrammarRules, VisitInside } from "./grammar-rules.ts";
import { repeated } from "./grammar-text.ts";
import { countAt, refused, type Schema } from "./schema-reader.ts";

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

function tailOf(item: string, before: number, min: number, max: number): string {
  const least = Math.max(min - before, 0);
  const most = max - before;
  const more = `"," " "? ${item}`;
  if (before > 0) return repeated(more, least, most);
  const filled = `${item} ${repeated(more, Math.max(least - 1, 0), most - 1)}`;
  return least === 0 ? `(${filled})?` : filled;
}
