// The replica-level simulation, in processes of its own (see main.ts): the everyday seeds, that a seed
// repeats itself, and its planted bugs. SIM_BUDGET_S gives it a third of that time more.

import { describe, expect, it } from "vitest";
import { REPLICA_MUTANTS } from "./mutants.ts";
import pinned from "./pinned.json" with { type: "json" };
import { simulate } from "./simulate.ts";

const EVERYDAY_SEEDS = 40;
const budgetS = Number(process.env["SIM_BUDGET_S"] ?? 0);

describe("simulated replicas", { timeout: 180_000 }, () => {
  it("[K107][D21] keep what they acknowledged, once, and come level after every storm", async () => {
    const { seeds, failures, acknowledged } = await simulate("--seeds", String(EVERYDAY_SEEDS));
    expect(failures).toEqual([]);
    expect(seeds).toBe(EVERYDAY_SEEDS);
    expect(acknowledged).toBeGreaterThan(EVERYDAY_SEEDS * 20);
  });

  it.each(pinned.seeds)("hold in seed %i, which failed once", async (seed) => {
    const { seeds, failures } = await simulate("--seed", String(seed), "--seeds", "1");
    expect(failures).toEqual([]);
    expect(seeds).toBe(1);
  });

  it("do the same things in the same order when a seed is run again", async () => {
    const [first, second] = await Promise.all([simulate("--seeds", "5"), simulate("--seeds", "5")]);
    expect(first.hashes).toEqual(second.hashes);
    expect(new Set(first.hashes).size).toBe(5);
  });

  it.each(REPLICA_MUTANTS)("planted bug $name is found: $why", async ({ name, seedsMax }) => {
    const { seeds, failures } = await simulate(
      "--mutant",
      name,
      "--seeds",
      String(seedsMax),
      "--short",
    );
    expect(failures, `${name} survived ${seeds} seeds`).toHaveLength(1);
  });

  it.skipIf(budgetS === 0)(
    "[K107] hold in as many seeds as the time allows",
    { timeout: (budgetS + 120) * 1_000 },
    async () => {
      const { seeds, failures } = await simulate("--budget", String(budgetS / 3));
      console.log(`${seeds} seeds of replicas`);
      expect(failures).toEqual([]);
    },
  );
});
