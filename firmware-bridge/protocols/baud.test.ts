import { expect, it } from "vitest";
import { baudOfTry } from "./baud.ts";

it("comes back to the configured speed every other time, and to each other one (BD1)", () => {
  const tried = Array.from({ length: 14 }, (_, tries) => baudOfTry(250_000, tries));
  expect(tried.filter((_, tries) => tries % 2 === 0)).toEqual(Array(7).fill(250_000));
  expect(tried.filter((_, tries) => tries % 2 === 1)).toEqual([
    115_200, 230_400, 500_000, 57_600, 1_000_000, 38_400, 115_200,
  ]);
});

it("takes a speed that nobody else has, too", () => {
  expect([0, 1, 2].map((tries) => baudOfTry(76_800, tries))).toEqual([76_800, 115_200, 76_800]);
});
