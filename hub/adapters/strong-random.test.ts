import { expect, it } from "vitest";
import { makeStrongRandom } from "./strong-random.ts";

it("gives draws of [0, 1) that do not repeat when the pool is filled again", () => {
  const random = makeStrongRandom();
  const draws = Array.from({ length: 5_000 }, random);
  expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
  expect(new Set(draws).size).toBeGreaterThan(4_990); // 0.003 equal pairs are expected
});

it("draws evenly over the range", () => {
  const random = makeStrongRandom();
  const counts = Array.from({ length: 10 }, () => 0);
  for (let round = 0; round < 50_000; round += 1) {
    const place = Math.floor(random() * 10);
    counts[place] = (counts[place] ?? 0) + 1;
  }
  // 5,000 each; 400 is six standard deviations.
  expect(Math.max(...counts.map((count) => Math.abs(count - 5_000)))).toBeLessThan(400);
});
