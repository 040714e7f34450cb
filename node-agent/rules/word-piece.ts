// The WordPiece tokenizer of BERT (uncased), which MiniLM, bge and gte share. Pure.
// Source: huggingface/transformers, models/bert/tokenization_bert.py (BasicTokenizer, WordpieceTokenizer).
// 0 differences to the native tokenizer on 136 samples (notes/inference).

import { GantryError } from "@gantry/shared/base/errors.ts";

export interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly start: number;
  readonly end: number;
  readonly unknown: number;
}

/** Longer words become [UNK]: BERT's max_input_chars_per_word. */
const WORD_CHARS_MAX = 100;

/** From vocab.txt: one piece a line, its id is its line. Throws model_invalid. */
export function parseVocabulary(text: string): Vocabulary {
  const lines = text.split("\n");
  const ids = new Map(lines.map((line, id) => [line.trimEnd(), id]));
  const special = (piece: string): number => {
    const id = ids.get(piece);
    if (id !== undefined) return id;
    throw new GantryError(
      "model_invalid",
      `The vocabulary has no ${piece}; is it BERT's vocab.txt?`,
    );
  };
  return { ids, start: special("[CLS]"), end: special("[SEP]"), unknown: special("[UNK]") };
}

/** Ids with [CLS] and [SEP] around them, at most `tokensMax` together. O(characters). */
export function wordPieces(text: string, vocabulary: Vocabulary, tokensMax: number): number[] {
  const ids = [vocabulary.start];
  for (const word of words(text)) {
    for (const id of pieces(word, vocabulary)) {
      if (ids.length >= tokensMax - 1) return [...ids, vocabulary.end];
      ids.push(id);
    }
  }
  return [...ids, vocabulary.end];
}

/** Lower-case words without accents; each punctuation mark and each CJK character is a word. */
export function words(text: string): readonly string[] {
  const plain = text
    .replaceAll(/\uFFFD|(?![\t\n\r])[\p{Cc}\p{Cf}]/gu, "")
    .replaceAll(CJK, " $& ")
    .toLowerCase()
    .normalize("NFD")
    .replaceAll(/\p{Mn}/gu, "");
  return plain
    .replaceAll(PUNCTUATION, " $& ")
    .split(/\s+/u)
    .filter((word) => word !== "");
}

// As BERT: every ASCII mark counts, also those that Unicode calls symbols ($ + < = > ^ ` | ~).
const PUNCTUATION = /[!-/:-@[-`{-~]|\p{P}/gu;
const CJK =
  /[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u{20000}-\u{2A6DF}\u{2A700}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu;

/** Longest pieces first, from the left. */
function pieces(word: string, { ids, unknown }: Vocabulary): readonly number[] {
  const chars = Array.from(word);
  if (chars.length > WORD_CHARS_MAX) return [unknown];
  const found: number[] = [];
  for (let start = 0; start < chars.length;) {
    let end = chars.length;
    let id: number | undefined;
    for (; end > start && id === undefined; end -= 1) {
      id = ids.get((start === 0 ? "" : "##") + chars.slice(start, end).join(""));
    }
    if (id === undefined) return [unknown];
    found.push(id);
    start = end + 1; // the loop stepped once past the match
  }
  return found;
}
