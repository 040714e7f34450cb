// Named queues with real hubs and real workers: over HTTP, over the registry's connection, and through
// kill -9 of either.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EndedWork } from "@gantry/shared/contract/registry-ops.ts";
import { WorkFailed } from "../../node-agent/adapters/registry-queues.ts";
import { ROOT, until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";
import { type Enrolled, enrolNode, openClient } from "../support/enrol.ts";
import { startSlowCommand } from "../support/slow-command.ts";

const PATIENCE_MS = 90_000;

describe("queues of one hub", { timeout: PATIENCE_MS }, () => {
  let cluster: TestCluster;
  let hub: ClusterHub;
  let enrolled: Enrolled;
  beforeAll(async () => {
    cluster = await startCluster(1);
    hub = await cluster.leader();
    enrolled = await enrolNode(hub, "worker");
  }, PATIENCE_MS);
  afterAll(() => cluster[Symbol.asyncDispose]());

  const open = (): ReturnType<typeof openClient> => openClient(enrolled, { token: cluster.token });
  const sendLines = (body: string): Promise<Response> =>
    fetch(`${hub.url}/api/jobs:batch?queue=lines`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${cluster.token}`,
        "content-type": "application/x-ndjson",
      },
      body,
    });
  const queue = async (name: string): Promise<Record<string, number>> =>
    (await hub.api("GET", `/api/queues/${name}`)).body;

  it("[K75][K76] take a batch over HTTP in one entry, and hand each job to a worker once", async () => {
    const jobs = Array.from({ length: 200 }, (_, place) => ({ data: { place } }));
    const key = { "idempotency-key": "batch-1" };
    const sent = { queue: "batch", jobs };
    const reply = await hub.api("POST", "/api/jobs:batch", sent, key);
    expect(reply.status).toBe(202);
    expect(new Set(reply.body.jobs).size).toBe(200);
    const again = await hub.api("POST", "/api/jobs:batch", sent, key);
    expect(again.body).toEqual(reply.body);
    expect(await queue("batch")).toMatchObject({ ready: 200, leased: 0 });
    await using client = open();
    const stop = new AbortController();
    const seen: number[] = [];
    const working = client.queues.work("batch", { credit: 32, signal: stop.signal }, ({ data }) => {
      seen.push((data as { place: number }).place);
    });
    await until("all to be done", async () => seen.length === 200);
    await until("all to be recorded", async () => {
      const { ready, leased } = await queue("batch");
      return ready === 0 && leased === 0;
    });
    stop.abort();
    await working;
    expect(new Set(seen).size).toBe(200);
    expect((await hub.api("GET", `/api/jobs/${reply.body.jobs[7]}`)).body).toMatchObject({
      state: "done",
      attempts: 1,
      queue: "batch",
    });
  });

  it("take NDJSON, and refuse a batch as a whole with the line that is wrong", async () => {
    expect((await sendLines('{"data": 1}\n{"data": 2, "priority": 3}\n')).status).toBe(202);
    expect(await queue("lines")).toMatchObject({ ready: 2 });
    expect((await sendLines('{"data": 1}\n{oops\n')).status).toBe(400);
    expect((await sendLines('{"data": 1}\n{"datum": 1}\n')).status).toBe(400);
    expect(await queue("lines")).toMatchObject({ ready: 2 });
  });

  it("[S48] say 429 with Retry-After over a bound", async () => {
    await hub.api("PUT", "/api/queues/small", { bounds: { normal: 1 } });
    expect((await hub.api("POST", "/api/jobs", work("small"))).status).toBe(202);
    const refused = await hub.api("POST", "/api/jobs", work("small"));
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  it("[K77] keep dead work by queue: preview, try again, drop", async () => {
    await hub.api("PUT", "/api/queues/poison", {
      attemptsMax: 2,
      backoff: { firstMs: 1, factor: 1, maxMs: 1, jitter: 0 },
    });
    await using client = open();
    const stop = new AbortController();
    let isMended = false;
    const tries: number[] = [];
    const ends: EndedWork[] = [];
    await client.queues.ended("poison", (some) => ends.push(...some), stop.signal);
    const working = client.queues.work("poison", { credit: 4, signal: stop.signal }, (job) => {
      tries.push(job.attempt);
      if (!isMended) throw new WorkFailed("no stamps");
    });
    const id = await client.queues.add("poison", { data: "letter" });
    await until("it to be dead", async () => (await queue("poison"))["dead"] === 1);
    expect(tries).toEqual([1, 2]);
    const filter = { queue: "poison", code: "command_failed" };
    const seen = await hub.api("POST", "/api/jobs/dead", {
      ...filter,
      wish: "requeue",
      preview: true,
    });
    expect(seen.body).toEqual({ count: 1, jobs: [id] });
    isMended = true;
    await hub.api("POST", "/api/jobs/dead", { ...filter, wish: "requeue" });
    await until("it to be done", async () => ends.some(({ state }) => state === "done"));
    expect((await queue("poison"))["dead"]).toBe(0);
    stop.abort();
    await working;
  });

  it("stop a job that runs as soon as it is cancelled", async () => {
    await using client = open();
    const stop = new AbortController();
    const begun = Promise.withResolvers<string>();
    const stopped = Promise.withResolvers<unknown>();
    const working = client.queues.work("long", { credit: 1, signal: stop.signal }, async (job) => {
      job.progress({ percent: 40 });
      begun.resolve(job.job);
      await new Promise((resolve) => job.signal.addEventListener("abort", resolve));
      stopped.resolve(job.signal.reason);
    });
    await client.queues.add("long", { data: 1, timeoutMs: 600_000 });
    const id = await begun.promise;
    await until("its progress", async () => {
      const { body } = await hub.api("GET", `/api/jobs/${id}`);
      return body.state === "leased" && body.progress?.percent === 40;
    });
    await hub.api("POST", `/api/jobs/${id}/cancel`);
    expect(await stopped.promise).toMatchObject({ code: "cancelled" });
    expect((await hub.api("GET", `/api/jobs/${id}`)).body.state).toBe("cancelled");
    stop.abort();
    await working;
  });

  it("[K56] run one job of a mutex at a time, in 64 lanes with two at once each", async () => {
    await hub.api("PUT", "/api/queues/lanes", { perKey: { concurrency: 2 }, keepDone: false });
    await using client = open();
    const stop = new AbortController();
    const running = new Map<string, number>();
    const most = new Map<string, number>();
    let done = 0;
    const count = (name: string, by: number): void => {
      const now = (running.get(name) ?? 0) + by;
      running.set(name, now);
      most.set(name, Math.max(most.get(name) ?? 0, now));
    };
    const working = client.queues.work(
      "lanes",
      { credit: 256, signal: stop.signal },
      async ({ data }) => {
        const { lane, mutex } = data as { lane: string; mutex?: string };
        const names = mutex === undefined ? [lane] : [lane, mutex];
        for (const name of names) count(name, 1);
        await new Promise((resolve) => setImmediate(resolve));
        for (const name of names) count(name, -1);
        done += 1;
      },
    );
    const jobs = Array.from({ length: 640 }, (_, place) => {
      const lane = `lane-${place % 64}`;
      const mutex = place % 10 === 0 ? { mutex: "printer" } : {};
      return { data: { lane, ...mutex }, key: lane, ...mutex };
    });
    await client.queues.enqueue("lanes", jobs);
    await until("all lanes to be empty", async () => done === 640, PATIENCE_MS);
    expect(most.get("printer")).toBe(1);
    expect(Math.max(...most.values())).toBe(2);
    stop.abort();
    await working;
  });

  it("start nothing while they are paused, and let a parent wait for its children", async () => {
    await hub.api("POST", "/api/queues/family/pause", {});
    await using client = open();
    const stop = new AbortController();
    const order: unknown[] = [];
    const working = client.queues.work("family", { credit: 9, signal: stop.signal }, (job) => {
      order.push(job.children === undefined ? job.data : job.children.total);
    });
    await client.queues.enqueue("family", [
      { job: "job_parent", data: "parent", waits: "go" },
      { data: "child", parent: "job_parent" },
      { data: "child", parent: "job_parent" },
    ]);
    expect(await queue("family")).toMatchObject({ ready: 2, waiting: 1, isPaused: true });
    expect(order).toEqual([]);
    await hub.api("POST", "/api/queues/family/resume", {});
    await until("the parent", async () => order.length === 3);
    expect(order).toEqual(["child", "child", 2]);
    stop.abort();
    await working;
    expect(String((await hub.api("GET", "/metrics")).body)).toMatch(
      /gantry_queue_jobs\{queue="family",state="ready"\} 0/u,
    );
  });
});

const work = (name: string): object => ({ kind: "work", queue: name, data: 1 });

// ── kill -9 ─────────────────────────────────────────────────────────────────────────────────────

describe("kill -9", { timeout: 2 * PATIENCE_MS }, () => {
  it.each(["hub", "worker"] as const)(
    "[K76] of the %s: each job's effect is there, once for its key, and no job is left",
    async (victim) => {
      const folder = await mkdtemp(join(tmpdir(), "gantry-world-"));
      await using stack = new AsyncDisposableStack();
      stack.defer(() => rm(folder, { recursive: true, force: true }));
      const cluster = stack.use(await startCluster(1));
      const hub = await cluster.leader();
      const enrolled = await enrolNode(hub, "worker");
      const asked = { enrolled, token: cluster.token, queue: "orders", folder, credit: 16 };
      const startWorker = (): ChildProcess =>
        spawn(
          join(ROOT, "node_modules", ".bin", "node"),
          [join(ROOT, "tests/support/queue-worker.ts"), JSON.stringify({ ...asked, workMs: 20 })],
          { stdio: "ignore" },
        );
      let worker = startWorker();
      stack.defer(() => void worker.kill("SIGKILL"));
      const client = stack.use(openClient(enrolled, { token: cluster.token, timeoutMs: 60_000 }));
      const done = async (): Promise<number> => (await readdir(folder)).length - 1;

      const ids: string[] = [];
      const adding = (async () => {
        for (let place = 0; place < 300; place += 1) {
          ids.push(
            await client.queues.add("orders", { data: { place }, idempotencyKey: `k${place}` }),
          );
        }
      })();
      for (const mark of [40, 140]) {
        await until(`${mark} orders`, async () => (await done()) >= mark, PATIENCE_MS);
        if (victim === "hub") {
          await hub.kill("SIGKILL");
          await hub.start();
        } else {
          const ended = new Promise((resolve) => worker.once("exit", resolve));
          worker.kill("SIGKILL");
          await ended;
          worker = startWorker();
        }
      }
      await adding;
      await until("all orders", async () => (await done()) === 300, PATIENCE_MS);
      await until(
        "nothing to be left",
        async () => {
          const { body } = await hub.api("GET", "/api/queues/orders");
          return body.ready + body.leased + body.delayed === 0 && body.dead === 0;
        },
        PATIENCE_MS,
      );
      const files = (await readdir(folder)).filter((name) => name !== "tries");
      expect(files.toSorted()).toEqual(ids.toSorted());
      const tries = (await readFile(join(folder, "tries"), "utf8")).trim().split("\n");
      expect(new Set(tries).size).toBe(300); // some were tried twice, none of them never
    },
  );

  it("of the leader among three: what workers hold is theirs at the next one too", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    const enrolled = await enrolNode(leader, "worker");
    await using client = openClient(enrolled, { token: cluster.token, timeoutMs: 60_000 });
    await client.get("warm-up"); // knows the other hubs
    const stop = new AbortController();
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let runs = 0;
    const working = client.queues.work("held", { credit: 2, signal: stop.signal }, async () => {
      runs += 1;
      begun.resolve();
      await go.promise;
    });
    const id = await client.queues.add("held", { data: 1, timeoutMs: 600_000 });
    await begun.promise;
    await leader.kill("SIGKILL");
    const next = await cluster.leader();
    await until("it to be held again", async () => {
      const { body } = await next.api("GET", "/api/queues/held");
      return body.leased === 1;
    });
    go.resolve();
    await until("it to be done", async () => {
      const { body } = await next.api("GET", `/api/jobs/${id}`);
      return body.state === "done" && body.attempts === 1;
    });
    expect(runs).toBe(1);
    stop.abort();
    await working;
  });
});

describe("a command on a machine", { timeout: PATIENCE_MS }, () => {
  it("ends when its job is cancelled", async () => {
    const script = 'echo $$ > "$0/pid"; sleep 60; echo over > "$0/over"';
    const facts = { timeoutMs: 60_000, effect: "idempotent" } as const;
    await using slow = await startSlowCommand(script, facts);
    const { appliance: a, folder } = slow;
    const { body } = await a.api("POST", "/api/jobs", { kind: "command", command: "slow" });
    const pid = await until("it to run", async () => {
      const text = await readFile(join(folder, "pid"), "utf8").catch(() => "");
      return text.trim() === "" ? undefined : Number(text);
    });
    await a.api("POST", `/api/jobs/${body.job.id}/cancel`);
    await until("the process to end", async () => !isAlive(pid));
    expect((await a.api("GET", `/api/jobs/${body.job.id}`)).body.state).toBe("cancelled");
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
