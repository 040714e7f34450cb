import { describe, expect, it } from "vitest";
import { parseVocabulary, wordPieces, words } from "./word-piece.ts";

const vocabulary = parseVocabulary(
  ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "print", "##er", "##s", "un", "##print", "!", "中"].join(
    "\n",
  ),
);

describe("words", () => {
  it.each([
    ["Hello, World!", ["hello", ",", "world", "!"]],
    ["Crème brûlée", ["creme", "brulee"]],
    ["中文 ok", ["中", "文", "ok"]],
    ["a\u0000b\u200Bc\td", ["abc", "d"]],
    ["$5+x", ["$", "5", "+", "x"]],
    ["“quoted”", ["“", "quoted", "”"]],
    ["  ", []],
  ])("%j", (text, expected) => {
    expect(words(text)).toEqual(expected);
  });
});

describe("word pieces", () => {
  it.each([
    ["printers!", [2, 4, 5, 6, 9, 3]],
    ["unprint 中", [2, 7, 8, 10, 3]],
    ["printx", [2, 1, 3]], // a word with an unknown piece is unknown as a whole
    ["x".repeat(101), [2, 1, 3]],
    ["", [2, 3]],
  ])("%j", (text, expected) => {
    expect(wordPieces(text, vocabulary, 256)).toEqual(expected);
  });

  it("cuts a long text and still ends it", () => {
    expect(wordPieces("print ".repeat(500), vocabulary, 8)).toEqual([2, 4, 4, 4, 4, 4, 4, 3]);
  });

  it("refuses a file that is no BERT vocabulary", () => {
    expect(() => parseVocabulary("hello\nworld")).toThrow("[CLS]");
  });
});
