// How long a cluster of three takes no writes when its leader goes: node bench/failover.ts [TRIALS] [MODE...]
//
//   kill      kill -9 of the leader's process
//   cut       the leader's host vanishes from the network in silence (needs root and iproute2)
//   stop      SIGTERM of the leader, which hands over
//   transfer  POST /api/cluster/transfer, without an end of any process
//   etcd      kill -9 of the leader of three etcd 50/250 ms, where etcd is installed
//
// Open loop: a write every 5 ms, to all hubs in turn, whatever became of the ones before. Measured is the
// longest time between two successful writes, as the clients saw them. JSON on stdout.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { linesOf } from "../tests/cluster/hub-lines.ts";
import { makeHubClient } from "../tests/cluster/workload.ts";
import { freePort, until } from "../tests/support/appliance.ts";
import { type ClusterHub, startCluster } from "../tests/support/cluster.ts";
import { missingForHosts, startHosts } from "../tests/support/netns.ts";
import { medianOf, pause, rounded } from "./measure.ts";

const WRITE_MS = 5;
const BEFORE_MS = 400;
const AFTER_MS = 1_500;

interface Trial {
  readonly gapMs: number;
  /** From the fault, as the hubs' logs say: a follower sees the connection break, a hub leads. */
  readonly brokeMs?: number;
  readonly leadsMs?: number;
}

/** Longest ms between two of these moments; the last one counts until `endMs`. */
function longestGap(times: readonly number[], endMs: number): number {
  const sorted = [...times.toSorted((a, b) => a - b), endMs];
  let longest = 0;
  for (const [place, time] of sorted.entries()) {
    const before = sorted[place - 1];
    if (before !== undefined) longest = Math.max(longest, time - before);
  }
  return longest;
}

/** Writes at `write(n)` every WRITE_MS while `fault` happens in the middle. */
async function underWrites(
  write: (count: number) => Promise<boolean>,
  fault: () => Promise<void>,
): Promise<number> {
  const done: number[] = [];
  const over = new AbortController();
  const writing = (async () => {
    const startMs = performance.now();
    for (let count = 0; !over.signal.aborted; count += 1) {
      const waitMs = startMs + count * WRITE_MS - performance.now();
      if (waitMs > 0) await pause(waitMs);
      void write(count).then((isDone) => isDone && done.push(performance.now()));
    }
  })();
  await pause(BEFORE_MS);
  await fault();
  await pause(AFTER_MS);
  over.abort();
  await writing;
  return longestGap(done, performance.now());
}

async function hubTrials(mode: string, trials: number): Promise<Trial[]> {
  await using stack = new AsyncDisposableStack();
  const hosts = mode === "cut" ? stack.use(await startHosts(3)) : undefined;
  const cluster = stack.use(await startCluster(3, hosts === undefined ? {} : { hosts }));
  const http = stack.use(makeHubClient(cluster.token));
  const urls = cluster.hubs.map(({ url }) => url);
  const write = async (count: number): Promise<boolean> => {
    const url = urls[count % urls.length] ?? "";
    const asked = await http.ask(url, "PUT", `/api/flags/f${count % 16}`, { value: count });
    return asked.kind === "answered" && asked.answer.status === 200;
  };
  const results: Trial[] = [];
  for (let trial = 0; trial < trials; trial += 1) {
    const leader = await cluster.leader();
    await until("writes to go through", () => write(trial));
    let faultAt = 0;
    const gapMs = await underWrites(write, async () => {
      faultAt = Date.now();
      if (mode === "kill") leader.signal("SIGKILL");
      else if (mode === "stop") leader.signal("SIGTERM");
      else if (mode === "cut") await hosts?.isolate(cluster.hubs.indexOf(leader) + 1);
      else {
        const { status, body } = await leader.api("POST", "/api/cluster/transfer", {});
        if (status >= 300) throw new Error(`transfer: ${status} ${JSON.stringify(body)}`);
      }
    });
    results.push({ gapMs: rounded(gapMs), ...stepsOf(cluster.hubs, leader, faultAt) });
    if (mode === "cut") await hosts?.heal();
    if (mode === "kill" || mode === "stop") {
      await leader.kill("SIGKILL"); // it has ended already
      await until("the leader to end", () => !leader.isRunning);
      await leader.start();
    }
  }
  return results;
}

/** Of the hubs that are left. */
function stepsOf(
  hubs: readonly ClusterHub[],
  leader: ClusterHub,
  faultAt: number,
): Omit<Trial, "gapMs"> {
  const times = (message: string): number[] =>
    hubs
      .filter((hub) => hub !== leader)
      .flatMap((hub) => linesOf(hub, message))
      .map(({ atMs }) => atMs - faultAt)
      .filter((ms) => ms >= 0);
  const [broke, leads] = [times("the link to a hub broke"), times("this hub leads")];
  return {
    ...(broke.length === 0 ? {} : { brokeMs: Math.min(...broke) }),
    ...(leads.length === 0 ? {} : { leadsMs: Math.min(...leads) }),
  };
}

/** Three etcd on loopback with fsync, 50 ms heartbeats, 250 ms elections, written to over its JSON gateway. */
async function etcdTrials(trials: number): Promise<Trial[]> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-etcd-"));
  const members = await Promise.all(
    [1, 2, 3].map(async (number) => ({
      name: `e${number}`,
      url: `http://127.0.0.1:${await freePort()}`,
      peer: `http://127.0.0.1:${await freePort()}`,
    })),
  );
  const all = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const start = ({ name, url, peer }: (typeof members)[number], state: string) =>
    spawn(
      "etcd",
      [
        ["--name", name, "--data-dir", join(folder, name)],
        ["--listen-client-urls", url, "--advertise-client-urls", url],
        ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ["--initial-cluster", all, "--initial-cluster-state", state],
        ["--heartbeat-interval", "50", "--election-timeout", "250"],
      ].flat(),
      { stdio: "ignore" },
    );
  const running = members.map((member) => start(member, "new"));
  const http = makeHubClient(undefined);
  const write = async (count: number): Promise<boolean> => {
    const url = members[count % 3]?.url ?? "";
    const key = Buffer.from(`f${count % 16}`).toString("base64");
    const value = Buffer.from(String(count)).toString("base64");
    const asked = await http.ask(url, "POST", "/v3/kv/put", { key, value });
    return asked.kind === "answered" && asked.answer.status === 200;
  };
  const leaderOf = async (): Promise<number | undefined> => {
    const states = await Promise.all(
      members.map(({ url }) => http.ask(url, "POST", "/v3/maintenance/status", {})),
    );
    const place = states.findIndex((asked) => {
      if (asked.kind === "lost") return false;
      const { leader, header } = asked.answer.body as {
        leader?: string;
        header?: { member_id: string };
      };
      return leader !== undefined && leader === header?.member_id;
    });
    return place === -1 ? undefined : place;
  };
  const results: Trial[] = [];
  try {
    for (let trial = 0; trial < trials; trial += 1) {
      await until("etcd to take writes everywhere", async () => {
        const outcomes = await Promise.all([0, 1, 2].map(write));
        return outcomes.every(Boolean);
      });
      const leader = await until("etcd to have a leader", async () => {
        const place = await leaderOf();
        return place === undefined ? undefined : { place };
      });
      const gapMs = await underWrites(write, async () => {
        running[leader.place]?.kill("SIGKILL");
      });
      results.push({ gapMs: rounded(gapMs) });
      const member = members[leader.place];
      if (member !== undefined) running[leader.place] = start(member, "existing");
    }
  } finally {
    http[Symbol.dispose]();
    for (const child of running) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  return results;
}

const [trials = 20] = process.argv.slice(2, 3).map(Number);
const modes = process.argv.length > 3 ? process.argv.slice(3) : ["kill", "cut", "stop"];
for (const mode of modes) {
  const missing = mode === "cut" ? missingForHosts() : undefined;
  if (missing !== undefined) {
    console.log(JSON.stringify({ mode, skipped: missing }));
    continue;
  }
  const results = mode === "etcd" ? await etcdTrials(trials) : await hubTrials(mode, trials);
  const gaps = results.map(({ gapMs }) => gapMs);
  const load = loadavg().map(rounded);
  const [medianMs, worstMs] = [medianOf(gaps), Math.max(...gaps)];
  console.log(
    JSON.stringify({
      mode,
      trials,
      medianMs,
      worstMs,
      gapsMs: gaps.toSorted((a, b) => a - b),
      load,
      results,
    }),
  );
}
