// The bench of stores (node bench/stores.ts) answers for every kind; no figure is asserted here.

import { describe, expect, it } from "vitest";
import { benchStore, KINDS } from "../../bench/stores.ts";

const RUN_MS = 100;

describe("what durability costs", () => {
  it.each(Object.entries(KINDS))(
    "[M61] operations a second and p99 are measured in one way: %s",
    async (_name, kind) => {
      const figures = await benchStore(kind, [1, 10], RUN_MS);
      expect(figures.map(({ inFlight }) => inFlight)).toEqual([1, 10]);
      for (const { perS, p50Ms, p99Ms } of figures) {
        expect(perS).toBeGreaterThan(0);
        expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
      }
    },
  );
});
