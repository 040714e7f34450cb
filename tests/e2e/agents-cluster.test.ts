// Tools on three real hubs: the leader goes in the middle of one, and the next leader sends nothing twice.

import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT, until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const PATIENCE_MS = 90_000;

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
      const isEarly = reply?.body.code === "capability_missing";
      return reply !== undefined && reply.status < 500 && !isEarly && reply.body;
    },
    PATIENCE_MS,
  );
};

it(
  "a tool of another server is sent once though the leader is killed in the middle of it, and the next leader offers it again",
  async () => {
    const dir = await mkdtemp(join(tmpdir(), "gantry-odd-"));
    const file = join(dir, "lines");
    const lines = (): string[] =>
      existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
    const servers = {
      odd: {
        command: join(ROOT, "node_modules/.bin/node"),
        args: [
          "--disable-warning=ExperimentalWarning",
          join(ROOT, "hub/mcp/testing/odd-server.ts"),
        ],
        env: { ODD_FILE: file },
      },
    };
    await using cluster = await startCluster(3, {
      env: { GANTRY_MCP_SERVERS: JSON.stringify(servers) },
    });
    const leader = await cluster.leader();
    const slow = (): Promise<Json> =>
      until(
        "the tool",
        async () => {
          const {
            servers: [odd],
          } = await ask(cluster, "GET", "/api/mcp/servers");
          return odd?.tools.find(({ name }: { name: string }) => name === "slow");
        },
        PATIENCE_MS,
      );
    const { sha256 } = await slow();
    await ask(cluster, "POST", "/api/mcp/servers/odd/approve", {
      tool: "slow",
      sha256,
      hazardClass: "low",
    });
    const order = { arguments: { text: "once" }, waitS: 0 };
    const { turn } = await ask(cluster, "POST", "/api/tools/odd.slow", order);
    await until("the line", () => lines().length > 0, PATIENCE_MS);
    await leader.kill("SIGKILL");
    const ended = await until(
      "the turn's end",
      async () => {
        const now = await ask(cluster, "GET", `/api/agents/${turn}`);
        return now.state === "failed" ? now : undefined;
      },
      PATIENCE_MS,
    );
    expect(ended.steps[0]).toMatchObject({ state: "unknown", error: { code: "outcome_unknown" } });
    expect((await slow()).state).toBe("approved");
    const next = await ask(cluster, "POST", "/api/tools/odd.slow", { arguments: { text: "next" } });
    expect(next.result).toContain("next");
    expect(lines()).toEqual(["once", "next"]);
    await rm(dir, { recursive: true, force: true });
  },
  3 * PATIENCE_MS,
);
