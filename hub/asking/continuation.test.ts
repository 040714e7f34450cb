import fc from "fast-check";
import { expect, it } from "vitest";
import { makeContinuation } from "./continuation.ts";

const cut = (text: string, at: readonly number[]): string[] => {
  const places = [0, ...at.map((each) => each % (text.length + 1)), text.length];
  const sorted = places.toSorted((a, b) => a - b);
  return sorted.slice(1).map((end, index) => text.slice(sorted[index], end));
};

it("says each character once, however the attempts were cut into pieces and where they died (CT1)", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60 }),
      fc.array(fc.record({ cuts: fc.array(fc.nat(60)), dies: fc.nat(10) }), { maxLength: 4 }),
      (text, attempts) => {
        const continuation = makeContinuation();
        let said = "";
        for (const { cuts, dies } of [...attempts, { cuts: [3], dies: 99 }]) {
          continuation.again();
          for (const piece of cut(text, cuts).slice(0, dies)) said += continuation.piece(piece);
          expect(text.startsWith(said)).toBe(true);
          expect(continuation.said).toBe(said);
        }
        expect(said).toBe(text);
      },
    ),
  );
});

it("an attempt that says something else is found at its first wrong letter (CT2)", () => {
  const continuation = makeContinuation();
  expect(continuation.piece("Once upon")).toBe("Once upon");
  continuation.again();
  expect(continuation.piece("Once")).toBe("");
  expect(continuation.piece(" more")).toBeUndefined();
  expect(continuation.said).toBe("Once upon");
});
