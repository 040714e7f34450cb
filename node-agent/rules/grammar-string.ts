// Strings as GBNF: any, bound in length, of a pattern or of a format. Pure.

import { boundPattern, PatternRefused } from "./grammar-pattern.ts";
import type { GrammarRules } from "./grammar-rules.ts";
import { repeated } from "./grammar-text.ts";
import { countAt, refused, type Schema } from "./schema-reader.ts";

/** Longer strings are cut to this by the grammar: llama.cpp unrolls each count (G4). */
const LENGTH_MAX = 1_000;

const TWO = "[0-5] [0-9]";
const DATE = '[12] [0-9]{3} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])';
const TIME = `([01] [0-9] | "2" [0-3]) ":" ${TWO} ":" ${TWO} "Z"`;
const HEX = "[0-9a-f]";
const LABEL = "[a-z0-9] ([a-z0-9-]{0,14} [a-z0-9])?";
const HOST = `${LABEL} ("." ${LABEL}){0,2} "." [a-z]{2,6}`;
const BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])';

interface Format {
  readonly grammar: string;
  /** Characters of what it writes. */
  readonly min: number;
  readonly max: number;
}
const fixed = (grammar: string, length: number): Format => ({ grammar, min: length, max: length });
const FORMATS: Readonly<Record<string, Format>> = {
  date: fixed(DATE, 10),
  time: fixed(TIME, 9),
  "date-time": fixed(`${DATE} "T" ${TIME}`, 20),
  uuid: fixed(`${HEX}{8} "-" ${HEX}{4} "-" "4" ${HEX}{3} "-" [89ab] ${HEX}{3} "-" ${HEX}{12}`, 36),
  email: { grammar: `[a-z0-9] [a-z0-9_-]{0,15} "@" ${HOST}`, min: 6, max: 73 },
  hostname: { grammar: HOST, min: 4, max: 56 },
  ipv4: { grammar: `${BYTE} ("." ${BYTE}){3}`, min: 7, max: 15 },
  ipv6: { grammar: `${HEX}{1,4} (":" ${HEX}{1,4}){7}`, min: 15, max: 39 },
  uri: {
    grammar: `"http" "s"? "://" ${HOST} ("/" [a-z0-9._~-]{0,20}){0,3}`,
    min: 11,
    max: 127,
  },
  duration: {
    grammar: '("P" [1-9] [0-9]{0,2} [DWMY] | "PT" [1-9] [0-9]{0,2} [HMS])',
    min: 3,
    max: 6,
  },
};

/** Throws bad_request for what cannot be bound together, and for a format that is not known. */
export function stringGrammar(schema: Schema, pointer: string, rules: GrammarRules): string {
  const { pattern, format } = schema;
  const min = countAt(schema, "minLength", pointer) ?? 0;
  const max = countAt(schema, "maxLength", pointer);
  if (pattern !== undefined || format !== undefined) {
    if (pattern !== undefined && format !== undefined)
      throw refused(`${pointer}/format`, "cannot be bound together with a pattern");
    const most = max ?? Infinity;
    const inner =
      pattern === undefined
        ? formatOf(format, min, most, pointer)
        : patternOf(pattern, min, most, pointer);
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

function patternOf(pattern: unknown, min: number, max: number, pointer: string): string {
  const at = `${pointer}/pattern`;
  if (typeof pattern !== "string") throw refused(at, "must be text");
  try {
    return boundPattern(pattern, min, max);
  } catch (cause) {
    if (cause instanceof PatternRefused) throw refused(at, `is not upheld: ${cause.message}`);
    throw cause;
  }
}

function formatOf(format: unknown, min: number, max: number, pointer: string): string {
  const at = `${pointer}/format`;
  const found = typeof format === "string" ? FORMATS[format] : undefined;
  if (found === undefined)
    throw refused(at, `is not upheld; known are ${Object.keys(FORMATS).join(", ")}`);
  if (found.min >= min && found.max <= max) return found.grammar;
  throw refused(
    at,
    `has ${found.min} to ${found.max} characters, and the length is bound otherwise`,
  );
}
