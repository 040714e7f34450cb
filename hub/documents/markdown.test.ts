import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Block, blocksSchema, type Span } from "@gantry/shared/contract/documents.ts";
import { readMarkdown, readSpans } from "./read-markdown.ts";
import { textsOf, wordsOf } from "./text.ts";
import { writeMarkdown } from "./write-markdown.ts";

describe("what Markdown says", () => {
  it.each<[string, Block[]]>([
    ["# One\n", [{ kind: "heading", level: 1, text: [{ text: "One" }] }]],
    ["### Three ###", [{ kind: "heading", level: 3, text: [{ text: "Three" }] }]],
    ["two\nlines", [{ kind: "paragraph", text: [{ text: "two lines" }] }]],
    [
      "- a\n- b\n  more",
      [{ kind: "list", ordered: false, items: [[{ text: "a" }], [{ text: "b more" }]] }],
    ],
    ["1. a\n2) b", [{ kind: "list", ordered: true, items: [[{ text: "a" }], [{ text: "b" }]] }]],
    [
      "| a | b |\n|---|:-:|\n| 1 | x \\| y |\n| 2 |",
      [
        {
          kind: "table",
          head: ["a", "b"],
          rows: [
            ["1", "x | y"],
            ["2", ""],
          ],
        },
      ],
    ],
    [
      "```gcode\nG28\n\n# no heading\n```",
      [{ kind: "code", language: "gcode", text: "G28\n\n# no heading" }],
    ],
    ["```\nnever closed", [{ kind: "code", text: "never closed" }]],
    [`![a bed](blob:${"f".repeat(64)})`, [{ kind: "image", blob: "f".repeat(64), alt: "a bed" }]],
    [
      "![far](https://x.test/a.png)",
      [{ kind: "paragraph", text: [{ text: "!" }, { text: "far", link: "https://x.test/a.png" }] }],
    ],
    ["<b>html</b>", [{ kind: "paragraph", text: [{ text: "<b>html</b>" }] }]],
  ])("%j", (text, blocks) => {
    expect(readMarkdown(text)).toEqual(blocks);
  });

  it.each<[string, Span[]]>([
    [
      "a **b** *c*",
      [{ text: "a " }, { text: "b", bold: true }, { text: " " }, { text: "c", italic: true }],
    ],
    ["`**x**`", [{ text: "**x**", code: true }]],
    ["2 * 3", [{ text: "2 * 3" }]],
    ["\\*no\\*", [{ text: "*no*" }]],
    ["[x](javascript:a)", [{ text: "[x](javascript:a)" }]],
    ["[x](https://a.test)", [{ text: "x", link: "https://a.test" }]],
    ["a ` b", [{ text: "a ` b" }]],
  ])("within a line: %j", (text, spans) => {
    expect(readSpans(text)).toEqual(spans);
  });
});

const word = fc.stringMatching(/^[a-z0-9*_#|`[\]()\\.+~!-]{1,12}$/);
const words = fc.array(word, { minLength: 1, maxLength: 6 }).map((all) => all.join(" "));
/** Neighbours differ in how they look, or they would be one stretch. */
const spans = fc
  .array(words, { minLength: 1, maxLength: 3 })
  .map((all) => all.map((text, at): Span => (at % 2 === 0 ? { text } : { text, bold: true })));
const block: fc.Arbitrary<Block> = fc.oneof(
  fc.record({
    kind: fc.constant("heading" as const),
    level: fc.integer({ min: 1, max: 6 }),
    text: words.map((text) => [{ text: `x${text.replaceAll("#", "")}x` }]),
  }),
  fc.record({
    kind: fc.constant("paragraph" as const),
    text: spans.map(([first, ...rest]) => [{ ...first, text: `x${first?.text}` }, ...rest]),
  }),
  fc.record({
    kind: fc.constant("list" as const),
    ordered: fc.boolean(),
    items: fc.array(spans, { minLength: 1, maxLength: 4 }),
  }),
  fc.integer({ min: 1, max: 4 }).chain((columns) => {
    const row = fc.array(words, { minLength: columns, maxLength: columns });
    return fc.record({
      kind: fc.constant("table" as const),
      head: row,
      rows: fc.array(row, { maxLength: 4 }),
    });
  }),
  fc.record({
    kind: fc.constant("code" as const),
    text: fc.array(words, { minLength: 1, maxLength: 4 }).map((lines) => lines.join("\n")),
  }),
);

/** Two lists, one after the other, are one list in Markdown. */
const apart = (blocks: readonly Block[]): Block[] =>
  blocks.flatMap((each): Block[] => [each, { kind: "paragraph", text: [{ text: "between" }] }]);

it("what is written is read back, block by block", () => {
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 6 }), (given) => {
      const blocks = apart(given);
      const text = writeMarkdown({ title: "T", author: "", blocks });
      const [title, ...read] = readMarkdown(text);
      expect(title).toEqual({ kind: "heading", level: 1, text: [{ text: "T" }] });
      expect(read).toEqual(blocks);
    }),
    { numRuns: 500 },
  );
});

it("reads any text whatever, into blocks that the schema lets through and that lose no word", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 400 }), (text) => {
      const blocks = readMarkdown(text);
      expect(blocksSchema.safeParse(blocks).success).toBe(true);
      void [...textsOf(blocks)];
    }),
    { numRuns: 1_000 },
  );
});

it("takes time that grows with the text alone, whatever marks it is made of", () => {
  for (const mark of ["[", "*", "**", "`", "[](", "|", "\\", "- ", "![", "#"]) {
    const blocks = readMarkdown(mark.repeat(100_000)); // a square of it would take minutes
    expect(blocks.length).toBeGreaterThan(0);
  }
});

it("refuses more than the bounds", () => {
  expect(() => readMarkdown("x".repeat(2_000_001))).toThrow(/2000000/);
  expect(() => readMarkdown("a\n\n".repeat(10_002))).toThrow(/10000/);
});

it("counts words, and finds by the distinct ones, title and author among them", () => {
  const model = {
    title: "Big Red",
    author: "ann",
    blocks: readMarkdown("red **red** bed\n\n| x |\n|--|\n| yes |"),
  };
  expect(wordsOf(model, 10)).toEqual({ count: 5, words: ["big", "red", "ann", "bed", "x", "yes"] });
  expect(wordsOf(model, 2).words).toEqual(["big", "red"]);
});
