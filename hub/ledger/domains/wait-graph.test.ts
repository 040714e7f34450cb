import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findCycle, type Wait } from "./wait-graph.ts";

const wait = (who: string, lock: string, ...behind: string[]): Wait => ({ who, lock, behind });
const locksOf = (cycle: readonly Wait[] | undefined): string | undefined =>
  cycle?.map(({ who, lock }) => `${who}:${lock}`).join(" ");

describe("the wait graph", () => {
  it.each<[string, Wait[], Wait, string | undefined]>([
    ["nobody else waits", [], wait("A", "l", "B"), undefined],
    ["a chain", [wait("B", "m", "C")], wait("A", "l", "B"), undefined],
    ["two", [wait("B", "m", "A")], wait("A", "l", "B"), "A:l B:m"],
    ["three", [wait("B", "m", "C"), wait("C", "n", "A")], wait("A", "l", "B"), "A:l B:m C:n"],
    [
      "four, the shorter way taken",
      [wait("B", "m", "C"), wait("C", "n", "D"), wait("D", "o", "A"), wait("C", "a", "A")],
      wait("A", "l", "B"),
      "A:l B:m C:a",
    ],
    ["who is ahead in the queue", [wait("P", "m", "A")], wait("A", "l", "H", "P"), "A:l P:m"],
    ["an owner that waits for itself", [], wait("A", "l", "A"), undefined],
    [
      "a circle of others",
      [wait("B", "m", "C"), wait("C", "n", "B")],
      wait("A", "l", "B"),
      undefined,
    ],
  ])("%s", (_, waits, closing, expected) => {
    expect(locksOf(findCycle(waits, closing))).toBe(expected);
  });

  it("says the same whatever the order of the waits in memory (WQ4)", () => {
    const one = fc.constantFrom("A", "B", "C", "D", "E");
    const any = fc.tuple(one, one, one).map(([who, a, b]) => ({ who, behind: [a, b] }));
    const many = fc
      .array(any, { minLength: 1, maxLength: 12 })
      .map((list) => list.map((each, at) => ({ ...each, lock: `l${at}` })));
    fc.assert(
      fc.property(many, (waits) => {
        const [closing = wait("A", "l"), ...rest] = waits;
        const found = findCycle(rest, closing);
        expect(findCycle(rest.toReversed(), closing)).toEqual(found);
        for (const [at, step] of (found ?? []).entries()) {
          const next = found?.[at + 1]?.who ?? closing.who;
          expect(step.behind).toContain(next);
          expect(next).not.toBe(step.who);
        }
      }),
    );
  });
});
