import fc from "fast-check";
import { expect, it } from "vitest";
import { PARTS } from "./library.ts";
import { partSource, partValues } from "./part.ts";
import { cleanSource } from "./source.ts";

const WORDS = ["use", "include", "import", "surface", "dxf_cross", "file"];

it("lets programs of every part through, whole but for comments", () => {
  for (const part of PARTS) {
    const source = partSource(part, partValues(part, {}));
    expect(cleanSource(source).replaceAll(/\s/gu, "")).toBe(source.replaceAll(/\s/gu, ""));
  }
  expect(cleanSource("// import it\ncube(1); /* use\nthis */ sphere(2);")).toBe(
    " \ncube(1);  \n sphere(2);",
  );
  expect(cleanSource('echo("import \\" use <x>"); cube(1);')).toContain("import"); // words of a text
});

it.each([
  ["include </etc/passwd>", 1],
  ["cube(1);\nuse <x.scad>", 2],
  ['cube(1);\n\n  import("/etc/hostname");', 3],
  ['surface(file = "/etc/passwd");', 1],
  ['linear_extrude(file="a.dxf", height=2);', 1],
  ["/* */ include/**/<a>", 1],
  ['x = "a\\\n"; import("b");', 1], // a text over two lines is not read at all
  ["IMPORT(1);", 1],
  ["cube(1) @;", 1],
  ["// only a comment", 1],
])("refuses %j with its line", (source, line) => {
  let told: unknown;
  try {
    cleanSource(source);
  } catch (error) {
    told = error;
  }
  expect(told).toMatchObject({ code: "bad_request", details: { line } });
});

it("never lets a word for files stand outside of a text, whatever is written", () => {
  const piece = fc.constantFrom(
    ...WORDS,
    '"',
    "\\",
    "/*",
    "*/",
    "//",
    "\n",
    " ",
    "<x>",
    "cube(1);",
    "'",
    "\r",
    "​",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      let cleaned: string;
      try {
        cleaned = cleanSource(pieces.join(""));
      } catch {
        return;
      }
      const outside = cleaned.replaceAll(/"(?:[^"\\]|\\.)*"/gu, '""');
      expect(outside).not.toMatch(/\b(?:use|include|import|surface|dxf_cross|file)\b/u);
      expect(outside).not.toMatch(/\/\*|\/\//u);
    }),
    { numRuns: 2_000 },
  );
});
