// Patches of a run and of a workflow on three real hubs, while the one that leads is killed: what was
// acknowledged is there, in the order in which it was.

import { describe, expect, it } from "vitest";
import { until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any
const PATIENCE_MS = 90_000;
const COUNT = 40;
const KILLED_AT = 15;

const fn = (value: unknown): object => ({ type: "function", function: "value", with: { value } });
const patchOf = (n: number): object => ({
  operations: [{ op: "addNode", id: `n${n}`, node: fn(n) }],
  reason: `number ${n}`,
});

/** By any hub that answers, under one key however often it is asked. */
const ask = (cluster: TestCluster, method: string, path: string, body?: unknown): Promise<Json> => {
  const headers = method === "GET" ? {} : { "idempotency-key": crypto.randomUUID() };
  const alive = (): ClusterHub | undefined => cluster.hubs.find(({ isRunning }) => isRunning);
  return until(
    `${method} ${path}`,
    async () => {
      const reply = await alive()
        ?.api(method, path, body, headers)
        .catch(() => undefined);
      const isEarly = reply?.body.code === "capability_missing"; // not all hubs have said what they know
      return reply !== undefined && reply.status < 500 && !isEarly && reply.body;
    },
    PATIENCE_MS,
  );
};

describe("patches on three hubs", () => {
  it("[A97] that were acknowledged outlive the leader, each once and in order, of runs and of workflows", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    const graph = { nodes: { wait: { type: "timer", delayMs: 3_600_000 } } };
    await ask(cluster, "POST", "/api/workflows", { name: "flow", graph });
    const { run } = await ask(cluster, "POST", "/api/runs", { workflow: "flow" });
    const [taken, revisions]: [number[], number[]] = [[], []];
    for (let n = 1; n <= COUNT; n += 1) {
      if (n === KILLED_AT) await leader.kill("SIGKILL");
      const [ofWorkflow, ofRun] = [
        await ask(cluster, "POST", "/api/workflows/flow/patches", patchOf(n)),
        await ask(cluster, "POST", `/api/runs/${run.id}/patch`, patchOf(n)),
      ];
      taken.push(ofWorkflow.patch);
      revisions.push(ofRun.revision);
    }
    const order = Array.from({ length: COUNT }, (_, at) => at + 1);
    expect([taken, revisions]).toEqual([order, order]);
    await until(
      "the versions",
      async () => (await ask(cluster, "GET", "/api/library")).waiting === 0,
      PATIENCE_MS,
    );
    const { patches } = await ask(cluster, "GET", "/api/workflows/flow/patches?limit=500");
    expect(patches.map(({ number }: Json) => number)).toEqual(order.toReversed());
    expect(patches.every(({ state }: Json) => state === "made")).toBe(true);
    const names = ["wait", ...order.map((n) => `n${n}`)];
    const flow = await ask(cluster, "GET", "/api/workflows/flow");
    expect(Object.keys(flow.graph.nodes)).toEqual(names);
    const view = await ask(cluster, "GET", `/api/runs/${run.id}`);
    expect(view.nodes.map(({ place }: Json) => place).toSorted()).toEqual(names.toSorted());
    await leader.start();
    await until(
      "the killed one to say the same",
      async () => {
        const { body } = await leader.api("GET", "/api/workflows/flow");
        return body.sha256 === flow.sha256;
      },
      PATIENCE_MS,
    );
  }, 240_000);
});
