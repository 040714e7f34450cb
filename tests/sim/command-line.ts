// The simulator's command line: which seeds, how long, on how many processes, and what is printed.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { formatHistory } from "../lincheck/history.ts";
import { loadSubject, type Subject } from "./mutants/load.ts";
import { FAULTS, type Fault } from "./mix.ts";
import { runSeed, type SeedOutcome } from "./run-seed.ts";
import { addOutcome, emptySums, joinSums, type Sums, tellSums } from "./sums.ts";
import { shrink } from "./shrink.ts";

const NIGHTLY_SEEDS = 60_000;
const NOTES_SHOWN = 120;

interface Orders {
  readonly first: number;
  /** Seeds first, first + stride, ... below first + count. */
  readonly count: number;
  readonly stride: number;
  readonly budgetMs: number;
  readonly mutant: string | undefined;
  readonly without: ReadonlySet<Fault>;
  /** Stop at the first failure. */
  readonly isShort: boolean;
}

function numberOf(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) {
    throw new GantryError("bad_request", `${text} is not a number of seeds or seconds`);
  }
  return value;
}

/** Gives the exit code: 0 all held, 1 some seed failed. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      budget: { type: "string" },
      jobs: { type: "string" },
      stride: { type: "string" },
      mutant: { type: "string" },
      without: { type: "string" },
      nightly: { type: "boolean" },
      shrink: { type: "boolean" },
      json: { type: "boolean" },
      history: { type: "boolean" },
      short: { type: "boolean" },
    },
  });
  const isOne =
    values.seed !== undefined && values.seeds === undefined && values.budget === undefined;
  const orders: Orders = {
    first: numberOf(values.seed, 1),
    count: isOne
      ? 1
      : numberOf(
          values.seeds,
          values.nightly === true ? NIGHTLY_SEEDS : values.budget === undefined ? 1_000 : 2 ** 31,
        ),
    stride: numberOf(values.stride, 1),
    budgetMs: numberOf(values.budget, Infinity) * 1_000,
    mutant: values.mutant,
    without: new Set(
      (values.without ?? "")
        .split(",")
        .filter((fault): fault is Fault => (FAULTS as readonly string[]).includes(fault)),
    ),
    isShort: values.short === true,
  };
  if (isOne)
    return await runOne(orders, {
      isShrunk: values.shrink === true,
      hasHistory: values.history === true,
    });
  const jobs = numberOf(values.jobs, 1);
  const startedMs = performance.now();
  const sums = jobs > 1 ? await runInChildren(args, orders, jobs) : await runHere(orders);
  const tookS = (performance.now() - startedMs) / 1_000;
  if (process.send !== undefined) process.send(sums);
  else if (values.json === true) console.log(JSON.stringify({ ...sums, tookS }));
  else console.log(tellSums(sums, tookS));
  return sums.failures.length > 0 ? 1 : 0;
}

async function runHere(orders: Orders): Promise<Sums> {
  const subject = await loadSubject(orders.mutant);
  const real = orders.mutant === undefined ? undefined : await loadSubject(undefined);
  const endAt = performance.now() + orders.budgetMs;
  let sums = emptySums();
  for (let seed = orders.first; seed < orders.first + orders.count; seed += orders.stride) {
    if (performance.now() >= endAt) break;
    const outcome = runSeed(seed, { ...subject, without: orders.without });
    // A mutant is found by a seed that the real core holds, not by one that fails either way.
    const isOld =
      outcome.failure !== undefined &&
      real !== undefined &&
      runSeed(seed, real).failure !== undefined;
    sums = addOutcome(sums, isOld ? { ...outcome, failure: undefined } : outcome);
    if (orders.isShort && sums.failures.length > 0) break;
  }
  return sums;
}

/** Each child takes every n-th seed. */
async function runInChildren(args: readonly string[], orders: Orders, jobs: number): Promise<Sums> {
  const parts = Array.from({ length: jobs }, async (_, job) => {
    const own = [
      ...args,
      "--jobs",
      "1",
      "--seed",
      String(orders.first + job),
      "--stride",
      String(jobs),
    ];
    const child = fork(fileURLToPath(new URL("main.ts", import.meta.url)), [
      ...own,
      "--seeds",
      String(Math.max(0, orders.count - job)),
    ]);
    return await new Promise<Sums>((resolve, reject) => {
      let sums: Sums | undefined;
      child.on("message", (message) => {
        sums = message as Sums; // sent by runCommandLine
        child.disconnect();
      });
      child.on("exit", (code) => {
        if (sums === undefined)
          reject(new GantryError("internal", `a simulator ended with ${code}`));
        else resolve(sums);
      });
    });
  });
  return (await Promise.all(parts)).reduce(joinSums);
}

async function runOne(
  orders: Orders,
  wants: { isShrunk: boolean; hasHistory: boolean },
): Promise<number> {
  const subject = await loadSubject(orders.mutant);
  const seed = orders.first;
  const first = runSeed(seed, { ...subject, without: orders.without, isTelling: true });
  const again = runSeed(seed, { ...subject, without: orders.without });
  if (wants.hasHistory) console.log(formatHistory(first.history));
  else console.log(tellOutcome(first));
  if (first.hash !== again.hash || first.failure !== again.failure) {
    console.log(
      `NOT DETERMINISTIC: trace ${first.hash.toString(16)}, then ${again.hash.toString(16)}`,
    );
    return 1;
  }
  if (first.failure !== undefined && wants.isShrunk) tellShrunk(seed, subject, orders.without);
  return first.failure === undefined ? 0 : 1;
}

function tellShrunk(seed: number, subject: Subject, without: ReadonlySet<Fault>): void {
  const small = shrink(seed, { ...subject, without });
  const { outcome } = small;
  console.log(
    `\nshrunk (${small.tries} tries): --without ${[...small.without].join(",")}, storm ends at ${small.stormMsMax} ms`,
  );
  console.log(tellOutcome(outcome));
}

function tellOutcome(outcome: SeedOutcome): string {
  const { seed, mix, failure, atMs, hash, notes } = outcome;
  const { faults, weather, ...rest } = mix;
  return [
    `seed ${seed}, trace ${hash.toString(16)}, ${outcome.events} events, ${outcome.committed} committed, ${outcome.leaders} leaders, recovered in ${outcome.recoveryMs.toFixed(0)} ms`,
    `faults: ${[...faults].join(" ") || "none"}`,
    `mix: ${JSON.stringify({ ...rest, weather })}`,
    ...(failure === undefined ? [] : ["last events:", ...notes.slice(-NOTES_SHOWN)]),
    failure === undefined ? "held" : `FAILED at ${atMs.toFixed(1)} ms: ${failure}`,
  ].join("\n");
}
