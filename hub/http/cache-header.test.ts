import { expect, it } from "vitest";
import { cacheHeaderOf } from "./cache-header.ts";

it("says how an answer was found, how alike its question was, and how old it is", () => {
  expect(cacheHeaderOf({ cached: false, metadata: {} })).toBe("miss");
  expect(cacheHeaderOf({ cached: true, metadata: { cache: "exact", ageS: 3 } })).toBe(
    "exact; age=3",
  );
  const metadata = { cache: "semantic", likeness: 0.93, ageS: 12 };
  expect(cacheHeaderOf({ cached: true, metadata })).toBe("semantic; sim=0.93; age=12");
});
