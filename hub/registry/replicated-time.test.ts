import { describe, expect, it } from "vitest";
import { makeStamps } from "./replicated-time.ts";

describe("the stamps of a leader", () => {
  it("are whole numbers while its clock is behind the ledger's time and goes by fractions of a ms", () => {
    let elapsedMs = 0;
    const clock = { now: () => 500, monotonic: () => 0.3 + elapsedMs };
    const stamp = makeStamps(clock, () => 1_000);
    const stamps = Array.from({ length: 40 }, () => {
      elapsedMs += 0.37;
      return stamp();
    });
    expect(stamps.every(Number.isSafeInteger)).toBe(true);
    expect(stamps.at(-1)).toBe(1_014); // 39 steps of 0.37 ms after the first look
    expect(stamps.toSorted((a, b) => a - b)).toEqual(stamps);
  });
});
