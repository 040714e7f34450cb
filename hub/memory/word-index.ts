// Search by words: BM25 (S. Robertson, H. Zaragoza 2009) over texts that come and go.
//
// WI1. Drops what it holds of a text whole: a forgotten text is in no posting.
// WI2. A search sees only the asked groups.

import { canonicalWord } from "../cache/guard/word-lists.ts";

const K1 = 1.2;
const B = 0.75;

/** Say too little to find anything by. */
const SMALL = new Set(
  `a an the of in on at to from with for by and or but if is are was were be been do does did i you he she
  it we they my your his her its our their me us this that these those what which who when where why how
  can could should would will may might must not no as than so there here have has had about please tell
  der die das ist und ein eine von zu mit`.split(/\s+/),
);

export const termsOf = (text: string): readonly string[] =>
  (
    text
      .normalize("NFKC")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+(?:[.+#-][\p{L}\p{N}+#]+)*/gu) ?? []
  )
    .filter((word) => !SMALL.has(word))
    .map(canonicalWord);

export interface Found {
  readonly id: string;
  readonly score: number;
}

export interface WordIndex {
  readonly size: number;
  has(id: string): boolean;
  put(id: string, group: string, text: string): void;
  drop(id: string): void;
  /** Best first. */
  search(text: string, groups: readonly string[], count: number): readonly Found[];
}

interface Held {
  readonly group: string;
  readonly terms: ReadonlyMap<string, number>;
  readonly length: number;
}

export function makeWordIndex(): WordIndex {
  const held = new Map<string, Held>();
  const postings = new Map<string, Map<string, number>>();
  let lengths = 0;

  function drop(id: string): void {
    const of = held.get(id);
    if (of === undefined) return;
    for (const term of of.terms.keys()) {
      const posting = postings.get(term);
      posting?.delete(id);
      if (posting?.size === 0) postings.delete(term); // WI1
    }
    lengths -= of.length;
    held.delete(id);
  }

  return {
    get size() {
      return held.size;
    },
    has: (id) => held.has(id),
    put(id, group, text) {
      drop(id);
      const all = termsOf(text);
      const terms = new Map<string, number>();
      for (const term of all) terms.set(term, (terms.get(term) ?? 0) + 1);
      for (const [term, count] of terms) {
        const posting = postings.get(term) ?? new Map<string, number>();
        posting.set(id, count);
        postings.set(term, posting);
      }
      held.set(id, { group, terms, length: all.length });
      lengths += all.length;
    },
    drop,
    search(text, groups, count) {
      const scores = new Map<string, number>();
      const mean = held.size === 0 ? 1 : Math.max(1, lengths / held.size);
      for (const term of new Set(termsOf(text))) {
        const posting = postings.get(term);
        if (posting === undefined) continue;
        const rarity = Math.log(1 + (held.size - posting.size + 0.5) / (posting.size + 0.5));
        for (const [id, times] of posting) {
          const of = held.get(id);
          if (of === undefined || !groups.includes(of.group)) continue; // WI2
          const weight = times + K1 * (1 - B + (B * of.length) / mean);
          scores.set(id, (scores.get(id) ?? 0) + (rarity * times * (K1 + 1)) / weight);
        }
      }
      return [...scores]
        .map(([id, score]) => ({ id, score }))
        .toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
        .slice(0, count);
    },
  };
}
