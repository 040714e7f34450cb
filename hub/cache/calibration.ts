// From which likeness on two questions are worth asking the guard about. Each embedder has a scale of its
// own, so each is measured once, with questions that mean the same and questions that do not.
//
// CB1. The threshold is the lowest at which likeness alone would give, with 95 % confidence, no more false
//      hits among unrelated pairs than the budget. The guard comes on top.
// CB2. Never below FLOOR, and UNMEASURED where nothing has been measured.

import { differenceOf } from "./guard/guard.ts";
import { readQuestion } from "./guard/reading.ts";

export const UNMEASURED = 0.92;
const FLOOR = 0.6;
const CEILING = 0.99;
const STEP = 0.005;

export interface Calibration {
  readonly threshold: number;
  /** Share of the pairs that mean the same which are at least so alike. */
  readonly recall: number;
  /** Upper bound of false hits among unrelated pairs, by likeness alone. */
  readonly falseHits: number;
  readonly pairs: number;
}

/** `budget`: of false hits, 0 to 1. */
export function calibrate(
  same: readonly number[],
  unrelated: readonly number[],
  budget = 0.001,
): Calibration {
  for (let at = FLOOR; at < CEILING; at += STEP) {
    const threshold = Math.round(at * 1_000) / 1_000;
    const falseHits = upperBound(
      unrelated.filter((likeness) => likeness >= threshold).length,
      unrelated.length,
    );
    if (falseHits <= budget)
      return { threshold, recall: shareOf(same, threshold), falseHits, pairs: unrelated.length };
  }
  const recall = shareOf(same, CEILING);
  return { threshold: CEILING, recall, falseHits: 1, pairs: unrelated.length };
}

const shareOf = (list: readonly number[], threshold: number): number =>
  list.length === 0 ? 0 : list.filter((likeness) => likeness >= threshold).length / list.length;

/** Of a share of which `hits` of `tries` were seen, with 95 % confidence: 3/n for none, Poisson for few. */
export const upperBound = (hits: number, tries: number): number =>
  tries === 0 ? 1 : Math.min(1, (hits + 1.645 * Math.sqrt(hits) + 3) / tries);

export const cosine = (a: readonly number[], b: readonly number[]): number => {
  let dot = 0;
  let left = 0;
  let right = 0;
  for (let at = 0; at < a.length; at += 1) {
    const [x, y] = [a[at] ?? 0, b[at] ?? 0];
    dot += x * y;
    left += x * x;
    right += y * y;
  }
  return left === 0 || right === 0 ? 0 : dot / Math.sqrt(left * right);
};

/**
 * Likenesses of pairs of one meaning, and of every two questions of different meanings. `vectors`: two for
 * each pair; `groups`: equal for pairs that ask the same thing.
 */
export function likenesses(
  vectors: readonly (readonly [readonly number[], readonly number[]])[],
  groups: readonly number[],
): { readonly same: readonly number[]; readonly unrelated: readonly number[] } {
  const same = vectors.map(([a, b]) => cosine(a, b));
  const unrelated: number[] = [];
  for (const [at, [a, b]] of vectors.entries()) {
    for (let other = at + 1; other < vectors.length; other += 1) {
      const [c = [], d = []] = vectors[other] ?? [];
      if (groups[at] === groups[other]) continue;
      unrelated.push(cosine(a, c), cosine(a, d), cosine(b, c), cosine(b, d));
    }
  }
  return { same, unrelated };
}

/** Numbers pairs by what they ask: those that share a question, or ask the same by the guard, get one. */
export function groupsOf(pairs: readonly (readonly [string, string])[]): readonly number[] {
  const readings = pairs.map((pair) => pair.map((text) => readQuestion(text)));
  const groups = pairs.map((_, at) => at);
  for (const [at, some] of readings.entries()) {
    for (let other = at + 1; other < readings.length; other += 1) {
      const isSame = some.some((a) =>
        readings[other]?.some((b) => differenceOf(a, b) === undefined),
      );
      if (isSame && groups[other] === other) groups[other] = groups[at] ?? at;
    }
  }
  return groups;
}
