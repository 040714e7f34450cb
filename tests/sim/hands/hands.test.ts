// The simulated house, in processes of its own (../replica/main.ts --hands): the everyday seeds, seeds
// that failed once, and planted bugs. SIM_BUDGET_S gives it a third of that time more.

import { describe, expect, it } from "vitest";
import { simulate } from "../replica/simulate.ts";
import { HANDS_MUTANTS } from "./mutants.ts";
import pinned from "./pinned.json" with { type: "json" };

const EVERYDAY_SEEDS = 4;
const budgetS = Number(process.env["SIM_BUDGET_S"] ?? 0);

describe("a simulated house", { timeout: 300_000 }, () => {
  it("does what must happen once at most once, obeys no order of the past, and ends every job", async () => {
    const { seeds, failures, acknowledged, reigns } = await simulate(
      "--hands",
      "--seeds",
      String(EVERYDAY_SEEDS),
    );
    expect(failures).toEqual([]);
    expect(seeds).toBe(EVERYDAY_SEEDS);
    expect(acknowledged).toBeGreaterThan(EVERYDAY_SEEDS * 20);
    expect(reigns).toBeGreaterThan(EVERYDAY_SEEDS);
  });

  it.each(pinned)("holds in seed $seed: $why", async ({ seed }) => {
    const { seeds, failures } = await simulate("--hands", "--seed", String(seed), "--seeds", "1");
    expect(failures).toEqual([]);
    expect(seeds).toBe(1);
  });

  it("does the same things in the same order when a seed is run again", async () => {
    const first = await simulate("--hands", "--seeds", "1", "--seed", "2");
    const again = await simulate("--hands", "--seeds", "1", "--seed", "2");
    expect(first.hashes).toEqual(again.hashes);
    expect(first.hashes).toHaveLength(1);
  });

  it.each(HANDS_MUTANTS)("planted bug $name is found: $why", async ({ name, seedsMax }) => {
    const { seeds, failures } = await simulate(
      "--hands",
      "--mutant",
      name,
      "--seeds",
      String(seedsMax),
      "--short",
    );
    expect(failures, `${name} survived ${seeds} seeds`).toHaveLength(1);
  });

  it.skipIf(budgetS === 0)(
    "holds in as many seeds as the time allows",
    { timeout: (budgetS + 120) * 1_000 },
    async () => {
      const { seeds, failures } = await simulate("--hands", "--budget", String(budgetS / 3));
      console.log(`${seeds} seeds of houses`);
      expect(failures).toEqual([]);
    },
  );
});
