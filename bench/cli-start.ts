// How long `gantry` takes to start, next to the floor that Node itself sets: `node -e 0`.
//
//   node bench/cli-start.ts [ROUNDS]        prints one JSON document
//
// Runs alternate, so that a busy moment of the machine falls on all of them; medians are compared.
// Not measured: the first start after an update, which compiles (given as `coldMs`).

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

const ROUNDS = Number(process.argv[2] ?? 25);
const GOAL_RATIO = 1.6;
const launcher = join(import.meta.dirname, "..", "node-agent", "bin", "gantry.js");
const home = mkdtempSync(join(tmpdir(), "gantry-start-"));
// A port on which nobody listens: `ask` loads all that it needs, then says so.
const env = { HOME: home, PATH: "/usr/bin:/bin", GANTRY_HTTP_PORT: "1", NO_COLOR: "1" };

const CASES = {
  bareNode: ["-e", "0"],
  version: [launcher, "--version"],
  help: [launcher, "help"],
  askRefused: [launcher, "ask", "hi"],
} as const;
type Case = keyof typeof CASES;

function startMs(name: Case): number {
  const from = performance.now();
  spawnSync(process.execPath, CASES[name], { env, stdio: "ignore" });
  return performance.now() - from;
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const round = (value: number): number => Math.round(value * 100) / 100;

try {
  const names = Object.keys(CASES) as Case[];
  const cold = Object.fromEntries(names.map((name) => [name, round(startMs(name))]));
  const times: Record<Case, number[]> = { bareNode: [], version: [], help: [], askRefused: [] };
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    for (const name of names) times[name].push(startMs(name));
  }
  const floorMs = medianOf(times.bareNode);
  const cases = names.map((name) => {
    const medianMs = medianOf(times[name]);
    const range = {
      minMs: round(Math.min(...times[name])),
      maxMs: round(Math.max(...times[name])),
    };
    const ratio = round(medianMs / floorMs);
    return { name, medianMs: round(medianMs), ...range, ratio, coldMs: cold[name] };
  });
  const isMet = cases.every(({ name, ratio }) => name === "askRefused" || ratio <= GOAL_RATIO);
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
  const report = {
    bench: "cli-start",
    rounds: ROUNDS,
    goalRatio: GOAL_RATIO,
    isMet,
    cases,
    machine,
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
