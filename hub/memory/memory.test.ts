import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MemoryRow } from "@gantry/shared/contract/memory.ts";
import { chunksOf, CHUNK_CHARS } from "./chunks.ts";
import { decideFact, draftOf } from "./decide.ts";
import { factsIn, isOrderToRemember } from "./extract.ts";
import { makeHybridIndex } from "./hybrid-index.ts";
import { makeWordIndex } from "./word-index.ts";

describe("facts in what a person says", () => {
  it.each([
    ["Remember that the key is under the mat.", "the key is under the mat", "fact"],
    ["My favourite colour is blue, thanks.", "My favourite colour is blue, thanks", "preference"],
    ["Hello. I prefer PETG for brackets. What is PLA?", "I prefer PETG for brackets", "preference"],
    ["remember to answer in short sentences", "to answer in short sentences", "instruction"],
    ["my name is Ada", "my name is Ada", "fact"],
    ["I am allergic to resin fumes.", "I am allergic to resin fumes", "fact"],
  ])("%s", (text, quote, kind) => {
    expect(factsIn(text)).toMatchObject([{ quote, kind }]);
    expect(text).toContain(quote); // EX1
  });

  it.each([
    "What is my name?",
    "My print is stuck right now.",
    "I think my bed is dirty",
    "Maybe my nozzle is worn.",
    "Print bracket on sim",
    "If my belt is loose, what do I do?",
    "How do I level the bed?",
    "My password is hunter2",
    "Remember that my API key is sk-abcdefghijklmnop",
    "Remember that my card is 4111 1111 1111 1111",
    "> my cat is black\nwhy does it say this?",
    "```\nmy variable is red\n```",
    "remember",
  ])("EX2, EX3: nothing in: %s", (text) => expect(factsIn(text)).toEqual([]));

  it("knows what there is one of", () => {
    expect(factsIn("Call me Ada.")[0]?.about).toBe("my name");
    expect(factsIn("My favourite filament is PLA.")[0]?.about).toBe("my favourite filament");
    expect(isOrderToRemember("Don't forget that it rains")).toBe(true);
    expect(isOrderToRemember("Do you remember it?")).toBe(false);
  });

  it("EX1: any text whatever gives only parts of itself", () => {
    const piece = fc.constantFrom(
      "my",
      "is",
      "I prefer",
      "remember that",
      ".",
      "\n",
      "> ",
      "```",
      "blue",
      "ü",
      "?",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 300 }),
          fc.array(piece).map((all) => all.join(" ")),
        ),
        (text) => {
          for (const { quote } of factsIn(text)) expect(text).toContain(quote);
        },
      ),
      { numRuns: 500 },
    );
  });
});

const lettersOf = (some: string): string => some.replaceAll(/\s+/gu, "");

const row = (id: string, text: string, about?: string): MemoryRow => ({
  id,
  person: "ann",
  kind: "fact",
  text,
  ...(about === undefined ? {} : { about }),
  source: { type: "told" },
  state: "kept",
  atMs: 0,
  changedAtMs: 0,
  said: 1,
});

describe("a new fact beside those that are known", () => {
  it.each([
    ["DC1", "the key is in drawer 4", row("m", "The key is in drawer 4"), "confirms"],
    ["DC1", "the box is 25.4 mm wide", row("m", "the box is 1 inch wide"), "confirms"],
    ["DC2", "the key is in drawer 5", row("m", "the key is in drawer 4"), "replaces"],
    ["DC3", "the lamp is in drawer 4", row("m", "the key is in drawer 4"), "new"],
    ["DC3", "Anna gave Bob the key", row("m", "Bob gave Anna the key"), "new"],
  ])("%s: %s", (_, text, known, kind) => {
    expect(decideFact({ text }, [known]).kind).toBe(kind);
  });

  it("DC2: another value of what there is one of supersedes it", () => {
    const known = row("m1", "my name is Ada", "my name");
    const fact = { text: "call me Countess", about: "my name" };
    expect(decideFact(fact, [known])).toEqual({ kind: "replaces", memory: "m1" });
    const [stated] = factsIn("Call me Countess.");
    if (stated === undefined) throw new Error("it is a fact");
    const verdict = decideFact(stated, [known]);
    const of = { memory: "m2", message: "c/0", untilMs: 9 };
    expect(draftOf(stated, verdict, of)).toMatchObject({
      replaces: "m1",
      expiresAtMs: 9,
      source: { type: "said", message: "c/0", quote: "Call me Countess" },
    });
  });
});

describe("search by words and likeness", () => {
  it("keeps vectors with their embedder: another one re-indexes, and words find all meanwhile", () => {
    const index = makeHybridIndex();
    index.put("a", "ann", "the spare nozzles are in drawer 4");
    index.put("b", "ann", "the cat likes fish");
    index.put("c", "bob", "nozzles of bob");
    expect(index.waiting("one", 10).map(({ id }) => id)).toEqual(["a", "b", "c"]);
    for (const { id, text } of index.waiting("one", 10))
      index.putVector(id, text, "one", id === "a" ? [1, 0] : [0, 1]);
    const asked = { text: "zzz", groups: ["ann"], count: 5 };
    expect(index.search({ ...asked, vector: [1, 0] }).map(({ id }) => id)).toEqual(["a"]);
    index.putVector("a", "the spare nozzles are in drawer 4", "two", [0, 1]); // of another one: ignored
    expect(index.search({ ...asked, vector: [1, 0] }).map(({ id }) => id)).toEqual(["a"]);
    expect(index.waiting("two", 10).length).toBe(3); // HI1
    expect(index.vectors).toBe(0);
    expect(index.search({ ...asked, text: "where are the nozzles" })).toMatchObject([
      { id: "a", byWords: true },
    ]);
    index.drop("a");
    expect(index.search({ ...asked, text: "nozzles" })).toEqual([]);
    expect(index.size).toBe(2);
  });

  it("WI1, WI2: agrees with a plain look at all texts under any puts and drops", () => {
    const word = fc.constantFrom("nozzle", "belt", "drawer", "cat", "fish", "lamp");
    const step = fc.record({
      id: fc.constantFrom("1", "2", "3", "4", "5"),
      group: fc.constantFrom("a", "b"),
      words: fc.array(word, { minLength: 1, maxLength: 5 }),
      isDrop: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), word, (steps, asked) => {
        const index = makeWordIndex();
        const model = new Map<string, { group: string; words: string[] }>();
        for (const { id, group, words, isDrop } of steps) {
          if (isDrop) {
            index.drop(id);
            model.delete(id);
          } else {
            index.put(id, group, words.join(" "));
            model.set(id, { group, words });
          }
        }
        const wanted = [...model].filter(([, of]) => of.group === "a" && of.words.includes(asked));
        const found = index.search(asked, ["a"], 100).map(({ id }) => id);
        expect(found.toSorted()).toEqual(wanted.map(([id]) => id).toSorted());
        expect(index.size).toBe(model.size);
      }),
    );
  });

  it("puts the rarer and the oftener word first", () => {
    const index = makeWordIndex();
    index.put("a", "g", "belt belt belt");
    index.put("b", "g", "belt lamp");
    index.put("c", "g", "lamp lamp fish");
    expect(index.search("fish belt", ["g"], 3)[0]?.id).toBe("c");
    expect(index.search("belt", ["g"], 3)[0]?.id).toBe("a");
  });
});

describe("documents in pieces", () => {
  const MARKDOWN = [
    "# Dryer",
    "",
    "For all filament.",
    "",
    "## Nylon",
    "",
    "70 C.",
    "```sh",
    "# no heading",
    "dry --hours 12",
    "```",
    "## PLA ##",
    "45 C.",
  ].join("\n");

  it("lead with the headings above them, and know their line", () => {
    expect(chunksOf(MARKDOWN, "markdown", "dryer.md")).toEqual([
      { headings: ["dryer.md", "Dryer"], text: "For all filament.", line: 3 },
      {
        headings: ["dryer.md", "Dryer", "Nylon"],
        text: "70 C.\n```sh\n# no heading\ndry --hours 12\n```",
        line: 7,
      },
      { headings: ["dryer.md", "Dryer", "PLA"], text: "45 C.", line: 13 },
    ]);
  });

  it("of G-code are its notes", () => {
    const text = "; by Ada\nG28\n;LAYER:1\nG1 X1 ; move\n; dry before use\n";
    expect(chunksOf(text, "gcode", "a.gcode")).toEqual([
      { headings: ["a.gcode"], text: "by Ada\ndry before use", line: 1 },
    ]);
  });

  it("CH1, CH2: any text is cut into pieces that are small enough and lose no word", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("word", "x".repeat(50), "\n", "\n\n", ". ", "| a |", "``"), {
          maxLength: 400,
        }),
        (parts) => {
          const text = parts.join(" ");
          const chunks = chunksOf(text, "text", "t");
          for (const chunk of chunks)
            expect(chunk.text.length).toBeLessThanOrEqual(CHUNK_CHARS + 2);
          expect(lettersOf(chunks.map((chunk) => chunk.text).join(""))).toBe(lettersOf(text));
        },
      ),
      { numRuns: 200 },
    );
  });
});
