// Real hubs under faults, with clients that write down what they are told. Each run is short; for long
// ones: node tests/cluster/campaign-main.ts RUNS OPERATIONS HUBS SEED, or FAULT_RUNS=N here.

import { describe, expect, it } from "vitest";
import { missingForHosts } from "../support/netns.ts";
import { type CampaignOptions, historyPathOf, runCampaign } from "./campaign.ts";
import { NETWORK_FAULTS, PROCESS_FAULTS } from "./faults.ts";

/** A loaded machine may be this slow. */
const PATIENCE_MS = 240_000;
const ENDLESS = 1_000_000;

async function expectGood(
  options: Omit<CampaignOptions, "seed" | "operations"> & Partial<CampaignOptions>,
): Promise<void> {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const result = await runCampaign({
    operations: ENDLESS,
    ...historyPathOf(`${options.hubs}-hubs-${seed}`),
    ...options,
    seed,
  });
  const { verdict, surprises, states, sharedTerms, ...facts } = result;
  if (verdict.kind === "broken")
    throw new Error(`seed ${seed}, key ${verdict.key}: ${verdict.words}`); // whole, not as a difference
  const kinds = new Set(states).size;
  expect({ seed, verdict, surprises, states, kinds, sharedTerms, facts }).toMatchObject({
    verdict: { kind: "linearizable" },
    surprises: [],
    kinds: 1,
    sharedTerms: [],
  });
  expect(result.answers["200"]).toBeGreaterThan(100);
}

describe("processes that die, stop and come back", { timeout: PATIENCE_MS }, () => {
  it("[K62 D21] three hubs: linearizable, nothing lost, all alike, one leader a term", async () => {
    await expectGood({ hubs: 3, faults: PROCESS_FAULTS, hasHosts: false });
  });
});

const missing = missingForHosts();
describe.skipIf(missing !== undefined)(
  `links that are cut${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: PATIENCE_MS },
  () => {
    it("[K62 D21] three hubs: linearizable, nothing lost, all alike, one leader a term", async () => {
      await expectGood({ hubs: 3, faults: NETWORK_FAULTS, hasHosts: true });
    });

    it("[K62 D21] five hubs, two of them with the old leader on the smaller side", async () => {
      const faults = ["split", "kill leader", "chain", "pause leader"] as const;
      await expectGood({ hubs: 5, faults, hasHosts: true });
    });
  },
);

const runs = Number(process.env["FAULT_RUNS"] ?? 0);
describe.skipIf(runs === 0)("a long campaign (FAULT_RUNS)", () => {
  const hasHosts = missing === undefined;
  const faults = hasHosts ? [...PROCESS_FAULTS, ...NETWORK_FAULTS] : PROCESS_FAULTS;
  it.for(Array.from({ length: runs }, (_, run) => run + 1))(
    "run %i: 50,000 operations",
    { timeout: 15 * 60_000 },
    async (seed) => {
      const hubs = seed % 4 === 0 ? 5 : 3;
      const size = { operations: 50_000, isLong: true, clients: 24 };
      await expectGood({ hubs, faults, hasHosts, seed, ...size });
    },
  );
});
