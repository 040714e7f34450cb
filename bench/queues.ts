// Add and complete, end to end: our queues beside BullMQ on Redis, on this machine, in turns.
//
//   node bench/queues.ts [rounds] [jobs]      prints one JSON document
//
// One producer process, one worker process, one server process; 256 bytes a job; nothing is kept of a
// job that is done; each job is on the disk before it is acknowledged (ours and `always`), or within a
// second (`everysec`). BullMQ is measured where it is there:
//
//   BENCH_REDIS         redis-server; from the PATH where left out
//   BENCH_BULLMQ_DIR    a folder whose node_modules has bullmq 6.7 and ioredis 6

import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../tests/support/appliance.ts";
import { startCluster } from "../tests/support/cluster.ts";
import { enrolNode } from "../tests/support/enrol.ts";
import { cpuSecondsOf } from "./cluster/load.ts";
import { machine } from "./floors.ts";
import { medianOf, pause, percentileOf, rounded } from "./measure.ts";
import type { Order, Reach } from "./queues/side.ts";

const JOBS = Number(process.argv[3] ?? 20_000);
const SINGLES = 400;
const WARM_JOBS = 2_000;

interface System extends AsyncDisposable {
  readonly reach: Reach;
  /** Of the server. */
  readonly pid: number;
}

async function startGantry(): Promise<System> {
  const cluster = await startCluster(1);
  const hub = await cluster.leader();
  const enrolled = await enrolNode(hub, "bench");
  await hub.api("PUT", "/api/queues/bench", { keepDone: false });
  return {
    reach: { kind: "gantry", enrolled, token: cluster.token },
    pid: hub.pid,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

async function startRedis(appendfsync: "always" | "everysec", bullmqDir: string): Promise<System> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-redis-")); // as our hub: the same disk
  const port = await freePort();
  const redis = spawn(
    process.env["BENCH_REDIS"] ?? "redis-server",
    ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""].concat([
      "--appendonly",
      "yes",
      "--appendfsync",
      appendfsync,
      "--maxmemory-policy",
      "noeviction",
    ]),
    { stdio: "ignore" },
  );
  await untilOpen(port);
  return {
    reach: { kind: "bullmq", port, folder: bullmqDir },
    pid: redis.pid ?? -1,
    async [Symbol.asyncDispose]() {
      const ended = once(redis, "exit");
      redis.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilOpen(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const socket = connect(port, "127.0.0.1");
    const [isOpen] = await Promise.race([
      once(socket, "connect").then(() => [true]),
      once(socket, "error").then(() => [false]),
    ]).catch(() => [false]);
    socket.destroy();
    if (isOpen === true) return;
    await pause(25);
  }
  throw new Error("redis-server does not answer");
}

interface Rates {
  readonly addPerS: number;
  readonly endToEndPerS: number;
}

/** ms. */
interface Times {
  readonly toHandler: readonly number[];
  readonly toEnd: readonly number[];
}

interface Round extends Rates, Times {
  /** Of server, producer, worker: with the waits taken out, what a quiet machine would need. */
  readonly cpuUsPerJob: readonly number[];
}

async function startSide(role: "producer" | "worker", reach: Reach): Promise<ChildProcess> {
  const side = fork(join(import.meta.dirname, "queues/side.ts"), [role, JSON.stringify(reach)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
    env: { ...process.env, UV_THREADPOOL_SIZE: "4" },
  });
  await message(side);
  return side;
}

async function message(side: ChildProcess): Promise<{ readonly report?: object }> {
  const [said] = (await Promise.race([
    once(side, "message"),
    once(side, "exit").then(() => {
      throw new Error("a side of the measurement ended");
    }),
  ])) as [{ readonly report?: object }];
  return said;
}

async function order(side: ChildProcess, what: Order): Promise<object> {
  const answer = message(side);
  side.send(what);
  return (await answer).report ?? {};
}

async function measure(start: () => Promise<System>): Promise<Round> {
  await using system = await start();
  const worker = await startSide("worker", system.reach);
  const producer = await startSide("producer", system.reach);
  try {
    await order(producer, { type: "many", count: WARM_JOBS });
    const cpu = (): number[] =>
      [system.pid, producer.pid ?? -1, worker.pid ?? -1].map(cpuSecondsOf);
    const before = cpu();
    const rates = await order(producer, { type: "many", count: JOBS });
    const cpuUsPerJob = cpu().map((s, place) => ((s - (before[place] ?? 0)) * 1e6) / JOBS);
    await order(producer, { type: "single", count: 50 });
    const times = await order(producer, { type: "single", count: SINGLES });
    return { ...(rates as Rates), ...(times as Times), cpuUsPerJob }; // side.ts
  } finally {
    for (const side of [producer, worker]) side.kill("SIGKILL");
  }
}

const spread = (samples: readonly number[]): object => ({
  p50Ms: rounded(medianOf(samples)),
  p99Ms: rounded(percentileOf(samples, 0.99)),
});

function summary(rounds: readonly Round[]): object {
  const rate = (of: (round: Round) => number): object => {
    const all = rounds.map(of).map(Math.round);
    return { median: medianOf(all), all };
  };
  return {
    endToEndPerS: rate(({ endToEndPerS }) => endToEndPerS),
    addPerS: rate(({ addPerS }) => addPerS),
    cpuUsPerJob: Object.fromEntries(
      ["server", "producer", "worker"].map((name, place) => [
        name,
        rounded(medianOf(rounds.map(({ cpuUsPerJob }) => cpuUsPerJob[place] ?? 0))),
      ]),
    ),
    addToHandler: rounds.map(({ toHandler }) => spread(toHandler)),
    addToCompleted: rounds.map(({ toEnd }) => spread(toEnd)),
  };
}

function systems(): Readonly<Record<string, () => Promise<System>>> {
  const folder = process.env["BENCH_BULLMQ_DIR"] ?? "";
  const redis = process.env["BENCH_REDIS"] ?? "redis-server";
  const isThere =
    existsSync(join(folder, "node_modules", "bullmq")) &&
    spawnSync(redis, ["--version"]).status === 0;
  if (!isThere) process.stderr.write("BullMQ is not measured: see the head of bench/queues.ts\n");
  return {
    gantry: startGantry,
    ...(isThere
      ? {
          "bullmq, appendfsync always": () => startRedis("always", folder),
          "bullmq, appendfsync everysec": () => startRedis("everysec", folder),
        }
      : {}),
  };
}

const rounds = Number(process.argv[2] ?? 3);
const found = new Map<string, Round[]>();
const loads: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  for (const [name, start] of Object.entries(systems())) {
    loads.push(rounded(loadavg()[0] ?? 0));
    const one = await measure(start);
    found.set(name, [...(found.get(name) ?? []), one]);
    process.stderr.write(`${name}: ${Math.round(one.endToEndPerS)} jobs/s end to end\n`);
  }
}
const report = Object.fromEntries([...found].map(([name, all]) => [name, summary(all)]));
const document = { bench: "queues", jobs: JOBS, rounds, loads, report, machine: machine() };
process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
