// Do two answers say the same? For audits alone: where it is not sure, they do not.
//
// SA1. All amounts must be equal, and negations must be as many; then most words must be the same.

import { readQuestion } from "./guard/reading.ts";

const ENOUGH = 0.6;

export function saySame(a: string, b: string): boolean {
  if (plain(a) === plain(b)) return true;
  const [some, others] = [wordsOf(a), wordsOf(b)];
  if (factsOf(some) !== factsOf(others)) return false; // SA1
  const left = new Set(some);
  const right = new Set(others);
  const shared = [...left].filter((word) => right.has(word)).length;
  return left.size + right.size > 0 && (2 * shared) / (left.size + right.size) >= ENOUGH;
}

const plain = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

const wordsOf = (text: string): readonly string[] =>
  readQuestion(text.slice(0, 8_000)).phrases.flatMap(({ words }) => words);

const factsOf = (words: readonly string[]): string =>
  words
    .filter((word) => word.startsWith("#") || word.startsWith("!"))
    .toSorted()
    .join("|");
