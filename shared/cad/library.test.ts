import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PARTS, partNamed } from "./library.ts";
import { checkMesh } from "./mesh.ts";
import type { ParameterSpec } from "./parameters.ts";
import { type Part, partSource, partValues } from "./part.ts";
import { readStl } from "./stl.ts";

const hasOpenscad = spawnSync("openscad", ["--version"]).status === 0;

const anyValue = (spec: ParameterSpec): fc.Arbitrary<unknown> => {
  switch (spec.kind) {
    case "flag":
      return fc.boolean();
    case "choice":
      return fc.constantFrom(...spec.options);
    case "text":
      return fc.string({ minLength: 1, maxLength: spec.charsMax });
    case "count":
      return fc.integer({ min: spec.min, max: spec.max });
    case "length":
    case "angle":
      return fc.double({ min: spec.min, max: spec.max, noNaN: true });
  }
};
const anyValues = (part: Part): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(
    Object.fromEntries(
      Object.entries(part.parameters).map(([name, spec]) => [name, anyValue(spec)]),
    ),
    { requiredKeys: [] },
  );
const fieldsOf = (work: () => unknown): readonly string[] => {
  try {
    work();
  } catch (error) {
    return (error as { details: { fields: { path: string }[] } }).details.fields.map(
      ({ path }) => path,
    );
  }
  return [];
};

describe("the library of parts", () => {
  it("has at least twelve parts whose defaults go together", () => {
    expect(PARTS.length).toBeGreaterThanOrEqual(12);
    for (const part of PARTS)
      expect(Object.keys(partValues(part, {}))).toEqual(Object.keys(part.parameters));
  });

  it("uses every parameter it declares, and every size and word is one of its own", () => {
    for (const part of PARTS) {
      for (const name of Object.keys(part.parameters)) {
        expect(`${part.id} ${new RegExp(`\\b${name}\\b`, "u").test(part.body)} ${name}`).toBe(
          `${part.id} true ${name}`,
        );
      }
      for (const name of [
        ...part.sizes,
        ...(part.fromTo ?? []),
        part.mainSize ?? part.sizes[0] ?? [],
      ].flat()) {
        expect(Object.keys(part.parameters)).toContain(name);
      }
    }
  });

  it("names what does not fit: kind, range, unknown names, and what does not go together", () => {
    const box = partNamed("box");
    expect(fieldsOf(() => partValues(box, { width: "40", lid: 1, colour: "red" }))).toEqual([
      "colour",
      "width",
      "lid",
    ]);
    expect(fieldsOf(() => partValues(box, { width: 4_000 }))).toEqual(["width"]);
    expect(fieldsOf(() => partValues(box, { width: Number.NaN }))).toEqual(["width"]);
    expect(fieldsOf(() => partValues(box, { width: 10, wall: 5 }))).toEqual(["wall"]);
    expect(fieldsOf(() => partValues(partNamed("gear"), { teeth: 8.5 }))).toEqual(["teeth"]);
    expect(fieldsOf(() => partValues(partNamed("hinge"), { knuckles: 4 }))).toEqual(["knuckles"]);
    expect(
      fieldsOf(() => partValues(partNamed("tag"), { text: 'x"; include </etc/passwd>' })),
    ).toEqual(["text"]);
  });

  it("gives equal source for what no printer tells apart", () => {
    const part = partNamed("spacer");
    const source = (height: number): string => partSource(part, partValues(part, { height }));
    expect(source(8)).toBe(source(8.00001));
    expect(source(8)).not.toBe(source(8.01));
  });

  it.each(PARTS.map((part) => [part.id, part] as const))(
    "%s: nothing from outside gets into the source but numbers, words of its own and plain text",
    (_id, part) => {
      const body = part.body.trim();
      const spoilt = fc.oneof(
        anyValues(part),
        fc.dictionary(fc.constantFrom(...Object.keys(part.parameters)), fc.anything()),
      );
      fc.assert(
        fc.property(spoilt, (given) => {
          fc.pre(fieldsOf(() => partValues(part, given)).length === 0);
          const source = partSource(part, partValues(part, given));
          expect(source.endsWith(`${body}\n`)).toBe(true);
          const head = source
            .slice(0, source.length - body.length - 1)
            .trimEnd()
            .split("\n")
            .slice(3);
          expect(head.length).toBe(Object.keys(part.parameters).length);
          for (const line of head)
            expect(line).toMatch(/^[a-z_]+ = (?:-?\d+(?:\.\d{1,3})?|true|false|"[^"\\\n]*");$/u);
        }),
        { numRuns: 100 },
      );
    },
  );

  it.runIf(hasOpenscad).each(PARTS.map((part) => [part.id, part] as const))(
    "%s: is a closed body, by default and at the ends of its ranges",
    (_id, part) => {
      const folder = mkdtempSync(join(tmpdir(), "gantry-part-"));
      try {
        // Chosen by a fixed seed, of those that go together.
        const fitting = fc
          .sample(anyValues(part), { numRuns: 300, seed: 7 })
          .filter((given) => fieldsOf(() => partValues(part, given)).length === 0);
        for (const given of [{}, ...fitting.slice(0, 2)]) {
          const path = join(folder, "part.scad");
          const to = join(folder, "part.stl");
          writeFileSync(path, partSource(part, partValues(part, given)));
          const run = spawnSync("openscad", ["--export-format", "binstl", "-o", to, path], {
            encoding: "utf8",
          });
          expect([run.status, JSON.stringify(given), run.status === 0 ? "" : run.stderr]).toEqual([
            0,
            JSON.stringify(given),
            "",
          ]);
          expect(checkMesh(readStl(readFileSync(to))).volumeMm3).toBeGreaterThan(1);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    120_000,
  );
});
