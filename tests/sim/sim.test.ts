// The simulator in the everyday run: some seeds, those that once failed, and that a seed repeats
// itself. SIM_BUDGET_S=60 runs as many seeds as fit into 60 s on two processes.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeRaft } from "../../hub/consensus/raft.ts";
import pinned from "./pinned.json" with { type: "json" };
import { runSeed } from "./run-seed.ts";

const EVERYDAY_SEEDS = 400;
const main = join(import.meta.dirname, "main.ts");
const budgetS = Number(process.env["SIM_BUDGET_S"] ?? 0);

describe("the simulated cluster", () => {
  it("[K107][D21] holds every invariant, and recovers from every storm, in the first seeds", () => {
    const failures: string[] = [];
    let acknowledged = 0;
    for (let seed = 1; seed <= EVERYDAY_SEEDS; seed += 1) {
      const outcome = runSeed(seed, { makeCore: makeRaft });
      acknowledged += outcome.history.filter(({ status }) => status === "ok").length;
      if (outcome.failure !== undefined) failures.push(`seed ${seed}: ${outcome.failure}`);
    }
    expect(failures).toEqual([]);
    expect(acknowledged).toBeGreaterThan(EVERYDAY_SEEDS * 20); // a run that does nothing holds too
  });

  it.each(pinned)("holds in seed $seed: $why", ({ seed }) => {
    expect(runSeed(seed, { makeCore: makeRaft }).failure).toBeUndefined();
  });

  it("does the same things in the same order when a seed is run again, and others in another", () => {
    const hashes = new Set<number>();
    for (let seed = 1; seed <= 10; seed += 1) {
      const first = runSeed(seed, { makeCore: makeRaft, isTelling: true });
      const second = runSeed(seed, { makeCore: makeRaft });
      expect(second.hash).toBe(first.hash);
      expect(second.events).toBe(first.events);
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(10);
  });

  it.skipIf(budgetS === 0)(
    "[K107] holds in as many seeds as the time allows",
    { timeout: (budgetS + 60) * 1_000 },
    () => {
      const args = [
        "--disable-warning=ExperimentalWarning",
        main,
        "--budget",
        String(budgetS),
        "--jobs",
        "2",
      ];
      const run = spawnSync(process.execPath, args, { encoding: "utf8" });
      console.log(run.stdout);
      if (run.status !== 0) throw new Error(run.stdout + run.stderr);
    },
  );
});
