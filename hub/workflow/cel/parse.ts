// CEL words into a tree, by recursive descent (cel-spec, doc/langdef.md, "Syntax").
//
// CP1. Bounded before anything is evaluated: LIMIT.celChars, LIMIT.celNodes, LIMIT.celDepth. A text
//      over one of them is cel_too_large.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Binary, Node } from "./ast.ts";
import { CelFault } from "./fault.ts";
import { type Word, wordsOf } from "./lex.ts";

/** Tightest last. Relations do not chain in a useful way, yet the grammar lets them. */
const LEVELS: readonly (readonly Binary[])[] = [
  ["||"],
  ["&&"],
  ["==", "!=", "<", "<=", ">", ">=", "in"],
  ["+", "-"],
  ["*", "/", "%"],
];

/** Words that may not be names (langdef.md, RESERVED), so that other CEL readers agree. */
const RESERVED = new Set(
  "as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);

/** Throws CelFault cel_syntax, cel_too_large, cel_overflow. */
export function parseCel(text: string): Node {
  if (text.length > LIMIT.celChars.max) {
    throw new CelFault("cel_too_large", `The expression is over ${LIMIT.celChars.max} characters`);
  }
  const reader: Reader = { words: wordsOf(text), next: 0, nodes: 0, depth: 0 };
  const node = readExpression(reader);
  const rest = peek(reader);
  if (rest.kind !== "end") throw unexpected(rest);
  return node;
}

interface Reader {
  readonly words: readonly Word[];
  next: number;
  nodes: number;
  depth: number;
}

const END: Word = { kind: "end", at: 0, text: "" };
const peek = (reader: Reader): Word => reader.words[reader.next] ?? END;

const unexpected = (word: Word): CelFault =>
  new CelFault(
    "cel_syntax",
    word.kind === "end"
      ? "The expression ends too early"
      : `"${word.text.slice(0, 40)}" is not expected here`,
    word.at,
  );

/** The next word if it is this sign or operator. */
function accept(reader: Reader, text: string): Word | undefined {
  const word = peek(reader);
  const isIt =
    word.text === text && (word.kind === "sign" || (word.kind === "name" && text === "in"));
  if (!isIt) return undefined;
  reader.next += 1;
  return word;
}

function expect(reader: Reader, text: string): Word {
  const word = accept(reader, text);
  if (word === undefined) throw unexpected(peek(reader));
  return word;
}

/** CP1. */
function made(reader: Reader, node: Node): Node {
  reader.nodes += 1;
  if (reader.nodes > LIMIT.celNodes.max) {
    throw new CelFault("cel_too_large", `The expression has over ${LIMIT.celNodes.max} parts`);
  }
  return node;
}

/** CP1. */
function deeper<T>(reader: Reader, read: () => T): T {
  reader.depth += 1;
  if (reader.depth > LIMIT.celDepth.max) {
    throw new CelFault("cel_too_large", `The expression nests over ${LIMIT.celDepth.max} deep`);
  }
  const value = read();
  reader.depth -= 1;
  return value;
}

const readExpression = (reader: Reader): Node =>
  deeper(reader, () => {
    const test = readLevel(reader, 0);
    const mark = accept(reader, "?");
    if (mark === undefined) return test;
    const yes = readLevel(reader, 0);
    expect(reader, ":");
    const no = readExpression(reader);
    return made(reader, { kind: "choice", at: mark.at, test, yes, no });
  });

function readLevel(reader: Reader, level: number): Node {
  const ops = LEVELS[level];
  if (ops === undefined) return readUnary(reader);
  let left = readLevel(reader, level + 1);
  for (;;) {
    const at = peek(reader).at;
    const op = ops.find((text) => accept(reader, text) !== undefined);
    if (op === undefined) return left;
    const right = readLevel(reader, level + 1);
    left = made(reader, { kind: "binary", at, op, left, right });
  }
}

function readUnary(reader: Reader): Node {
  const at = peek(reader).at;
  const op = (["!", "-"] as const).find((text) => accept(reader, text) !== undefined);
  if (op === undefined) return readMembers(reader);
  const of = deeper(reader, () => readUnary(reader));
  return made(reader, { kind: "unary", at, op, of });
}

function readMembers(reader: Reader): Node {
  let node = readPrimary(reader);
  for (;;) {
    const dot = accept(reader, ".");
    if (dot !== undefined) {
      node = readMember(reader, node, dot.at);
      continue;
    }
    const open = accept(reader, "[");
    if (open === undefined) return node;
    const key = readExpression(reader);
    expect(reader, "]");
    node = made(reader, { kind: "index", at: open.at, of: node, key });
  }
}

function readMember(reader: Reader, of: Node, at: number): Node {
  const word = peek(reader);
  if (word.kind !== "name") throw unexpected(word);
  reader.next += 1;
  if (accept(reader, "(") === undefined) {
    return made(reader, { kind: "member", at, of, name: word.text });
  }
  const args = readList(reader, ")", () => readExpression(reader));
  return made(reader, { kind: "call", at: word.at, target: of, name: word.text, args });
}

function readPrimary(reader: Reader): Node {
  const word = peek(reader);
  reader.next += 1;
  switch (word.kind) {
    case "number":
      return made(reader, { kind: "literal", at: word.at, value: word.value });
    case "string":
      return made(reader, { kind: "literal", at: word.at, value: word.text });
    case "name":
      return readName(reader, word);
    case "end":
      throw unexpected(word);
    case "sign":
      return readBracket(reader, word);
  }
}

const WORDS: Readonly<Record<string, null | boolean>> = { true: true, false: false, null: null };

function readName(reader: Reader, { at, text }: Word): Node {
  const value = Object.hasOwn(WORDS, text) ? WORDS[text] : undefined;
  if (value !== undefined) return made(reader, { kind: "literal", at, value });
  if (RESERVED.has(text) || text === "in") {
    throw new CelFault("cel_syntax", `"${text}" is a reserved word`, at);
  }
  if (accept(reader, "(") === undefined) return made(reader, { kind: "name", at, name: text });
  const args = readList(reader, ")", () => readExpression(reader));
  return made(reader, { kind: "call", at, target: undefined, name: text, args });
}

function readBracket(reader: Reader, word: Word): Node {
  const { at } = word;
  if (word.text === "(") {
    const inner = readExpression(reader);
    expect(reader, ")");
    return inner;
  }
  if (word.text === "[") {
    const items = readList(reader, "]", () => readExpression(reader));
    return made(reader, { kind: "list", at, items });
  }
  if (word.text === "{") {
    const entries = readList(reader, "}", () => {
      const key = readExpression(reader);
      expect(reader, ":");
      return { key, value: readExpression(reader) };
    });
    return made(reader, { kind: "map", at, entries });
  }
  throw unexpected(word);
}

/** Up to `close`; a comma before it is allowed. */
function readList<T>(reader: Reader, close: string, read: () => T): readonly T[] {
  const items: T[] = [];
  while (accept(reader, close) === undefined) {
    if (items.length > 0) {
      expect(reader, ",");
      if (accept(reader, close) !== undefined) break;
    }
    items.push(read());
  }
  return items;
}
