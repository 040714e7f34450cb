import { describe, expect, it } from "vitest";
import { happenings, happeningWords, timesOf } from "./run-times.ts";

const entry = (second: number, what: string, place?: string, attempt?: number, note?: string) => ({
  position: second,
  at: new Date(second * 1_000).toISOString(),
  by: "hub",
  items: [{ what, place, attempt, note }],
});

describe("times of a run", () => {
  const lines = happenings([
    entry(1, "started"),
    entry(2, "taken", "fetch", 1),
    entry(5, "failed", "fetch", 1, "timeout: too slow"),
    entry(6, "taken", "fetch", 2),
    entry(9, "finished", "fetch", 2),
    entry(10, "taken", "print", 1),
  ]);

  it("are those of the last try", () => {
    expect(timesOf(lines, "fetch")).toEqual({ beganMs: 6_000, endedMs: 9_000 });
  });

  it("have no end while a later try is under way, and nothing for what the timeline does not hold", () => {
    expect(timesOf(lines.slice(0, 4), "fetch")).toEqual({ beganMs: 6_000 });
    expect(timesOf(lines, "other")).toEqual({});
  });

  it("are told in words", () => {
    expect(lines.map(happeningWords)).toEqual([
      "started",
      "fetch began",
      "fetch failed: timeout: too slow",
      "fetch began, try 2",
      "fetch is done, try 2",
      "print began",
    ]);
  });
});
