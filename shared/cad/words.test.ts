import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describePart } from "./describe.ts";
import { PARTS } from "./library.ts";
import { partValues } from "./part.ts";
import { readPartWords } from "./words.ts";

const read = (text: string): unknown => {
  const found = readPartWords(text);
  return found === undefined ? undefined : { part: found.part.id, ...found.said };
};

describe("words of parts", () => {
  it.each([
    ["make a box 40x30x20 with lid", { part: "box", width: 40, depth: 30, height: 20, lid: true }],
    [
      "Make a box, 4 x 3 x 2 cm, without a lid.",
      { part: "box", width: 40, depth: 30, height: 20, lid: false },
    ],
    ["please make me a 40 by 30 by 20 mm box", { part: "box", width: 40, depth: 30, height: 20 }],
    [
      "box 60x40x30 inside, wall 1.2",
      { part: "box", width: 60, depth: 40, height: 30, measured: "inside", wall: 1.2 },
    ],
    ["a spacer 8 mm high for M4", { part: "spacer", height: 8, hole: 4.5 }],
    [
      "hexagonal standoff 12 mm for an M3 screw",
      { part: "spacer", height: 12, hole: 3.4, shape: "hexagonal" },
    ],
    ["a cable clip for a 6 mm cable", { part: "cable_clip", cable: 6 }],
    ["I need a knob 30 mm in diameter with a 6 mm shaft", { part: "knob", diameter: 30, shaft: 6 }],
    ["a gear with 20 teeth and module 2", { part: "gear", teeth: 20, module_mm: 2 }],
    ["adapter ring from 32 to 40 mm", { part: "ring", from: 32, to: 40 }],
    ['a key tag with the text "Lathe 3"', { part: "tag", text: "Lathe 3" }],
    ['make a tag "Bolts M4", 2 mm thick', { part: "tag", text: "Bolts M4", thickness: 2 }],
    [
      "tray 120x80x20 with 4 columns and 3 rows",
      { part: "tray", width: 120, depth: 80, height: 20, columns: 4, rows: 3 },
    ],
    [
      "an angle bracket 40x40x30 without rib for M5",
      { part: "bracket", leg: 40, height: 40, width: 30, rib: false, hole: 5.5 },
    ],
    ["a hinge 50 mm wide for M3", { part: "hinge", width: 50, pin: 3.4 }],
    ["a wall hook", { part: "hook" }],
    ["an enclosure for a board 70x50x25", undefined],
    [
      "an electronics enclosure 70x50x25 with 6 vents",
      { part: "enclosure", width: 70, depth: 50, height: 25, vents: 6 },
    ],
    ["a washer 1 in wide", { part: "washer", outer: 25.4 }],
    ["phone stand 70 mm wide, 15 degrees", { part: "stand", width: 70, angle: 15 }],
  ])("reads %j", (text, wanted) => {
    expect(read(text)).toEqual(wanted);
  });

  it.each([
    ["what is a box?"],
    ["do not make a box 40x30x20"],
    ["a box 40x30x20 with a dragon on it"],
    ["a box 40x30x20, height 30"], // twice
    ["a box 40x30x20x10"],
    ["cancel the box"],
  ])("leaves %j to others: all of it must be understood", (text) => {
    expect(read(text)).toBeUndefined();
  });

  it("finds every part by every one of its names", () => {
    for (const part of PARTS) {
      for (const noun of part.nouns)
        expect([noun, readPartWords(`make a ${noun}`)?.part.id]).toEqual([noun, part.id]);
    }
  });

  it("says what was assumed", () => {
    const found = readPartWords("a spacer 8 mm high for M4");
    if (found === undefined) throw new Error("understood above");
    const values = partValues(found.part, found.said);
    expect(describePart(found.part, values, new Set(Object.keys(found.said)))).toBe(
      "Spacer: height 8 mm, screw hole 4.5 mm (not said, so: outer diameter 9 mm, shape round)",
    );
  });

  it("never throws, whatever is said, and sets only what a part has", () => {
    const word = fc.constantFrom(
      ..."make a box 40x30 20 mm with lid M4 teeth gear from to 3,5 x - \" ' wall 9999 cm spacer".split(
        " ",
      ),
    );
    const sentence = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 12 }).map((all) => all.join(" ")),
    );
    fc.assert(
      fc.property(sentence, (text) => {
        const found = readPartWords(text);
        if (found === undefined) return;
        for (const name of Object.keys(found.said)) {
          expect(Object.hasOwn(found.part.parameters, name)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});
