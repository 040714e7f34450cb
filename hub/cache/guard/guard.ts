// May the answer to one question be given to another? Likeness of meaning alone may not decide: encoders
// call `heat to 200` and `heat to 250` alike, and `cancel` and `do not cancel`. So every word of both
// questions must be accounted for by a word of the other that means the same, in a place that means
// the same.
//
// G1. Different amounts, names, quotations, negations, question words, manners, languages or words: never.
// G2. Phrases may change places only where nothing makes their order count (R3 of reading.ts); phrases
//     without a preposition never change places among themselves.
// G3. The guard never makes a hit: likeness must be enough as well (thresholds.ts).

import type { Phrase, Reading } from "./reading.ts";

/** What differs first, for people who ask why. */
export type Difference =
  | "language"
  | "question"
  | "manner"
  | "amount"
  | "negation"
  | "name"
  | "quotation"
  | "word"
  | "order";

/** Undefined: by all that can be seen the two ask the same. About 2 us. */
export function differenceOf(a: Reading, b: Reading): Difference | undefined {
  if (a.language !== b.language) return "language";
  if (a.kind !== b.kind) return "question";
  const [some, others] = [counted(a), counted(b)];
  for (const [word, count] of some) {
    if (others.get(word) !== count) return kindOf(word);
  }
  for (const [word, count] of others) {
    if (some.get(word) !== count) return kindOf(word);
  }
  if (a.manner !== b.manner) return "manner";
  if (a.phrases.length !== b.phrases.length) return "order";
  const isOrdered = a.isOrdered || b.isOrdered;
  return isOrdered ? sameOrder(a.phrases, b.phrases) : samePhrases(a.phrases, b.phrases);
}

const kindOf = (word: string): Difference => {
  if (word.startsWith("#")) return "amount";
  if (word.startsWith("!") || word === "without ") return "negation";
  if (word.startsWith("@")) return "name";
  return word.startsWith('"') ? "quotation" : "word";
};

/** Roles among them, with a space, so that no word is one. */
function counted({ phrases }: Reading): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const count = (word: string): void => void counts.set(word, (counts.get(word) ?? 0) + 1);
  for (const { role, words } of phrases) {
    if (role !== "") count(`${role} `);
    for (const word of words) count(word);
  }
  return counts;
}

const textOf = ({ role, words }: Phrase): string => `${role}\u0000${words.join("\u0000")}`;

const sameOrder = (a: readonly Phrase[], b: readonly Phrase[]): Difference | undefined =>
  a.every((phrase, at) => textOf(phrase) === textOf(b[at] ?? { role: "", words: [] }))
    ? undefined
    : "order";

/** G2. */
function samePhrases(a: readonly Phrase[], b: readonly Phrase[]): Difference | undefined {
  return bareOf(a) === bareOf(b) && ledOf(a) === ledOf(b) ? undefined : "order";
}

const bareOf = (phrases: readonly Phrase[]): string =>
  phrases
    .filter(({ role }) => role === "")
    .map(textOf)
    .join("\u0001");

const ledOf = (phrases: readonly Phrase[]): string =>
  phrases
    .filter(({ role }) => role !== "")
    .map(textOf)
    .toSorted()
    .join("\u0001");
