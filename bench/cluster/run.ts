// npm run bench:cluster: three hubs, and three etcd on the same disk in the same run, one after the
// other. Prints a table and keeps bench/cluster.json.
//
// BC1. Both are asked by clients of like cost in this one process: ours over ZeroMQ with CURVE and a
//      client session (each write once, also when repeated), etcd's a lean gRPC client without either.
// BC2. Both sync every write before they answer. etcd speaks plain TCP, the hubs CURVE.
// BC3. A missed goal is a result. Shares of a machine that others use too are worth more than rates:
//      the processor time of a call stands beside each.

import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { benchFloors, machine } from "../floors.ts";
import { type AgentsCost, measureAgents } from "./agents.ts";
import { type Measured, measureSystem, RATES, type RateName } from "./measures.ts";
import { openEtcd, openHubs, type System } from "./systems.ts";

const AGENTS = 1_000;
const RESULTS = join(import.meta.dirname, "..", "cluster.json");

interface Goal {
  readonly figure: string;
  readonly gantry: number;
  readonly etcd?: number;
  /** Gantry's over etcd's, or the figure itself where etcd has none. */
  readonly value: number;
  readonly must: number;
  readonly aim: number;
  /** Whether more is better. */
  readonly isMore: boolean;
  readonly reached: "aim" | "must" | "missed";
}

function goal(
  figure: string,
  [gantry, etcd]: readonly [number, number?],
  [must, aim]: readonly [number, number],
  isMore: boolean,
): Goal {
  const value = etcd === undefined ? gantry : Math.round((gantry / etcd) * 100) / 100;
  const has = (bound: number): boolean => (isMore ? value >= bound : value <= bound);
  const reached = has(aim) ? "aim" : has(must) ? "must" : "missed";
  return {
    figure,
    gantry,
    ...(etcd === undefined ? {} : { etcd }),
    value,
    must,
    aim,
    isMore,
    reached,
  };
}

/** The table of the goals. */
function goals(hubs: Measured, packed: Measured, etcd: Measured, agents: AgentsCost): Goal[] {
  const both = (
    name: RateName,
    figure: "perS" | "p99Ms",
    ours: Measured = hubs,
  ): [number, number] => [ours.rates[name][figure], etcd.rates[name][figure]];
  return [
    goal("put, 1 client, 1/s", both("put1", "perS"), [0.7, 1.3], true),
    goal("put, 64 clients, 1/s", both("put64", "perS"), [2, 4], true),
    goal("put p99, 64 clients, ms", both("put64", "p99Ms"), [0.5, 0.25], false),
    // Puts are asked for with one message each, gets as the client sends them: a turn's in one frame.
    goal("linearizable get, 64 clients, 1/s", both("get64", "perS", packed), [3, 8], true),
    goal("watch after commit p99, 100 watchers, ms", [hubs.watch.p99Ms], [10, 3], false),
    goal("1,000 agents, share of one core", [agents.share], [0.1, 0.03], false),
  ];
}

const load = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;

async function measured(name: string, open: () => Promise<System>): Promise<Measured> {
  await using system = await open();
  const result = await measureSystem(system);
  console.log(`\n${name} (load ${load()})`);
  console.table(result.rates);
  console.table({ watch: result.watch });
  return result;
}

const fromMs = performance.now();
const loadBefore = load();
const floors = await benchFloors();
console.log("floors, ms", JSON.stringify(floors));
const hubs = await measured("hubs, one frame for each call", () => openHubs("each"));
const etcd = await measured("etcd", openEtcd);
const packed = await measured("hubs, one frame for all calls of a turn", () => openHubs("turn"));
const agents = await measureAgents(AGENTS);
console.log("\nagents", JSON.stringify(agents));
const table = goals(hubs, packed, etcd, agents);
console.table(table);
const report = {
  command: "npm run bench:cluster",
  date: new Date().toISOString(),
  tookS: Math.round((performance.now() - fromMs) / 1_000),
  machine: machine(),
  loadBefore,
  loadAfter: load(),
  conditions:
    "3 servers and the clients on one machine, loopback, values of 256 B, 4 connections, medians of 3 rounds; both sync each write; hubs with CURVE and client sessions, etcd on plain TCP with a lean gRPC client",
  goals: table,
  floors,
  rates: Object.keys(RATES),
  hubs,
  etcd,
  hubsPacked: packed,
  agents,
};
writeFileSync(RESULTS, `${JSON.stringify(report, null, 2)}\n`);
process.exit(0);
