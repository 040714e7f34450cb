import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeVectorIndex } from "./vector-index.ts";
import { isScanSound, makeVectorTable, plainScan, rounded } from "./vector-scan.ts";
import { scanModule, WebAssembly } from "./wasm-scan.ts";

const cosine = (a: readonly number[], b: readonly number[]): number => {
  const dot = a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
  const length = Math.hypot(...a) * Math.hypot(...b);
  return length === 0 ? 0 : dot / length;
};

/** Deterministic numbers in -1..1. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

describe("the scan in WebAssembly", () => {
  it("is a valid module of less than 400 bytes, and VS1: is used here", () => {
    expect(WebAssembly.validate(scanModule())).toBe(true);
    expect(scanModule().length).toBeLessThan(400);
    expect(makeVectorTable(384, 10).kind).toBe("wasm");
  });

  it("VS1: a scan that gives other sums is not used", () => {
    expect(isScanSound(() => {}, new WebAssembly.Memory({ initial: 1 }))).toBe(false);
  });

  it("gives the plain loop's numbers for any vectors, and VS2: nearly the cosine", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 200 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer(),
        (dimensions, count, seed) => {
          const next = numbersFrom(seed);
          const make = (): number[] => Array.from({ length: dimensions }, next);
          const vectors = Array.from({ length: count }, make);
          const query = make();
          const wasm = makeVectorTable(dimensions, count);
          const plain = makeVectorTable(dimensions, count, true);
          for (const [row, vector] of vectors.entries()) {
            wasm.set(row, rounded(vector));
            plain.set(row, rounded(vector));
          }
          const found = [...wasm.scan(rounded(query), count)];
          expect(found).toEqual([...plain.scan(rounded(query), count)]);
          for (const [row, vector] of vectors.entries()) {
            expect(Math.abs((found[row] ?? 0) - cosine(query, vector))).toBeLessThan(0.01);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("WS2: the largest sums do not wrap", () => {
    const dimensions = 4_096;
    const table = makeVectorTable(dimensions, 2);
    const ones = rounded(Array.from({ length: dimensions }, () => 1));
    const others = rounded(Array.from({ length: dimensions }, () => -1));
    table.set(0, ones);
    table.set(1, others);
    const [same = 0, other = 0] = table.scan(ones, 2);
    expect(same).toBeCloseTo(1, 5);
    expect(other).toBeCloseTo(-1, 5);
    const out = new Int32Array(1);
    plainScan(new Int16Array(ones.numbers), ones.numbers, 1, dimensions, out);
    expect(out[0]).toBe(127 * 127 * dimensions);
  });
});

describe("an index of vectors", () => {
  it("[A96] is exact: its best are those of a full comparison, in order (recall 1 at 1,000 vectors)", () => {
    const next = numbersFrom(7);
    const dimensions = 48;
    const index = makeVectorIndex(dimensions);
    const all = Array.from({ length: 1_000 }, (_, at) => {
      const vector = Array.from({ length: dimensions }, next);
      index.put(`v${at}`, "all", vector);
      return { id: `v${at}`, vector };
    });
    expect(index.dimensions).toBe(dimensions);
    for (let trial = 0; trial < 50; trial += 1) {
      const query = Array.from({ length: dimensions }, next);
      const exact = all
        .map(({ id, vector }) => ({ id, likeness: cosine(query, vector) }))
        .toSorted((a, b) => b.likeness - a.likeness);
      const found = index.near(query, ["all"], 5);
      // Rounded to int8 two neighbours may change places only where they are equally near.
      for (const [place, near] of found.entries()) {
        const truth = all.find(({ id }) => id === near.id);
        const likeness = cosine(query, truth?.vector ?? []);
        expect(Math.abs(likeness - (exact[place]?.likeness ?? 0))).toBeLessThan(0.01);
      }
    }
  });

  it("VI1, VI2: agrees with a map under any puts and drops, group by group", () => {
    const step = fc.record({
      id: fc.integer({ min: 0, max: 150 }),
      group: fc.constantFrom("a", "b", "c"),
      isDrop: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer(), (steps, seed) => {
        const next = numbersFrom(seed);
        const index = makeVectorIndex(16);
        const model = new Map<string, string>();
        for (const { id, group, isDrop } of steps) {
          if (isDrop) {
            index.drop(`${id}`);
            model.delete(`${id}`);
          } else {
            index.put(`${id}`, group, Array.from({ length: 16 }, next));
            model.set(`${id}`, group);
          }
        }
        expect(index.size).toBe(model.size);
        const query = Array.from({ length: 16 }, next);
        for (const group of ["a", "b", "c"]) {
          const found = index.near(query, [group], 1_000).map(({ id }) => id);
          const wanted = [...model].filter(([, of]) => of === group).map(([id]) => id);
          expect(found.toSorted()).toEqual(wanted.toSorted());
        }
      }),
      { numRuns: 40 },
    );
  });

  it("finds nothing for a vector of another size, or of zeros", () => {
    const index = makeVectorIndex(16);
    index.put(
      "a",
      "g",
      Array.from({ length: 16 }, () => 1),
    );
    expect(index.near([1, 2, 3], ["g"], 5)).toEqual([]);
    expect(
      index.near(
        Array.from({ length: 16 }, () => 0),
        ["g"],
        5,
        0.1,
      ),
    ).toEqual([]);
  });
});
