// Facts that a person states about themselves, found by rules. Few and certain: a memory full of what
// nobody meant is worse than none (mem0ai/mem0 issue 4573 counted 97.8 % junk in one of 10,134).
//
// EX1. A fact is a part of what the person wrote, letter by letter: its quote. Nothing is made up.
// EX2. Questions, conditions, doubts and what holds for an hour state nothing.
// EX3. What looks like a secret is never remembered, not even when asked for.

import type { MemoryKind } from "@gantry/shared/contract/memory.ts";
import { hasSecret } from "../cache/personal.ts";

export interface Stated {
  readonly kind: MemoryKind;
  /** EX1. */
  readonly quote: string;
  readonly text: string;
  /** What there is one of: `my name`, `my favourite material`. */
  readonly about?: string;
  /** The person asked for it to be remembered. */
  readonly isWanted: boolean;
}

const CHARS_MIN = 6;
const CHARS_MAX = 300;

const WANTED =
  /^(?:please |hey,? |ok,? )?(?:remember|note|keep in mind|don'?t forget|do not forget|memori[sz]e)(?: that|:)? +(?=\S)/i;
const NAME = /^(?:my name is|call me|i am called) +(\p{L}[\p{L}' -]{0,60})$/iu;
const MINE = /^(my (?:[a-z0-9-]+ ){0,4}?[a-z0-9-]+) (?:is|are|has|have|was born in|lives in) +\S/i;
const HABIT =
  /^i (?:always|never|usually|mostly|only|prefer|like|love|hate|dislike|avoid|use|own|have|live|work|need|speak|am allergic|am vegetarian|do not|don'?t|can'?t|cannot)\b/i;
const PASSING =
  /\b(?:now|today|tonight|currently|right now|at the moment|this (?:morning|evening|week|time)|yesterday|tomorrow|just|again|if|maybe|perhaps|might|probably|i think|i guess|not sure|wonder|question|problem|error|trouble)\b/i;

/** In the order in which they stand; at most `most`. */
export function factsIn(text: string, most = 4): readonly Stated[] {
  const found: Stated[] = [];
  for (const sentence of sentencesOf(text)) {
    const fact = factOf(sentence);
    if (fact !== undefined && found.length < most) found.push(fact);
  }
  return found;
}

/** True for `remember that ...`: the person expects an answer that says so. */
export const isOrderToRemember = (text: string): boolean => WANTED.test(text.trim());

function factOf(sentence: string): Stated | undefined {
  const wanted = WANTED.exec(sentence);
  const quote = (wanted === null ? sentence : sentence.slice(wanted[0].length)).trim();
  if (quote.length < CHARS_MIN || quote.length > CHARS_MAX || hasSecret(quote)) return undefined; // EX3
  if (wanted === null && (sentence.endsWith("?") || PASSING.test(quote))) return undefined; // EX2
  const about = aboutOf(quote);
  if (wanted === null && about === undefined && !HABIT.test(quote)) return undefined;
  return {
    kind: kindOf(quote, wanted !== null),
    quote: quote.replace(/[.!?]+$/, ""),
    text: quote.replace(/[.!?]+$/, ""),
    ...(about === undefined ? {} : { about }),
    isWanted: wanted !== null,
  };
}

function aboutOf(quote: string): string | undefined {
  if (NAME.test(quote.replace(/[.!]+$/, ""))) return "my name";
  return MINE.exec(quote)?.[1]?.toLowerCase();
}

function kindOf(quote: string, isWanted: boolean): MemoryKind {
  if (/^(?:i (?:prefer|like|love|hate|dislike|avoid)|my favou?rite)\b/i.test(quote))
    return "preference";
  if (isWanted && /^(?:to|always|never|use|answer|speak|call|do not|don'?t)\b/i.test(quote))
    return "instruction";
  return "fact";
}

/** What stands in quotation marks or code is somebody else's word, or a sample: it is left out. */
function sentencesOf(text: string): readonly string[] {
  const own = text.replaceAll(/```[\s\S]*?(?:```|$)/gu, "\n").replaceAll(/^\s*>.*$/gmu, "\n");
  return own
    .split(/(?<=[.!?])\s+|\n+|;\s+/u)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "");
}
