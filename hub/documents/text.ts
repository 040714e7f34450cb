// What a document says in plain text: for the search, for counts, and to see whether two formats say
// the same.

import type { Block, DocumentModel, Span } from "@gantry/shared/contract/documents.ts";

export const spansText = (spans: readonly Span[]): string => spans.map(({ text }) => text).join("");

/** In reading order. */
export function* textsOf(blocks: readonly Block[]): Generator<string, void> {
  for (const block of blocks) {
    switch (block.kind) {
      case "heading":
      case "paragraph":
        yield spansText(block.text);
        break;
      case "list":
        for (const item of block.items) yield spansText(item);
        break;
      case "table":
        yield* block.head;
        for (const row of block.rows) yield* row;
        break;
      case "code":
        yield block.text;
        break;
      case "image":
        yield block.alt;
    }
  }
}

const WORD = /[\p{L}\p{N}]+/gu;

/** The words in it, and the distinct ones by which it is found, the first `max`. */
export function wordsOf(
  { title, author, blocks }: DocumentModel,
  max: number,
): { readonly count: number; readonly words: readonly string[] } {
  const words = new Set<string>();
  let count = 0;
  const look = (text: string, isCounted: boolean): void => {
    for (const [word] of text.toLowerCase().matchAll(WORD)) {
      if (isCounted) count += 1;
      if (words.size < max) words.add(word.slice(0, 40)); // as searchWords of the ledger cuts them
    }
  };
  look(title, false);
  look(author, false);
  for (const text of textsOf(blocks)) look(text, true);
  return { count, words: [...words] };
}

/** Blobs that it shows, each once. */
export const imagesOf = (blocks: readonly Block[]): readonly string[] => [
  ...new Set(blocks.flatMap((block) => (block.kind === "image" ? [block.blob] : []))),
];
