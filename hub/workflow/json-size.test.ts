import fc from "fast-check";
import { expect, it } from "vitest";
import { charsAtMost, roughChars } from "./json-size.ts";

it("charsAtMost is never less than the JSON has, whatever is in it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(charsAtMost(value)).toBeGreaterThanOrEqual(JSON.stringify(value).length);
    }),
  );
});

it("roughChars is within a few characters for each member of plain values", () => {
  const value = { ok: true, name: "bracket", sizes: [1, 2, 3], more: { text: "x".repeat(500) } };
  const exact = JSON.stringify(value).length;
  expect(roughChars(value)).toBeGreaterThan(exact);
  expect(roughChars(value)).toBeLessThan(exact + 200);
});
