// CEL text into words (cel-spec, doc/langdef.md, "Syntax"). Numbers are JSON's: one kind, so an
// unsigned mark is refused; bytes are not spoken here.

import { CelFault } from "./fault.ts";

export type Word =
  | { readonly kind: "name" | "sign"; readonly at: number; readonly text: string }
  | { readonly kind: "string"; readonly at: number; readonly text: string }
  | { readonly kind: "number"; readonly at: number; readonly text: string; readonly value: number }
  | { readonly kind: "end"; readonly at: number; readonly text: "" };

const SPACE = /(?:[\s]|\/\/[^\n]*)*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const SIGN = /\|\||&&|==|!=|<=|>=|[<>!+\-*/%?:.,()[\]{}]/y;

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** Throws CelFault cel_syntax, cel_overflow. The last word is `end`. */
export function wordsOf(text: string): readonly Word[] {
  const words: Word[] = [];
  let at = 0;
  for (;;) {
    at += match(SPACE, text, at)?.length ?? 0;
    if (at >= text.length) break;
    const { word, end } = wordAt(text, at);
    words.push(word);
    at = end;
  }
  return [...words, { kind: "end", at, text: "" }];
}

function wordAt(text: string, at: number): { readonly word: Word; readonly end: number } {
  const quoted = /[rR]?["']/y;
  if (match(quoted, text, at) !== undefined) return stringAt(text, at);
  const name = match(NAME, text, at);
  if (name !== undefined) return { word: { kind: "name", at, text: name }, end: at + name.length };
  const digits = match(NUMBER, text, at);
  if (digits !== undefined) return numberAt(text, at, digits);
  const sign = match(SIGN, text, at);
  if (sign === undefined) throw new CelFault("cel_syntax", "This character means nothing here", at);
  return { word: { kind: "sign", at, text: sign }, end: at + sign.length };
}

function numberAt(
  text: string,
  at: number,
  digits: string,
): { readonly word: Word; readonly end: number } {
  const end = at + digits.length;
  if (/[A-Za-z0-9_]/.test(text[end] ?? "")) {
    throw new CelFault("cel_syntax", "A number ends with a letter", at);
  }
  const value = Number(digits);
  if (!Number.isFinite(value)) throw new CelFault("cel_overflow", "The number is too large", at);
  return { word: { kind: "number", at, text: digits, value }, end };
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "?": "?",
  '"': '"',
  "'": "'",
  "`": "`",
};

function stringAt(text: string, at: number): { readonly word: Word; readonly end: number } {
  const isRaw = /[rR]/.test(text[at] ?? "");
  const open = isRaw ? at + 1 : at;
  const mark = text[open] ?? "";
  const quote = text.startsWith(mark.repeat(3), open) ? mark.repeat(3) : mark;
  let value = "";
  let here = open + quote.length;
  while (!text.startsWith(quote, here)) {
    const char = text[here];
    if (char === undefined || (char === "\n" && quote.length === 1)) {
      throw new CelFault("cel_syntax", "The text has no closing quote", at);
    }
    if (char === "\\" && !isRaw) {
      const escaped = escapeAt(text, here);
      value += escaped.value;
      here = escaped.end;
    } else {
      value += char;
      here += 1;
    }
  }
  return { word: { kind: "string", at, text: value }, end: here + quote.length };
}

const CODES = /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})/y;

function escapeAt(text: string, at: number): { readonly value: string; readonly end: number } {
  const simple = ESCAPES[text[at + 1] ?? ""];
  if (simple !== undefined) return { value: simple, end: at + 2 };
  const code = match(CODES, text, at);
  const point =
    code === undefined
      ? NaN
      : /^\\[0-3]/.test(code)
        ? parseInt(code.slice(1), 8)
        : parseInt(code.slice(2), 16);
  if (!(point <= 0x10_ff_ff)) throw new CelFault("cel_syntax", "There is no such escape", at);
  return { value: String.fromCodePoint(point), end: at + (code ?? "").length };
}
