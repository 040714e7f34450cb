// The simulated workshop, in processes of its own (../replica/main.ts --prints): some hundred crashes
// every day, CRASH_RUNS of them by hand (CRASH_RUNS=10000 takes about a minute on a quiet core), and
// planted bugs.

import { describe, expect, it } from "vitest";
import { simulate } from "../replica/simulate.ts";
import { WORKSHOP_MUTANTS } from "./mutants.ts";

const CRASHES = Number(process.env["CRASH_RUNS"] ?? 500);

describe("a simulated workshop", { timeout: 300_000 }, () => {
  it(
    `begins nothing twice and nothing on a bed with a part, through ${CRASHES} crashes`,
    { timeout: 1_200_000 },
    async () => {
      const found = await simulate("--prints", "--crashes", String(CRASHES));
      const { crashes, atWrites, starts, seeds, tookS } = found;
      if (CRASHES > 500) {
        console.log(
          `${crashes} crashes (${atWrites} at writes), ${starts} starts, ${seeds} seeds, ${tookS.toFixed(0)} s`,
        );
      }
      expect(found.failures).toEqual([]);
      expect(crashes).toBeGreaterThanOrEqual(CRASHES);
      expect(atWrites).toBeGreaterThan(CRASHES / 10);
      expect(starts).toBeGreaterThan(CRASHES / 2);
    },
  );

  it("does the same things in the same order when a seed is run again", async () => {
    const first = await simulate("--prints", "--seeds", "2", "--seed", "7");
    const again = await simulate("--prints", "--seeds", "2", "--seed", "7");
    expect(first.hashes).toEqual(again.hashes);
    expect(first.hashes).toHaveLength(2);
  });

  it.each(WORKSHOP_MUTANTS)("planted bug $name is found: $why", async ({ name, seedsMax }) => {
    const args = ["--mutant", name, "--seeds", String(seedsMax), "--short"];
    const { seeds, failures } = await simulate("--prints", ...args);
    expect(failures, `${name} survived ${seeds} seeds`).toHaveLength(1);
  });
});
