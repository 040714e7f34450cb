// What one call costs each hub, thread by thread: processor time, context switches, and, if asked, where
// V8 spent it. Shares hold on a busy machine, where rates do not.
//
// HUB_NODE_OPTIONS are given to the hubs, such as --perf-basic-prof for `perf record -p`.
//
//   node bench/cluster/cost.ts [put|get|idle] [CLIENTS] [SECONDS] [FOLDER for .cpuprofile files]

import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { openHubs } from "./systems.ts";
import { round } from "./load.ts";

const TICKS_PER_S = 100; // USER_HZ of Linux
const CONNECTIONS = 4;
const KEYS = 1_000;
const VALUE = "x".repeat(256);
const WARM_UP_S = 6;
const WARM_UP_CLIENTS = 64;

const [op = "put", clientsText = "64", secondsText = "5", folder] = process.argv.slice(2);
const clients = op === "idle" ? 0 : Number(clientsText);
const seconds = Number(secondsText);

interface Use {
  readonly us: number;
  readonly switches: number;
}

/** Of every thread of a process, by what it is for. */
function useOf(pid: number): Map<string, Use> {
  const uses = new Map<string, Use>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const folderOf = `/proc/${pid}/task/${task}`;
    const name = task === String(pid) ? "main" : readFileSync(`${folderOf}/comm`, "utf8").trim();
    const stat = readFileSync(`${folderOf}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const us = ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_S;
    const nsText = readFileSync(`${folderOf}/schedstat`, "utf8").split(" ")[0];
    const status = readFileSync(`${folderOf}/status`, "utf8");
    const switches = Number(/\nvoluntary_ctxt_switches:\s*(\d+)/.exec(status)?.[1] ?? 0);
    const before = uses.get(name) ?? { us: 0, switches: 0 };
    const exact = nsText === undefined ? us : Number(nsText) / 1_000;
    uses.set(name, { us: before.us + exact, switches: before.switches + switches });
  }
  return uses;
}

const profile = `--cpu-prof --cpu-prof-interval=200 --cpu-prof-dir=${resolve(folder ?? ".")}`;
const options = folder === undefined ? process.env["HUB_NODE_OPTIONS"] : profile;
await using system = await openHubs("each", options === undefined ? {} : { NODE_OPTIONS: options });
const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => system.connect()));
let done = 0;
let times: number[] = [];

/** Entries of the log so far. */
async function appliedIndex(): Promise<number> {
  const text = await system.metrics();
  return Number(/^gantry_raft_applied_index (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}

async function load(forS: number, clients: number): Promise<void> {
  if (op === "idle" && clients === 0) {
    await new Promise((resolve) => setTimeout(resolve, forS * 1_000));
    done += forS * 100; // the table is then for 10 ms
    return;
  }
  const endMs = performance.now() + forS * 1_000;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const connection = connections[client % CONNECTIONS];
      for (let turn = 0; performance.now() < endMs; turn += 1) {
        const key = `bench-${(client * 31 + turn) % KEYS}`;
        const fromMs = performance.now();
        await (op === "get" ? connection?.get(key) : connection?.put(key, VALUE));
        times.push(performance.now() - fromMs);
        done += 1;
      }
    }),
  );
}

await load(WARM_UP_S, WARM_UP_CLIENTS); // V8 compiles what is used often
const indexBefore = await appliedIndex();
done = 0;
times = [];
console.log(`measuring hubs ${system.pids.join(" ")}, of which ${system.leaderPid} leads`);
const before = system.pids.map(useOf);
const ownBefore = useOf(process.pid);
const fromMs = performance.now();
await load(seconds, clients);
const tookS = (performance.now() - fromMs) / 1_000;
const after = system.pids.map(useOf);
const own = useOf(process.pid);
const entries = (await appliedIndex()) - indexBefore;

const sorted = Float64Array.from(times).toSorted();
const at = (share: number): number => round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
const table: Record<string, Record<string, number>> = {};
let serversUs = 0;
function add(name: string, from: ReadonlyMap<string, Use>, to: ReadonlyMap<string, Use>): number {
  let total = 0;
  for (const [thread, use] of to) {
    const was = from.get(thread) ?? { us: 0, switches: 0 };
    const us = (use.us - was.us) / done;
    total += us;
    if (us < 0.05) continue;
    table[`${name} ${thread}`] = {
      us: round(us),
      switches: round((use.switches - was.switches) / done),
    };
  }
  table[`${name} TOTAL`] = { us: round(total), switches: NaN };
  return total;
}
system.pids.forEach((pid, place) => {
  const role = pid === system.leaderPid ? "leader" : `follower ${place + 1}`;
  serversUs += add(role, before[place] ?? new Map(), after[place] ?? new Map());
});
add("client", ownBefore, own);
console.table(table);
console.log(
  `${op} ${clients}: ${Math.round(done / tookS)}/s, servers ${round(serversUs)} us a call, ${round(done / entries)} calls an entry, p50 ${at(0.5)} p99 ${at(0.99)} ms`,
);
for (const each of connections) await each.close();
if (folder !== undefined) await system.stop();
