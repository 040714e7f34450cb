import fc from "fast-check";
import { expect, it } from "vitest";
import { loudest } from "./loudest.ts";

it("the loudest satellite wins, and of equals the first by name", () => {
  const kitchen = { satellite: "kitchen", loudnessDb: -31.5 };
  const bench = { satellite: "bench", loudnessDb: -22 };
  const attic = { satellite: "attic", loudnessDb: -22 };
  expect(loudest([kitchen, bench])).toBe(bench);
  expect(loudest([bench, attic, kitchen])).toBe(attic);
  expect(loudest([])).toBeUndefined();
});

it("LO1: whatever order the claims come in, all are told the same winner", () => {
  const claim = fc.record({
    satellite: fc.string({ minLength: 1, maxLength: 8 }),
    loudnessDb: fc.integer({ min: -120, max: 0 }),
  });
  fc.assert(
    fc.property(fc.array(claim, { minLength: 1, maxLength: 8 }), (claims) => {
      expect(loudest(claims.toReversed())).toEqual(loudest(claims));
    }),
  );
});
