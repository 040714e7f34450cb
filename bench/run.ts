// npm run bench [-- NAME ...]: measures, prints a table, keeps bench/results.json and the table of
// docs/performance.md.
//
// R1. A missed goal is a result; only a measurement that crashes makes this program fail.
// R2. A run of some measurements replaces theirs and keeps the others, each with its own machine.

import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { CATALOGUE } from "./catalogue.ts";
import type { Figure } from "./measure.ts";
import { textTable, writeBlock } from "./table.ts";

/** What bench/results.json holds, by the name of the measurement. */
export type Results = Readonly<Record<string, Result>>;

export interface Result {
  readonly command: string;
  readonly date: string;
  readonly tookS: number;
  readonly machine: Machine;
  /** One, five and fifteen minutes. */
  readonly loadBefore: readonly number[];
  readonly loadAfter: readonly number[];
  readonly durability: string;
  readonly figures: readonly Figure[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMb: number;
  readonly node: string;
}

const RESULTS = join(import.meta.dirname, "results.json");
const ROOT = join(import.meta.dirname, "..");
const PAGE = join(ROOT, "docs", "performance.md");
const DURABILITY = "every command is synced (fdatasync) before its reply; one hub";

async function run(wanted: readonly string[]): Promise<number> {
  const names = wanted.length === 0 ? Object.keys(CATALOGUE) : wanted;
  const strangers = names.filter((name) => !(name in CATALOGUE));
  if (strangers.length > 0) {
    console.error(
      `bench: no ${strangers.join(", ")}; there is ${Object.keys(CATALOGUE).join(", ")}`,
    );
    return 66;
  }
  let results: Results = existsSync(RESULTS)
    ? (JSON.parse(readFileSync(RESULTS, "utf8")) as Results) // written below
    : {};
  let crashed = 0;
  for (const name of names) {
    console.log(`\n== ${name}`);
    const result = await measured(name);
    if (result === undefined) {
      crashed += 1;
      continue;
    }
    console.log(textTable(result.figures));
    results = inOrder({ ...results, [name]: result });
    writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  }
  writeBlock(PAGE, results);
  spawnSync(join(ROOT, "node_modules", ".bin", "oxfmt"), [PAGE, RESULTS]); // as `npm run format` wants them
  return crashed === 0 ? 0 : 1;
}

/** As the catalogue has them; what it no longer has is dropped. */
const inOrder = (results: Results): Results =>
  Object.fromEntries(
    Object.keys(CATALOGUE).flatMap((name) => {
      const result = results[name];
      return result === undefined ? [] : [[name, result]];
    }),
  );

/** In a process of its own; undefined if that crashed, which it says itself. */
async function measured(name: string): Promise<Result | undefined> {
  const [fromMs, loadBefore] = [performance.now(), loads()];
  const child = fork(import.meta.filename, ["--child", name]);
  let figures: readonly Figure[] | undefined;
  child.once("message", (message) => {
    figures = message as readonly Figure[]; // sent by measureHere
  });
  await once(child, "exit");
  if (figures === undefined) return undefined;
  return {
    command: `npm run bench -- ${name}`,
    date: new Date().toISOString(),
    tookS: Math.round((performance.now() - fromMs) / 1_000),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryMb: Math.round(totalmem() / 1e6),
      node: process.version,
    },
    loadBefore,
    loadAfter: loads(),
    durability: DURABILITY,
    figures,
  };
}

const loads = (): readonly number[] => loadavg().map((load) => Math.round(load * 100) / 100);

/** The child's side. */
async function measureHere(name: string): Promise<void> {
  const figures = await CATALOGUE[name]?.();
  process.send?.(figures, () => process.exit(0));
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--child") await measureHere(rest[0] ?? "");
else process.exitCode = await run(process.argv.slice(2));
