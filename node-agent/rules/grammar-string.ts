// Strings as GBNF: any, bound in length, of a pattern or of a format. Pure.

import { patternGrammar, PatternRefused } from "./grammar-pattern.ts";
import type { GrammarRules } from "./grammar-rules.ts";
import { repeated } from "./grammar-text.ts";
import { countAt, refused, type Schema } from "./schema-reader.ts";

/** Longer strings are cut to this by the grammar: llama.cpp unrolls each count (G4). */
const LENGTH_MAX = 1_000;

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

/** Throws bad_request for what cannot be bound together, and for a format that is not known. */
export function stringGrammar(schema: Schema, pointer: string, rules: GrammarRules): string {
  const { pattern, format } = schema;
  const min = countAt(schema, "minLength", pointer) ?? 0;
  const max = countAt(schema, "maxLength", pointer);
  if (pattern !== undefined || format !== undefined) {
    const keyword = pattern === undefined ? "format" : "pattern";
    if (min > 0 || max !== undefined || (pattern !== undefined && format !== undefined)) {
      throw refused(`${pointer}/${keyword}`, "cannot be bound together with a length or another");
    }
    const inner = pattern === undefined ? formatOf(format, pointer) : patternOf(pattern, pointer);
    return rules.add(`"\\"" ${inner} "\\""`);
  }
  if (min === 0 && max === undefined) return rules.anyString();
  if (min > Math.min(max ?? LENGTH_MAX, LENGTH_MAX)) {
    throw refused(`${pointer}/minLength`, `is over ${Math.min(max ?? LENGTH_MAX, LENGTH_MAX)}`);
  }
  return rules.add(
    `"\\"" ${repeated(rules.char(), min, Math.min(max ?? LENGTH_MAX, LENGTH_MAX))} "\\""`,
  );
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
