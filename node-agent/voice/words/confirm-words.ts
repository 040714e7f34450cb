// Giving one's word by voice. The hub's confirmation stays what it is: one action, one person, one
// expiry. Here it is decided whether somebody in the room has really said it.
//
// CW1. Accepted is "confirm" and the word drawn for this very confirmation, alone, and nothing else:
//      no "yes", no sentence that has it in it, no negation of it.
// CW2. Never while we speak, nor within ECHO_MS after: the microphone hears our own read-back.
// CW3. Not after its time, which the room counts from the read-back's end and the hub from its making;
//      whichever is over first.
// CW4. The highest class needs a hand at a button as well: its voice word is refused with the way to go.
// CW5. Two wrong words end it: somebody is guessing, or the ear is.

import type { Random } from "@gantry/shared/base/prng.ts";
import type { HazardClass } from "@gantry/shared/contract/roles.ts";
import { plainWords } from "./plain.ts";

/** Unlike each other in sound, and no words of orders. */
export const CONFIRM_WORDS = [
  "amber",
  "balcony",
  "crystal",
  "dolphin",
  "elephant",
  "granite",
  "harvest",
  "jupiter",
  "lavender",
  "mountain",
  "october",
  "pineapple",
  "sapphire",
  "thunder",
  "velvet",
  "yellow",
] as const;

export const VOICE_WORD_MS = 10_000;
export const ECHO_MS = 400;
const WRONG_MAX = 2;

/** What waits for a word in this room. */
export interface PendingWord {
  readonly id: string;
  /** What the hub wants to be given once the room has said its own word. */
  readonly phrase: string;
  readonly summary: string;
  readonly hazardClass: HazardClass;
  readonly word: string;
  readonly wrong: number;
  /** Monotonic ms; set when the read-back has been spoken to its end (CW3). */
  readonly untilMs: number | undefined;
}

export type WordVerdict =
  | { readonly kind: "given" }
  | { readonly kind: "refused" }
  | { readonly kind: "wrong"; readonly pending: PendingWord | undefined }
  | { readonly kind: "expired" }
  | { readonly kind: "deaf" }
  /** Something else was said; the confirmation goes on waiting. */
  | { readonly kind: "other" };

export const drawWord = (random: Random): string =>
  CONFIRM_WORDS[Math.floor(random() * CONFIRM_WORDS.length)] ?? CONFIRM_WORDS[0];

export const needsHand = (hazardClass: HazardClass): boolean => hazardClass === "high"; // CW4

const REFUSALS: ReadonlySet<string> = new Set([
  "no",
  "cancel",
  "cancel that",
  "refuse",
  "never mind",
  "do not",
  "do not confirm",
  "do not do it",
  "do not print",
  "stop",
]);

/** `quietSinceMs`: when our own voice ended; undefined while it speaks. */
export function judgeWord(
  pending: PendingWord,
  heard: string,
  nowMs: number,
  quietSinceMs: number | undefined,
): WordVerdict {
  if (quietSinceMs === undefined || nowMs - quietSinceMs < ECHO_MS) return { kind: "deaf" }; // CW2
  const words = plainWords(heard);
  if (REFUSALS.has(words)) return { kind: "refused" };
  const isNegated = /\b(?:not|no|never|nobody|none|without|cancel|refuse|stop|wait)\b/u.test(words);
  if (isNegated && words.includes("confirm")) return { kind: "refused" };
  if (!words.startsWith("confirm")) return { kind: "other" };
  if (pending.untilMs === undefined || nowMs > pending.untilMs) return { kind: "expired" }; // CW3
  if (words === `confirm ${pending.word}` && !needsHand(pending.hazardClass)) {
    return { kind: "given" }; // CW1
  }
  const wrong = pending.wrong + 1;
  return { kind: "wrong", pending: wrong >= WRONG_MAX ? undefined : { ...pending, wrong } }; // CW5
}

/** What is read back: the action, its numbers, what is dangerous, and the word. */
export function readBack(pending: PendingWord, hazards: readonly string[]): string {
  const danger = hazards.length === 0 ? "" : ` It ${hazards.join(", and ")}.`;
  if (needsHand(pending.hazardClass)) {
    return `${pending.summary}.${danger} This needs a hand: confirm it at the console or with gantry confirm.`;
  }
  return `${pending.summary}.${danger} To go ahead, say: confirm ${pending.word}.`;
}
