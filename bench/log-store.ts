// One synced write after the other, as a log makes them: LevelDB and the segments of the log's folder, in
// turns, on the disk of the temp folder. Medians and p99 in ms, processor time of all threads in us.
//
//   node bench/log-store.ts [WRITES] [BYTES]

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLevelStore } from "../hub/adapters/level-store.ts";
import { openLogFolder } from "../hub/adapters/log-folder.ts";
import type { OrderedStore } from "../hub/ports.ts";

const ROUNDS = 3;
const WARM_UP = 100;
const KEPT = 2_000; // entries; what is older is trimmed
const writes = Number(process.argv[2] ?? 1_000);
const value = Buffer.alloc(Number(process.argv[3] ?? 8_192), 120);
const folder = await mkdtemp(join(tmpdir(), "gantry-bench-log-"));

async function cpuUs(): Promise<number> {
  const tasks = await readdir("/proc/self/task");
  const times = await Promise.all(
    tasks.map((task) => readFile(`/proc/self/task/${task}/schedstat`, "utf8").catch(() => "0")),
  );
  return times.reduce((sum, text) => sum + Number(text.split(" ")[0]) / 1_000, 0);
}

const keyOf = (index: number): string => `e${String(index).padStart(12, "0")}`;

function writer(store: OrderedStore): () => Promise<void> {
  let index = 0;
  return async () => {
    index += 1;
    await store.batch([{ type: "put", key: keyOf(index), value }], { sync: true });
    if (index <= KEPT) return;
    await store.batch([{ type: "del", key: keyOf(index - KEPT) }], { sync: false });
  };
}

const stores: readonly (readonly [string, OrderedStore])[] = [
  ["LevelDB", await openLevelStore(join(folder, "level"), { createIfMissing: true })],
  ["segments", await openLogFolder(join(folder, "log"), { createIfMissing: true })],
];
const table: Record<string, Record<string, number>> = {};
const writing = stores.map(([name, store]) => [name, writer(store)] as const);
for (let round = 1; round <= ROUNDS; round += 1) {
  for (const [name, write] of writing) {
    for (let turn = 0; turn < WARM_UP; turn += 1) await write();
    const took: number[] = [];
    const fromUs = await cpuUs();
    for (let turn = 0; turn < writes; turn += 1) {
      const fromMs = performance.now();
      await write();
      took.push(performance.now() - fromMs);
    }
    const us = ((await cpuUs()) - fromUs) / writes;
    took.sort((a, b) => a - b);
    const at = (share: number): number =>
      Math.round((took[Math.floor(writes * share)] ?? 0) * 1_000) / 1_000;
    table[`${name}, round ${round}`] = { p50: at(0.5), p99: at(0.99), cpuUs: Math.round(us) };
  }
}
console.table(table);
for (const [, store] of stores) await store.close();
await rm(folder, { recursive: true });
