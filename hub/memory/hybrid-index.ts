// Texts found by their words and by likeness of meaning together. Words find names and numbers that a
// vector blurs; vectors find what is said in other words. A text is found by its words at once, and by
// likeness as soon as its vector has come.
//
// HI1. Vectors are of one embedder. Another tag empties them and every text waits for its vector again,
//      while words go on finding all of them.
// HI2. Both lists are joined by rank (reciprocal rank fusion, Cormack 2009): scores of the two kinds are
//      not comparable.

import { makeVectorIndex, type VectorIndex } from "../cache/vector-index.ts";
import { makeWordIndex } from "./word-index.ts";

const RANK_SHIFT = 60;
const DEEP = 50;

export interface Hit {
  readonly id: string;
  /** Of the joined ranks; says only which is better. */
  readonly score: number;
  /** Cosine; undefined where only words found it. */
  readonly likeness?: number;
  readonly byWords: boolean;
}

export interface HybridIndex {
  readonly size: number;
  readonly vectors: number;
  readonly tag: string | undefined;
  put(id: string, group: string, text: string): void;
  drop(id: string): void;
  clear(): void;
  /** Texts without a vector of this embedder, oldest first. HI1. */
  waiting(tag: string, most: number): readonly { readonly id: string; readonly text: string }[];
  /** Ignored for a text that has gone or changed meanwhile, or a tag that is not this one's. */
  putVector(id: string, text: string, tag: string, vector: readonly number[]): void;
  /** `vector`: of `text`, by the embedder of `tag`; left out, words alone are searched. */
  search(asked: {
    readonly text: string;
    readonly groups: readonly string[];
    readonly count: number;
    readonly vector?: readonly number[];
    readonly leastLikeness?: number;
  }): readonly Hit[];
}

export function makeHybridIndex(): HybridIndex {
  let words = makeWordIndex();
  const texts = new Map<string, { readonly group: string; readonly text: string }>();
  const lacking = new Set<string>();
  let vectors: VectorIndex | undefined;
  let tag: string | undefined;

  function useTag(next: string): void {
    if (tag === next) return;
    tag = next; // HI1
    vectors = undefined;
    for (const id of texts.keys()) lacking.add(id);
  }

  return {
    get size() {
      return texts.size;
    },
    get vectors() {
      return vectors?.size ?? 0;
    },
    get tag() {
      return tag;
    },
    put(id, group, text) {
      const known = texts.get(id);
      if (known?.text === text && known.group === group) return;
      texts.set(id, { group, text });
      words.put(id, group, text);
      vectors?.drop(id);
      lacking.add(id);
    },
    drop(id) {
      texts.delete(id);
      words.drop(id);
      vectors?.drop(id);
      lacking.delete(id);
    },
    clear() {
      texts.clear();
      lacking.clear();
      words = makeWordIndex();
      vectors = undefined;
    },
    waiting(of, most) {
      useTag(of);
      const found: { id: string; text: string }[] = [];
      for (const id of lacking) {
        if (found.length >= most) break;
        const text = texts.get(id)?.text;
        if (text !== undefined) found.push({ id, text });
      }
      return found;
    },
    putVector(id, text, of, vector) {
      const known = texts.get(id);
      if (known?.text !== text || tag !== of || vector.length === 0) return;
      vectors ??= makeVectorIndex(vector.length);
      if (vector.length !== vectors.dimensions) return;
      vectors.put(id, known.group, vector);
      lacking.delete(id);
    },
    search({ text, groups, count, vector, leastLikeness = 0.3 }) {
      const byWords = words.search(text, groups, DEEP);
      const near =
        vector === undefined ? [] : (vectors?.near(vector, groups, DEEP, leastLikeness) ?? []);
      const joined = new Map<string, { score: number; likeness?: number; byWords: boolean }>();
      for (const [rank, { id }] of byWords.entries())
        joined.set(id, { score: 1 / (RANK_SHIFT + rank), byWords: true });
      for (const [rank, { id, likeness }] of near.entries()) {
        const known = joined.get(id);
        const score = (known?.score ?? 0) + 1 / (RANK_SHIFT + rank); // HI2
        joined.set(id, { score, likeness, byWords: known !== undefined });
      }
      return [...joined]
        .map(([id, hit]) => ({ id, ...hit }))
        .toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
        .slice(0, count);
    },
  };
}
