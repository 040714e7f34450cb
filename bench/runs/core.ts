// Processor time of one node execution in the main loop of a hub, without disk, wire and other threads:
// the fold, what runs owe, the queue, the hand-out and the ends.
//
//   node bench/runs/core.ts [NODES] [IN_FLIGHT]
//
// One line of JSON: microseconds of this thread for each node, whatever else the machine does.

import type { Command } from "@gantry/shared/contract/commands.ts";
import type { LeasedWork } from "@gantry/shared/contract/registry-ops.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeQueues } from "../../hub/hands/queues.ts";
import type { RunCallParts } from "../../hub/hands/run-calls.ts";
import { makeRunHands } from "../../hub/hands/runs.ts";
import { makeWorkers } from "../../hub/hands/workers.ts";
import type { Hub } from "../../hub/hub.ts";
import { applyEntry, type Ledger } from "../../hub/ledger/apply.ts";
import { makeRows } from "../../hub/ledger/rows.ts";
import { graph, kept } from "../../hub/ledger/testing/flows.ts";
import { command } from "../../hub/ledger/testing/rig.ts";
import { makeFakeHub } from "../../hub/registry/testing/fake-hub.ts";

const QUEUE = "bench";
const [nodes = "200000", inFlight = "1000"] = process.argv.slice(2);
const wanted = Number(nodes);
const LENGTH = 10;

const task = (before?: number): object => ({
  type: "task",
  capability: "no-op",
  queue: QUEUE,
  with: { value: before === undefined ? "${inputs.part}" : `\${nodes.n${before}.output.ok}` },
});
const places = Array.from({ length: LENGTH }, (_, place) => place);
const flow = graph(
  Object.fromEntries(places.map((at) => [`n${at}`, task(at === 0 ? undefined : at - 1)])),
  places.slice(1).map((at) => `n${at - 1}>n${at}`),
);

const fake = makeFakeHub();
const disk = new Map<string, string>();
const rows = makeRows((key) => disk.get(key), []);
const ledger: Ledger = { rows, position: 0 };
const clock = systemClock;
let waiting: { command: Command; settle: (reply: unknown) => void }[] = [];
let sizeBytes = 0;
let entries = 0;

/** One entry of what came in within a turn, as a replica does it. */
function commit(): void {
  const batch = waiting;
  waiting = [];
  entries += 1;
  const { replies } = applyEntry(
    ledger,
    batch.map((each) => each.command),
  );
  batch.forEach(({ settle }, place) => settle(replies[place]));
  if (rows.dirtyCount < 4_000) return;
  for (const { key, row } of rows.takeBatch()) {
    if (row === undefined) disk.delete(key);
    else disk.set(key, JSON.stringify(row));
  }
  rows.batchStored();
}

const propose = (proposed: Command): Promise<unknown> =>
  new Promise((settle) => {
    sizeBytes += JSON.stringify(proposed).length;
    waiting.push({ command: proposed, settle });
    if (waiting.length === 1) setImmediate(commit);
  });

const replica = { ledger, propose, status: () => ({ term: 1 }) };
const hub = {
  ...fake.hub,
  rows,
  clock,
  stampMs: () => clock.now(),
  replica,
} as unknown as Hub;
const { signal } = new AbortController();
const queues = makeQueues(hub);
const workers = makeWorkers({ hub, queues, stopAtNode() {}, signal });
const setUp = [
  { type: "queueSet", queue: QUEUE, policy: {} } as const,
  kept(flow, { fidelity: "fast" }),
];
applyEntry(
  ledger,
  setUp.map((body) => command(body)),
);
void queues.run(signal);
void makeRunHands({ hub, egressAllow: [], queues } as unknown as RunCallParts).run(signal);

let serial = 0;
function start(count: number): void {
  const runs = Array.from({ length: count }, () => {
    serial += 1;
    return { run: `run_${String(serial).padStart(26, "0")}`, workflow: "flow", inputs: { part: "bracket" } }; // prettier-ignore
  });
  void propose(command({ type: "runsStarted", role: "maker", runs }));
}

let done = 0;
let live = 0;
let fromUs = 0;
let told: LeasedWork[] = [];
function answer(): void {
  const ends = told.map(({ job, token }) => ({ job, token, result: { ok: true } }));
  told = [];
  sizeBytes += JSON.stringify(ends).length;
  void workers.ended(ends).then(() => {
    done += ends.length;
    const missing = Number(inFlight) - rows.hot("run").size;
    if (missing > 0 && done < wanted) start(missing);
    return undefined;
  });
}
const call = { type: "registry", id: 1, op: "work", queue: QUEUE, credit: 4_096 } as const;
workers.open(call, "w", ({ jobs = [] }) => {
  sizeBytes += JSON.stringify(jobs).length;
  if (told.length === 0) setImmediate(answer);
  told.push(...jobs);
  return "sent";
});
start(Number(inFlight));
const WARM = Math.min(50_000, wanted / 4);
const cpuUs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return user + system;
};
const timer = setInterval(() => {
  if (fromUs === 0 && done > WARM) {
    fromUs = cpuUs();
    live = done;
  }
  if (done < wanted) return;
  clearInterval(timer);
  const us = (cpuUs() - fromUs) / (done - live);
  process.stdout.write(
    `${JSON.stringify({ cpuUsPerNode: us, nodes: done, entries, sizeBytes })}\n`,
  );
  process.exit(0);
}, 5);
