// Selectors: which machines? Terms with commas between them, all of which must hold.
//
//   printer                     exists            !cmd.shell          does not exist
//   printer exists              the same          cmd.shell not exists
//   room=workshop               equal             room!=office        another value, or none
//   gpu.vram_mb>=8000           >= <= > <         numbers only
//   kind in (a,b)               one of these      kind not in (a,b)   none of these
//   model has qwen              member of a set   model has-all (qwen,phi)
//
// Values with other signs than letters, digits and . _ : / @ + - | are written in "double quotes", with
// \" and \\ inside. `:` in a name is the same as `.`: cmd:shell is cmd.shell.
//
// SE1. What is parsed and written again selects the same. An empty selector selects everything.
// SE2. A label of another type never throws: a comparison that makes no sense does not hold.
// SE3. `not in` and `!=` hold exactly where `in` and `=` do not.

import { GantryError } from "../base/errors.ts";
import { LIMIT } from "../base/policy.ts";
import { type Labels, type LabelValue, numberIn, parseLabel } from "./labels.ts";

export type Comparison = ">=" | "<=" | ">" | "<";

export type Term =
  | { readonly op: "exists" | "not exists"; readonly label: string }
  | { readonly op: "=" | "!="; readonly label: string; readonly value: string }
  | { readonly op: Comparison; readonly label: string; readonly number: number }
  | {
      readonly op: "in" | "not in" | "has-all";
      readonly label: string;
      readonly values: readonly string[];
    }
  | { readonly op: "has"; readonly label: string; readonly value: string };

export type Selector = readonly Term[];

/** Throws bad_selector; `details.at` is the index of the character that cannot be read. */
export function parseSelector(source: string): Selector {
  if (source.length > LIMIT.selectorChars.max) {
    throw bad(`It is longer than ${LIMIT.selectorChars.max} characters`, LIMIT.selectorChars.max);
  }
  const reader = makeReader(source);
  if (reader.isEnd()) return [];
  const terms: Term[] = [];
  for (;;) {
    if (terms.length >= LIMIT.selectorTerms.max) {
      throw bad(`It has more than ${LIMIT.selectorTerms.max} terms`, reader.at());
    }
    terms.push(readTerm(reader));
    if (reader.isEnd()) return terms;
    reader.expect(",");
  }
}

/** In one form; `parseSelector` of it gives the same terms (SE1). */
export const formatSelector = (selector: Selector): string => selector.map(formatTerm).join(", ");

export const selects = (selector: Selector, labels: Labels): boolean =>
  selector.every((term) => holds(term, labels.get(term.label)));

// ── does it hold? ───────────────────────────────────────────────────────────────────────────────

function holds(term: Term, label: LabelValue | undefined): boolean {
  switch (term.op) {
    case "exists":
      return label !== undefined;
    case "not exists":
      return label === undefined;
    case "=":
      return isEqual(label, term.value);
    case "!=":
      return !isEqual(label, term.value); // SE3
    case "in":
      return term.values.some((value) => isEqual(label, value));
    case "not in":
      return !term.values.some((value) => isEqual(label, value)); // SE3
    case "has":
      return hasMember(label, term.value);
    case "has-all":
      return term.values.every((value) => hasMember(label, value));
    case ">=":
    case "<=":
    case ">":
    case "<":
      return label?.kind === "number" && compares(label.number, term.op, term.number); // SE2
  }
}

/** A set is equal to `a|b` in any order; a list to the same numbers in the same order. */
function isEqual(label: LabelValue | undefined, written: string): boolean {
  if (label === undefined) return false;
  if (label.kind === "text") return label.text === written;
  const value = parseLabel(written);
  switch (label.kind) {
    case "number":
      return value.kind === "number" && value.number === label.number;
    case "list":
      return value.kind === "list" && String(value.numbers) === String(label.numbers);
    case "set": {
      const members = value.kind === "set" ? value.members : new Set([written]);
      return members.size === label.members.size && members.isSubsetOf(label.members);
    }
  }
}

/** A single value has itself as its only member. */
function hasMember(label: LabelValue | undefined, value: string): boolean {
  if (label === undefined) return false;
  if (label.kind === "set") return label.members.has(value);
  if (label.kind === "list") return label.numbers.some((number) => number === numberIn(value));
  return isEqual(label, value);
}

function compares(number: number, op: Comparison, bound: number): boolean {
  switch (op) {
    case ">=":
      return number >= bound;
    case "<=":
      return number <= bound;
    case ">":
      return number > bound;
    case "<":
      return number < bound;
  }
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────

interface Reader {
  at(): number;
  isEnd(): boolean;
  /** Takes `sign` if it is next. */
  take(sign: string): boolean;
  expect(sign: string): void;
  /** Takes a word of letters if it is next and ends there. */
  takeWord(word: string): boolean;
  name(): string;
  value(): string;
}

const NAME = /[A-Za-z_][A-Za-z0-9_.:/-]*/y;
const VALUE = /[\p{L}\p{N}._:/@+|-]+/uy;
const QUOTED = /"((?:[^"\\]|\\["\\])*)"/y;

function makeReader(source: string): Reader {
  let place = 0;

  function skip(): void {
    while (/\s/.test(source[place] ?? "")) place += 1;
  }
  function match(pattern: RegExp): RegExpExecArray | undefined {
    skip();
    const sticky = new RegExp(pattern.source, pattern.flags);
    sticky.lastIndex = place;
    const found = sticky.exec(source) ?? undefined;
    if (found !== undefined) place += found[0].length;
    return found;
  }
  function take(sign: string): boolean {
    skip();
    if (!source.startsWith(sign, place)) return false;
    place += sign.length;
    return true;
  }

  return {
    at: () => place,
    isEnd() {
      skip();
      return place >= source.length;
    },
    take,
    expect(sign) {
      if (!take(sign)) throw bad(`Here should be "${sign}"`, place);
    },
    takeWord(word) {
      skip();
      const after = source[place + word.length] ?? " ";
      if (!source.startsWith(word, place) || /[A-Za-z0-9_.:/-]/.test(after)) return false;
      place += word.length;
      return true;
    },
    name() {
      const found = match(NAME);
      if (found === undefined) throw bad("Here should be the name of a label", place);
      return found[0].replaceAll(":", ".");
    },
    value() {
      const quoted = match(QUOTED);
      if (quoted !== undefined) return (quoted[1] ?? "").replaceAll(/\\(["\\])/g, "$1");
      const found = match(VALUE);
      if (found === undefined) throw bad("Here should be a value", place);
      return found[0];
    },
  };
}

const COMPARISONS = [">=", "<=", ">", "<"] as const;

function readTerm(reader: Reader): Term {
  if (reader.take("!")) return { op: "not exists", label: reader.name() };
  const label = reader.name();
  if (reader.take("!=")) return { op: "!=", label, value: reader.value() };
  if (reader.take("=")) return { op: "=", label, value: reader.value() };
  for (const op of COMPARISONS)
    if (reader.take(op)) return { op, label, number: readNumber(reader) };
  if (reader.takeWord("exists")) return { op: "exists", label };
  if (reader.takeWord("has-all")) return { op: "has-all", label, values: readValues(reader) };
  if (reader.takeWord("has")) return { op: "has", label, value: reader.value() };
  if (reader.takeWord("in")) return { op: "in", label, values: readValues(reader) };
  if (!reader.takeWord("not")) return { op: "exists", label };
  if (reader.takeWord("exists")) return { op: "not exists", label };
  if (reader.takeWord("in")) return { op: "not in", label, values: readValues(reader) };
  throw bad('After "not" comes "in" or "exists"', reader.at());
}

function readNumber(reader: Reader): number {
  const at = reader.at();
  const number = numberIn(reader.value());
  if (number === undefined) throw bad("Here should be a number", at);
  return number;
}

function readValues(reader: Reader): readonly string[] {
  reader.expect("(");
  const values = [reader.value()];
  while (reader.take(",")) values.push(reader.value());
  reader.expect(")");
  return values;
}

const bad = (why: string, at: number): GantryError =>
  new GantryError("bad_selector", `${why} (character ${at + 1})`, { details: { at } });

// ── writing ─────────────────────────────────────────────────────────────────────────────────────

function formatTerm(term: Term): string {
  const { label } = term;
  switch (term.op) {
    case "exists":
      return label;
    case "not exists":
      return `!${label}`;
    case "=":
    case "!=":
      return `${label}${term.op}${quote(term.value)}`;
    case "has":
      return `${label} has ${quote(term.value)}`;
    case "in":
    case "not in":
    case "has-all":
      return `${label} ${term.op} (${term.values.map(quote).join(",")})`;
    case ">=":
    case "<=":
    case ">":
    case "<":
      return `${label}${term.op}${term.number}`;
  }
}

const quote = (value: string): string =>
  new RegExp(`^(?:${VALUE.source})$`, "u").test(value)
    ? value
    : `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
