// Words into a part with its parameters: "make a box 40x30x20 with lid", "a spacer 8 mm high for M4".
// A small grammar, the same in the hub and in the console. It is strict: a sentence of which one word
// is not understood gives nothing, because a part with a forgotten wish is printed in vain.
//
// WD1. Every word of the sentence is used by one rule, or is one of FILLERS.
// WD2. No parameter is said twice.

import type { Part } from "./part.ts";
import { PARTS } from "./library.ts";

export interface PartWords {
  readonly part: Part;
  /** What was said; the rest are defaults. Not checked: see partValues. */
  readonly said: Readonly<Record<string, number | boolean | string>>;
}

const ORDER =
  /^(?:(?:please|gantry|could you|can you|would you|i (?:want|need|would like)|make|create|generate|design|build|model|draw|give|print|me|us|a|an|the|new|one|simple|small|custom)[,:]?\s+)*/iu;
const FILLERS: ReadonlySet<string> = new Set(
  "a an the and with of is in it that which has having be should for size sized sizes dimensions mm millimeter millimeters millimetre millimetres please by about each to , ; .".split(
    " ",
  ),
);
const NUMBER = String.raw`(\d{1,4}(?:[.,]\d{1,3})?)`;
const UNIT = String.raw`(?:\s*(mm|millimet(?:er|re)s?|cm|centimet(?:er|re)s?|in|inch|inches|"))?`;
const BETWEEN = String.raw`\s*(?:x|×|\*|by)\s*`;
const SIZES = new RegExp(
  `^${NUMBER}${UNIT}${BETWEEN}${NUMBER}${UNIT}(?:${BETWEEN}${NUMBER}${UNIT})?(?![\\w])`,
  "iu",
);
const FROM_TO = new RegExp(`^from\\s+${NUMBER}${UNIT}\\s+to\\s+${NUMBER}${UNIT}(?![\\w])`, "iu");
const AMOUNT = new RegExp(`^${NUMBER}${UNIT}(?![\\w])`, "iu");
const SCREW =
  /^(?:an?\s+)?m\s?(2[.,]5|2|3|4|5|6|8|10)(?:\s+(?:screws?|bolts?|holes?|rods?))?(?!\w)/iu;
const QUOTED =
  /^(?:(?:saying|reading|labell?ed|(?:with\s+)?(?:the\s+)?(?:text|words?|name))\s+)?["“„']([^"”“']{1,60})["”“']/iu;
const WORDS_MAX = 400;

/** Clearance holes for metric screws, ISO 273, medium series, in mm. */
const SCREW_HOLE_MM: Readonly<Record<string, number>> = {
  "2": 2.4,
  "2.5": 2.9,
  "3": 3.4,
  "4": 4.5,
  "5": 5.5,
  "6": 6.6,
  "8": 9,
  "10": 11,
};

/** Undefined: not one of ours, or not wholly understood. */
export function readPartWords(sentence: string): PartWords | undefined {
  if (sentence.length > WORDS_MAX) return undefined;
  const text = sentence
    .normalize("NFC")
    .trim()
    .replaceAll(/\s+/gu, " ")
    .replace(/[.!?]+$/u, "");
  const ordered = text.replace(ORDER, "");
  const found = findNoun(ordered);
  if (found === undefined) return undefined;
  const said = readRest(found.part, found.rest);
  return said === undefined ? undefined : { part: found.part, said };
}

/** The earliest noun, and of those the longest; what stands before and after it is left. */
function findNoun(text: string): { part: Part; rest: string } | undefined {
  const quoteAt = text.search(/["“„']/u);
  const searched = quoteAt < 0 ? text : text.slice(0, quoteAt);
  let best: { part: Part; at: number; length: number } | undefined;
  for (const part of PARTS) {
    for (const noun of part.nouns) {
      const match = new RegExp(`\\b${noun.replaceAll(" ", "[ -]")}\\b`, "iu").exec(searched);
      if (match === null) continue;
      const isBetter =
        best === undefined ||
        noun.length > best.length ||
        (noun.length === best.length && match.index < best.at);
      if (isBetter) best = { part, at: match.index, length: match[0].length };
    }
  }
  if (best === undefined) return undefined;
  const rest = `${text.slice(0, best.at)} ${text.slice(best.at + best.length)}`;
  return { part: best.part, rest: rest.trim() };
}

type Said = Record<string, number | boolean | string>;

/** What one rule took off the front: how many characters, and what they set. */
interface Taken {
  readonly length: number;
  readonly sets: Readonly<Said>;
}

function readRest(part: Part, words: string): Said | undefined {
  const said: Said = {};
  let rest = words.trimStart();
  while (rest !== "") {
    const taken = RULES.map((rule) => rule(part, rest)).find((one) => one !== undefined);
    const filler = /^[\p{L}]+(?!\w)|^[,;.]/u.exec(rest)?.[0];
    if (taken !== undefined) {
      for (const [name, value] of Object.entries(taken.sets)) {
        if (Object.hasOwn(said, name)) return undefined; // WD2
        said[name] = value;
      }
      rest = rest.slice(taken.length).trimStart();
    } else if (filler !== undefined && FILLERS.has(filler.toLowerCase())) {
      rest = rest.slice(filler.length).trimStart();
    } else return undefined; // WD1
  }
  return said;
}

type Rule = (part: Part, rest: string) => Taken | undefined;

const RULES: readonly Rule[] = [
  readText,
  readFromTo,
  readSizes,
  readScrew,
  readFlag,
  readChoice,
  readNamedFirst,
  readAmountFirst,
  readMainSize,
];

function readText(part: Part, rest: string): Taken | undefined {
  const name = Object.entries(part.parameters).find(([, { kind }]) => kind === "text")?.[0];
  const match = name === undefined ? null : QUOTED.exec(rest);
  if (name === undefined || match === null) return undefined;
  return { length: match[0].length, sets: { [name]: match[1] ?? "" } };
}

function readFromTo({ fromTo }: Part, rest: string): Taken | undefined {
  const match = fromTo === undefined ? null : FROM_TO.exec(rest);
  if (fromTo === undefined || match === null) return undefined;
  const [whole, first, firstUnit, second, secondUnit] = match;
  const sets = {
    [fromTo[0]]: millimetres(first, firstUnit ?? secondUnit),
    [fromTo[1]]: millimetres(second, secondUnit),
  };
  return { length: whole.length, sets };
}

function readSizes({ sizes }: Part, rest: string): Taken | undefined {
  const match = SIZES.exec(rest);
  if (match === null) return undefined;
  const [whole, a, unitA, b, unitB, c, unitC] = match;
  const unit = unitC ?? unitB ?? unitA;
  const numbers = [a, b, c].filter((text) => text !== undefined);
  if (numbers.length > sizes.length) return undefined;
  const sets = numbers.map((text, index) => [sizes[index] ?? "", millimetres(text, unit)] as const);
  return { length: whole.length, sets: Object.fromEntries(sets) };
}

function readScrew(part: Part, rest: string): Taken | undefined {
  const match = SCREW.exec(rest);
  const name = Object.entries(part.parameters).find(
    ([, spec]) => "isScrewHole" in spec && spec.isScrewHole,
  )?.[0];
  if (match === null || name === undefined) return undefined;
  const hole = SCREW_HOLE_MM[(match[1] ?? "").replace(",", ".")];
  return hole === undefined ? undefined : { length: match[0].length, sets: { [name]: hole } };
}

function readFlag(part: Part, rest: string): Taken | undefined {
  for (const [name, spec] of Object.entries(part.parameters)) {
    if (spec.kind !== "flag") continue;
    for (const word of longestFirst(spec.words ?? [])) {
      const pattern = new RegExp(
        `^(?:(?<no>without|no)\\s+(?:an?\\s+|the\\s+)?|with\\s+(?:an?\\s+|the\\s+)?)?${word}(?!\\w)`,
        "iu",
      );
      const match = pattern.exec(rest);
      if (match === null) continue;
      return { length: match[0].length, sets: { [name]: match.groups?.["no"] === undefined } };
    }
  }
  return undefined;
}

function readChoice(part: Part, rest: string): Taken | undefined {
  for (const [name, spec] of Object.entries(part.parameters)) {
    if (spec.kind !== "choice") continue;
    const option = spec.options.find((one) => new RegExp(`^${one}(?!\\w)`, "iu").test(rest));
    if (option !== undefined) return { length: option.length, sets: { [name]: option } };
  }
  return undefined;
}

/** "wall 2 mm", "height of 8". */
function readNamedFirst(part: Part, rest: string): Taken | undefined {
  for (const { name, word, kind } of namesOf(part)) {
    const match = new RegExp(`^${word}\\s*(?:of|is|=|:)?\\s*${NUMBER}${UNIT}(?!\\w)`, "iu").exec(
      rest,
    );
    if (match === null) continue;
    return { length: match[0].length, sets: { [name]: amountOf(kind, match[1], match[2]) } };
  }
  return undefined;
}

/** "8 mm high", "20 teeth", "a 6 mm shaft". */
function readAmountFirst(part: Part, rest: string): Taken | undefined {
  for (const { name, word, kind } of namesOf(part)) {
    const match = new RegExp(`^${NUMBER}${UNIT}[\\s-]+(?:in\\s+)?${word}(?!\\w)`, "iu").exec(rest);
    if (match === null) continue;
    return { length: match[0].length, sets: { [name]: amountOf(kind, match[1], match[2]) } };
  }
  return undefined;
}

function readMainSize({ mainSize }: Part, rest: string): Taken | undefined {
  const match = mainSize === undefined ? null : AMOUNT.exec(rest);
  if (mainSize === undefined || match === null) return undefined;
  return { length: match[0].length, sets: { [mainSize]: millimetres(match[1], match[2]) } };
}

interface Name {
  readonly name: string;
  readonly word: string;
  readonly kind: "length" | "angle" | "count";
}

/** The words of all numbers of a part, the longest first. */
function namesOf(part: Part): readonly Name[] {
  const names = Object.entries(part.parameters).flatMap(([name, spec]): Name[] =>
    spec.kind === "length" || spec.kind === "angle" || spec.kind === "count"
      ? (spec.words ?? []).map((word) => ({ name, word, kind: spec.kind }))
      : [],
  );
  return names.toSorted((a, b) => b.word.length - a.word.length);
}

const longestFirst = (words: readonly string[]): readonly string[] =>
  words.toSorted((a, b) => b.length - a.length);

const amountOf = (kind: Name["kind"], text: string | undefined, unit: string | undefined): number =>
  kind === "length" ? millimetres(text, unit) : numberOf(text);

const numberOf = (text = ""): number => Number(text.replace(",", "."));

function millimetres(text: string | undefined, unit = "mm"): number {
  const first = unit.toLowerCase();
  const factor = first.startsWith("c") ? 10 : first.startsWith("i") || first === '"' ? 25.4 : 1;
  return numberOf(text) * factor;
}
