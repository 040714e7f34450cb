// node tests/cluster/campaign-main.ts [RUNS] [OPERATIONS] [HUBS] [SEED]: many long runs, each with every
// fault; one JSON line each. Exit 0: every history is linearizable and all hubs agree. In namespaces
// where this machine has them, else with faults of processes alone.

import { missingForHosts } from "../support/netns.ts";
import { historyPathOf, runCampaign } from "./campaign.ts";
import { NETWORK_FAULTS, PROCESS_FAULTS } from "./faults.ts";

const [runs = 20, operations = 50_000, hubs = 3, seed = 1] = process.argv.slice(2).map(Number);
const missing = missingForHosts();
if (missing !== undefined) console.error(`no network faults: ${missing}`);
const faults = missing === undefined ? [...PROCESS_FAULTS, ...NETWORK_FAULTS] : PROCESS_FAULTS;
for (let run = 0; run < runs; run += 1) {
  const result = await runCampaign({
    hubs,
    seed: seed + run,
    faults,
    operations,
    hasHosts: missing === undefined,
    isLong: true,
    clients: 24,
    ...historyPathOf(`run-${seed + run}`),
    log: (line) => console.error(line),
  });
  const { states, ...rest } = result;
  const isSame = new Set(states).size === 1;
  console.log(JSON.stringify({ seed: seed + run, hubs, isSame, ...rest }));
  const isGood =
    result.verdict.kind === "linearizable" &&
    isSame &&
    result.surprises.length === 0 &&
    result.sharedTerms.length === 0;
  if (!isGood) process.exitCode = 1;
}
