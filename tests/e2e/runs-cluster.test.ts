// Runs on three real hubs: the leader goes in the middle, and the next one does what is owed.

import { describe, expect, it } from "vitest";
import { until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";
import { startOutside } from "./outside.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const PATIENCE_MS = 90_000;
const COUNT = 12;

const alive = (cluster: TestCluster): ClusterHub => {
  const hub = cluster.hubs.find(({ isRunning }) => isRunning);
  if (hub === undefined) throw new Error("no hub runs");
  return hub;
};

/** By any hub that answers, under one key however often it is asked. */
const ask = (cluster: TestCluster, method: string, path: string, body?: unknown): Promise<Json> => {
  const headers = method === "GET" ? {} : { "idempotency-key": crypto.randomUUID() };
  return until(
    `${method} ${path}`,
    async () => {
      const reply = await alive(cluster)
        .api(method, path, body, headers)
        .catch(() => undefined);
      // Hubs that were founded a moment ago have not all said yet which commands they know.
      const isEarly = reply?.body.code === "capability_missing";
      return reply !== undefined && reply.status < 500 && !isEarly && reply.body;
    },
    PATIENCE_MS,
  );
};

describe("runs on three hubs", () => {
  it("[C36] [M77] end with the same results when the leader is killed in the middle, each effect under one key", async () => {
    await using outside = await startOutside();
    await using cluster = await startCluster(3, {
      env: { GANTRY_EGRESS_ALLOW: `127.0.0.1:${outside.port}` },
    });
    const leader = await cluster.leader();
    const post = (name: string): object => ({
      type: "http",
      method: "POST",
      url: `${outside.url}/${name}/\${inputs.n}`,
    });
    const graph = {
      nodes: {
        first: post("first"),
        slow: post("slow"),
        wait: { type: "timer", delayMs: 1_500 },
        ask: { type: "approval", question: "Go on with ${inputs.n}?" },
        last: post("last"),
      },
      edges: [
        { from: "first", to: "slow" },
        { from: "first", to: "wait" },
        { from: "first", to: "ask" },
        { from: "slow", to: "last" },
        { from: "wait", to: "last" },
        { from: "ask", to: "last" },
      ],
      output: "${nodes.last.output.body.path}",
    };
    await ask(cluster, "POST", "/api/workflows", { name: "flow", graph });
    const held = outside.hold("/slow");
    const ids: string[] = [];
    for (let n = 0; n < COUNT; n += 1) {
      const { run } = await ask(cluster, "POST", "/api/runs", { workflow: "flow", inputs: { n } });
      ids.push(run.id);
    }
    await until("calls to be under way", () => held.arrived() >= COUNT / 2);
    await leader.kill("SIGKILL");
    held.go();
    const open = await until("all questions at the next leader", async () => {
      const { approvals } = await ask(cluster, "GET", "/api/approvals?limit=100");
      return approvals?.length === COUNT && approvals;
    });
    for (const { id } of open) {
      await ask(cluster, "POST", `/api/approvals/${id}/approve`, { reason: "seen" });
    }
    for (const [n, id] of ids.entries()) {
      const run = await until(
        `the end of ${id}`,
        async () => {
          const body = await ask(cluster, "GET", `/api/runs/${id}`);
          return ["done", "failed", "cancelled"].includes(body.state) && body;
        },
        PATIENCE_MS,
      );
      expect(run).toMatchObject({ state: "done", result: `/last/${n}` });
    }
    const byPath = Map.groupBy(outside.asked, ({ path }) => path);
    expect(byPath.size).toBe(3 * COUNT);
    for (const [path, all] of byPath) {
      expect([path, new Set(all.map(({ key }) => key)).size]).toEqual([path, 1]);
    }
    await leader.start();
    await cluster.leader();
    const exam = await until("all ledgers to be the same", async () => {
      const { body } = await alive(cluster).api("GET", "/api/cluster/exam");
      return body.hubs?.length === 3 && body.index !== null && body;
    });
    expect([exam.isSame, exam.faults]).toEqual([true, []]);
  }, 180_000);
});
