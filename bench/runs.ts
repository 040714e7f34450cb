// Runs of workflows, end to end through one real hub: starts, three durable steps, node executions and
// approvals, with Restate beside it on this machine in the same run.
//
//   npm run bench:runs [-- ROUNDS [PART ...]]      prints one JSON document, keeps it in bench/runs.json
//
// Hub, client and executor are three processes; each fact is on the disk before its reply or before what
// follows from it leaves the hub. The hub is a fresh one for each part and round. Node executions are
// counted where the executor begins them: each but a run's first follows an end that is on the disk, so
// at most those in flight are counted too much. Of two rounds the median is the greater.
//
//   BENCH_RESTATE_DIR   a folder whose node_modules has @restatedev/restate-server 1.7 and restate-sdk
//   BENCH_NODES         of the part `nodes` one figure alone, as "1000 fast"
//   BENCH_HUB_OPTIONS   NODE_OPTIONS of the hub (--cpu-prof ...); it is then ended by SIGTERM

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { type ClusterHub, startCluster } from "../tests/support/cluster.ts";
import { enrolNode } from "../tests/support/enrol.ts";
import { cpuSecondsOf } from "./cluster/load.ts";
import { machine } from "./floors.ts";
import { medianOf, pause, percentileOf, rounded } from "./measure.ts";
import { measureDecisions } from "./runs/decisions.ts";
import { startRestate } from "./runs/restate.ts";
import type { Order, Reach, Report } from "./runs/side.ts";

const QUEUE = "bench";
const SECONDS = Number(process.env["BENCH_SECONDS"] ?? 6);
const ONLY = process.env["BENCH_NODES"];
const HUB_OPTIONS = process.env["BENCH_HUB_OPTIONS"];
const STARTS = 20_000;
const BATCHED = 60_000;
const FRAME = 100;
const APPROVALS = 10_000;

/** One figure of one round. CPU: microseconds of one operation. */
interface Found {
  readonly name: string;
  readonly perS: number;
  readonly samples?: readonly number[];
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly note?: string;
}

interface Side extends Disposable {
  readonly pid: number;
  ask(order: Order): Promise<Report>;
}

async function openSide(role: "client" | "executor", reach: Reach): Promise<Side> {
  const child = fork(join(import.meta.dirname, "runs/side.ts"), [role, JSON.stringify(reach)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
    env: { ...process.env, UV_THREADPOOL_SIZE: "4" },
  });
  await said(child);
  return {
    pid: child.pid ?? -1,
    async ask(order) {
      const answer = said(child);
      child.send(order);
      return (await answer).report as Report; // side.ts
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

async function said(side: ChildProcess): Promise<{ readonly report?: Report }> {
  const [message] = (await Promise.race([
    once(side, "message"),
    once(side, "exit").then(() => {
      throw new Error("a side of the measurement ended");
    }),
  ])) as [{ readonly report?: Report }];
  return message;
}

// ── the workflows ───────────────────────────────────────────────────────────────────────────────

const task = (before?: string): object => ({
  type: "task",
  capability: "no-op",
  queue: QUEUE,
  with: { value: before === undefined ? "${inputs.part}" : `\${nodes.${before}.output.ok}` },
});

const nameOf = (place: number): string => `n${place}`;

function chain(length: number): object {
  const places = Array.from({ length }, (_, place) => place);
  return {
    inputs: { part: { type: "string" } },
    nodes: Object.fromEntries(
      places.map((at) => [nameOf(at), task(at === 0 ? undefined : nameOf(at - 1))]),
    ),
    edges: places.slice(1).map((place) => ({ from: nameOf(place - 1), to: nameOf(place) })),
  };
}

const one = (node: object): object => ({
  inputs: { part: { type: "string" } },
  nodes: { it: node },
});

const GRAPHS: Readonly<Record<string, object>> = {
  "no-op": one({ type: "function", function: "value", with: { value: "${inputs.part}" } }),
  wait: one({ type: "timer", delayMs: 86_400_000 }),
  three: chain(3),
  ten: chain(10),
  ask: one({ type: "approval", question: "Print ${inputs.part}?" }),
};

const startOf = (workflow: string, rest: object = {}): string =>
  JSON.stringify({ workflow, inputs: { part: "bracket" }, ...rest });

// ── one hub ─────────────────────────────────────────────────────────────────────────────────────

interface Scene extends AsyncDisposable {
  readonly hub: ClusterHub;
  readonly reach: Reach;
}

async function openScene(): Promise<Scene> {
  const env = HUB_OPTIONS === undefined ? {} : { NODE_OPTIONS: HUB_OPTIONS };
  const cluster = await startCluster(1, { env });
  const hub = await cluster.leader();
  for (const [name, graph] of Object.entries(GRAPHS)) {
    const { status, body } = await hub.api("POST", "/api/workflows", {
      name,
      graph,
      tag: "main",
      fidelity: "fast",
    });
    if (status !== 201) throw new Error(JSON.stringify(body));
  }
  const enrolled = await enrolNode(hub, "bench");
  return {
    hub,
    reach: { url: hub.url, token: cluster.token, enrolled, queue: QUEUE },
    async [Symbol.asyncDispose]() {
      if (!hub.isRunning) process.stderr.write(`the hub ended: ${hub.output().slice(-4_000)}\n`);
      if (HUB_OPTIONS !== undefined) await hub.kill("SIGTERM");
      await cluster[Symbol.asyncDispose]();
    },
  };
}

/** Processor time of the named processes while `work` goes on, per operation that it counts. */
async function costOf<T extends { readonly count: number }>(
  pids: Readonly<Record<string, number>>,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpuUs: Readonly<Record<string, number>> }> {
  const read = (): number[] => Object.values(pids).map(cpuSecondsOf);
  const before = read();
  const result = await work();
  const after = read();
  const cpuUs = Object.fromEntries(
    Object.keys(pids).map((name, place) => [
      name,
      rounded((((after[place] ?? 0) - (before[place] ?? 0)) * 1e6) / result.count),
    ]),
  );
  return { result, cpuUs };
}

// ── the parts ───────────────────────────────────────────────────────────────────────────────────

async function starts(): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const workflow of ["no-op", "wait"]) {
    await using scene = await openScene();
    using client = await openSide("client", { ...scene.reach, queue: "" });
    const body = startOf(workflow);
    const pids = { hub: scene.hub.pid, client: client.pid };
    const what = workflow === "wait" ? "of runs that stay" : "of runs that end at once";
    const single = { type: "starts" as const, path: "/api/runs", body, connections: 64 };
    await client.ask({ ...single, count: 3_000 });
    const each = await costOf(pids, () => client.ask({ ...single, count: STARTS }));
    const { perS, samples } = each.result;
    found.push({ name: `starts ${what}, 64 connections`, perS, samples, cpuUs: each.cpuUs });
    const many = { type: "batch" as const, line: `${body}\n`, frame: FRAME, connections: 8 };
    await client.ask({ ...many, count: 3_000 });
    const batch = await costOf(pids, () => client.ask({ ...many, count: BATCHED }));
    const name = `starts ${what}, batches of ${FRAME}`;
    found.push({ name, perS: batch.result.perS, cpuUs: batch.cpuUs });
    if (workflow === "wait") continue;
    const large = { ...many, frame: 1_000, connections: 4 };
    const cost = await costOf(pids, () => client.ask({ ...large, count: BATCHED }));
    found.push({
      name: `starts ${what}, batches of 1000`,
      perS: cost.result.perS,
      cpuUs: cost.cpuUs,
    });
  }
  return found;
}

const STEPS_IN_FLIGHT = [1, 50];

async function steps(): Promise<readonly Found[]> {
  const found: Found[] = [];
  await using scene = await openScene();
  using executor = await openSide("executor", scene.reach);
  using client = await openSide("client", scene.reach);
  const pids = { hub: scene.hub.pid, client: client.pid, executor: executor.pid };
  const body = startOf("three");
  const order = { type: "closed" as const, path: "/api/runs", body, isReplyEnd: false };
  await client.ask({ ...order, inFlight: 50, seconds: 2 });
  for (const inFlight of STEPS_IN_FLIGHT) {
    const { result, cpuUs } = await costOf(pids, () =>
      client.ask({ ...order, inFlight, seconds: SECONDS }),
    );
    const { perS, samples } = result;
    found.push({ name: `three-step workflows, ${inFlight} in flight`, perS, samples, cpuUs });
  }
  return found;
}

async function restateSteps(folder: string): Promise<readonly Found[]> {
  const found: Found[] = [];
  await using restate = await startRestate(folder);
  const enrolled = { node: "", publicKey: "", secretKey: "", secret: "", place: PLACE };
  using client = await openSide("client", { url: restate.url, token: "", enrolled, queue: "" });
  const pids = { server: restate.pid, client: client.pid, service: restate.servicePid };
  const order = { type: "closed" as const, path: "/bench/three", body: '"bracket"' };
  await client.ask({ ...order, isReplyEnd: true, inFlight: 50, seconds: 2 });
  for (const inFlight of STEPS_IN_FLIGHT) {
    const { result, cpuUs } = await costOf(pids, () =>
      client.ask({ ...order, isReplyEnd: true, inFlight, seconds: SECONDS }),
    );
    const { perS, samples } = result;
    const name = `restate: three-step handlers, ${inFlight} in flight`;
    found.push({ name, perS, samples, cpuUs });
  }
  return found;
}

const PLACE = { id: "", address: "", publicKey: "" };

async function nodes(): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const [inFlight, fidelity] of [
    [1, "fast"],
    [100, "fast"],
    [1_000, "fast"],
    [1_000, "full"],
  ] as const) {
    if (ONLY !== undefined && ONLY !== `${inFlight} ${fidelity}`) continue;
    await using scene = await openScene();
    using executor = await openSide("executor", scene.reach);
    using client = await openSide("client", scene.reach);
    const pids = { hub: scene.hub.pid, client: client.pid, executor: executor.pid };
    const line = `${startOf("ten", { fidelity })}\n`;
    const order = { type: "flood" as const, line, inFlight };
    await client.ask({ ...order, seconds: 2 });
    const { result, cpuUs } = await costOf(pids, async () => {
      const before = await executor.ask({ type: "done" });
      const fromMs = performance.now();
      await client.ask({ ...order, seconds: SECONDS });
      const after = await executor.ask({ type: "done" });
      const count = after.count - before.count;
      return { count, perS: (count * 1_000) / (performance.now() - fromMs) };
    });
    const name = `node executions, ${inFlight} runs in flight, ${fidelity}`;
    found.push({ name, perS: result.perS, cpuUs });
  }
  return found;
}

async function approvals(): Promise<readonly Found[]> {
  await using scene = await openScene();
  using client = await openSide("client", { ...scene.reach, queue: "" });
  const line = `${startOf("ask")}\n`;
  await client.ask({ type: "batch", line, count: APPROVALS, frame: FRAME, connections: 4 });
  const tickets: string[] = [];
  for (let after = ""; ;) {
    const { body } = await scene.hub.api("GET", `/api/approvals?limit=200${after}`);
    tickets.push(...body.approvals.map(({ id }: { id: string }) => id));
    if (body.next === undefined) break;
    after = `&after=${encodeURIComponent(body.next)}`;
  }
  const pids = { hub: scene.hub.pid, client: client.pid };
  const warm = tickets.splice(0, 1_000);
  await client.ask({ type: "approve", tickets: warm, connections: 64 });
  const { result, cpuUs } = await costOf(pids, () =>
    client.ask({ type: "approve", tickets, connections: 64 }),
  );
  const { perS, samples } = result;
  return [{ name: "approvals, 64 connections", perS, samples, cpuUs }];
}

async function decisions(): Promise<readonly Found[]> {
  const { branch, next } = measureDecisions();
  return [
    decided("decision: the edge that a branch takes", branch),
    decided("decision: who works on what next, of 10,000", next),
  ];
}

const decided = (name: string, samples: readonly number[]): Found => ({
  name,
  samples,
  perS: 1_000 / medianOf(samples),
  cpuUs: {},
  note: "in process",
});

// ── all of it ───────────────────────────────────────────────────────────────────────────────────

const RESTATE_DIR = process.env["BENCH_RESTATE_DIR"] ?? "";

const PARTS: Readonly<Record<string, () => Promise<readonly Found[]>>> = {
  starts,
  steps,
  ...(existsSync(join(RESTATE_DIR, "node_modules", "@restatedev"))
    ? { restate: () => restateSteps(RESTATE_DIR) }
    : {}),
  nodes,
  approvals,
  decisions,
};

function summary(all: readonly Found[]): object {
  const [first] = all;
  const rates = all.map(({ perS }) => Math.round(perS));
  const percentile = (share: number): number =>
    rounded(medianOf(all.map(({ samples }) => percentileOf(samples ?? [], share))));
  return {
    perS: { median: medianOf(rates), all: rates },
    ...((first?.samples?.length ?? 0) === 0
      ? {}
      : { p50Ms: percentile(0.5), p99Ms: percentile(0.99) }),
    cpuUs: Object.fromEntries(
      Object.keys(first?.cpuUs ?? {}).map((name) => [
        name,
        rounded(medianOf(all.map(({ cpuUs }) => cpuUs[name] ?? 0))),
      ]),
    ),
    ...(first?.note === undefined ? {} : { note: first.note }),
  };
}

const rounds = Number(process.argv[2] ?? 3);
const wanted = process.argv.slice(3);
const names = wanted.length === 0 ? Object.keys(PARTS) : wanted;
const found = new Map<string, Found[]>();
const loads: number[] = [];
if (!("restate" in PARTS))
  process.stderr.write("Restate is not measured: see the head of bench/runs.ts\n");
for (let round = 0; round < rounds; round += 1) {
  for (const part of names) {
    loads.push(rounded(loadavg()[0] ?? 0));
    for (const figure of (await PARTS[part]?.()) ?? []) {
      found.set(figure.name, [...(found.get(figure.name) ?? []), figure]);
      process.stderr.write(`${figure.name}: ${Math.round(figure.perS)} a second\n`);
    }
    await pause(500); // what the hub before has left for the disk
  }
}
const report = Object.fromEntries([...found].map(([name, all]) => [name, summary(all)]));
const document = {
  bench: "runs",
  durability: "each command is synced (fdatasync) before its reply; one hub",
  date: new Date().toISOString(),
  rounds,
  seconds: SECONDS,
  loads,
  report,
  machine: machine(),
};
const text = `${JSON.stringify(document, null, 2)}\n`;
process.stdout.write(text);
if (wanted.length === 0) writeFileSync(join(import.meta.dirname, "runs.json"), text);
