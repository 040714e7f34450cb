// node tests/sim/replica/main.ts [--hands | --prints] [--seed N] [--seeds N] [--budget S] [--mutant NAME] [--short] [--json]
// With --hands: hubs with their duties, and machines with their agents (tests/sim/hands).
// With --prints: the way of a print through hub, node and bridge (tests/sim/prints).
//
// A process of its own: a broken invariant inside a hub's task is an uncaught exception by design
// (the process must die), and here it belongs to the seed that runs.

import { registerHooks } from "node:module";
import { parseArgs } from "node:util";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { HANDS_MUTANTS } from "../hands/mutants.ts";
import { WORKSHOP_MUTANTS } from "../prints/mutants.ts";
import type { WorkshopOutcome } from "../prints/run-seed.ts";
import { REPLICA_MUTANTS } from "./mutants.ts";
import type { ReplicaOutcome } from "./run-seed.ts";

const { values } = parseArgs({
  options: {
    hands: { type: "boolean" },
    prints: { type: "boolean" },
    crashes: { type: "string" },
    seed: { type: "string" },
    seeds: { type: "string" },
    budget: { type: "string" },
    mutant: { type: "string" },
    short: { type: "boolean" },
    json: { type: "boolean" },
  },
});

const house = values.hands === true ? HANDS_MUTANTS : REPLICA_MUTANTS;
const mutants = values.prints === true ? WORKSHOP_MUTANTS : house;
const mutant = mutants.find(({ name }) => name === values.mutant);
if (values.mutant !== undefined && mutant === undefined) {
  throw new GantryError("not_found", `There is no mutant ${values.mutant}`);
}
const unplanted = new Set(mutant?.edits);
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const edits = mutant?.edits.filter(({ file }) => url.endsWith(`/${file}`)) ?? [];
    if (edits.length === 0 || loaded.source === null || loaded.source === undefined) return loaded;
    let source =
      typeof loaded.source === "string"
        ? loaded.source
        : Buffer.from(loaded.source as Uint8Array).toString();
    for (const edit of edits) {
      const parts = source.split(edit.from);
      if (parts.length !== 2) {
        throw new GantryError(
          "conflict",
          `Mutant ${mutant?.name}: ${parts.length - 1} places in ${edit.file} match, one must`,
        );
      }
      source = parts.join(edit.to);
      unplanted.delete(edit);
    }
    return { ...loaded, source };
  },
});

type Outcome = ReplicaOutcome & Partial<Pick<WorkshopOutcome, "crashes" | "atWrites" | "starts">>;

async function loadRunSeed(): Promise<
  (seed: number, isTelling: boolean, fault: () => Error | undefined) => Promise<Outcome>
> {
  if (values.prints === true) return (await import("../prints/run-seed.ts")).runWorkshopSeed;
  return values.hands === true
    ? (await import("../hands/run-seed.ts")).runHandsSeed
    : (await import("./run-seed.ts")).runReplicaSeed;
}
const runSeed = await loadRunSeed();
if (unplanted.size > 0) throw new GantryError("conflict", `Mutant ${mutant?.name} was not loaded`);

let fault: Error | undefined;
process.on("uncaughtException", (error) => {
  fault ??= error;
});
process.on("unhandledRejection", (reason) => {
  fault ??= reason instanceof Error ? reason : new Error(String(reason));
});

const crashesWanted = Number(values.crashes ?? Infinity);
const isOne = [values.seeds, values.budget, values.crashes].every((bound) => bound === undefined);
const first = Number(values.seed ?? 1);
const count = isOne ? 1 : Number(values.seeds ?? 2 ** 31);
const endAt = performance.now() + Number(values.budget ?? Infinity) * 1_000;
const startedAt = performance.now();
const failures: { readonly seed: number; readonly failure: string }[] = [];
let [seeds, events, acknowledged, reigns] = [0, 0, 0, 0];
let [crashes, atWrites, starts] = [0, 0, 0];
const hashes: number[] = [];
for (
  let seed = first;
  seed < first + count && performance.now() < endAt && crashes < crashesWanted;
  seed += 1
) {
  fault = undefined;
  const outcome = await runSeed(seed, isOne, () => fault);
  seeds += 1;
  events += outcome.events;
  acknowledged += outcome.acknowledged;
  reigns += outcome.reigns;
  crashes += outcome.crashes ?? 0;
  atWrites += outcome.atWrites ?? 0;
  starts += outcome.starts ?? 0;
  if (hashes.length < 20) hashes.push(outcome.hash);
  if (isOne) console.log(outcome.notes.slice(-80).join("\n"));
  if (outcome.failure === undefined) continue;
  failures.push({ seed, failure: outcome.failure });
  if (values.short === true) break;
}
const tookS = (performance.now() - startedAt) / 1_000;
if (values.json === true) {
  const counts = { seeds, events, acknowledged, reigns, crashes, atWrites, starts };
  console.log(JSON.stringify({ ...counts, failures, hashes, tookS }));
} else {
  console.log(
    `${seeds} seeds of replicas in ${tookS.toFixed(1)} s (${(seeds / tookS).toFixed(1)}/s), ${failures.length} failed; ` +
      `each ${Math.round(events / seeds)} events, ${Math.round(acknowledged / seeds)} acknowledged, ${(reigns / seeds).toFixed(1)} reigns; trace ${hashes[0]?.toString(16)}`,
  );
  for (const { seed, failure } of failures.slice(0, 10))
    console.log(`  seed ${seed}: ${isOne ? failure : failure.split("\n").slice(0, 2).join(" ")}`);
}
process.exit(failures.length > 0 ? 1 : 0);
