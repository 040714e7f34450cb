// Runs of every kind of node, and a hub that is killed again and again while they run: they end as if
// nothing had happened, and the world outside sees each doing under one key.

import { spawn } from "node:child_process";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Appliance, ROOT, startAppliance, until } from "../support/appliance.ts";
import { startOutside } from "./outside.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const RUNS = 20;
const KILLS = 3;
const PATIENCE_MS = 120_000;
const fn = (value: unknown): object => ({ type: "function", function: "value", with: { value } });
const greet = {
  program: "/bin/echo",
  args: ["hello", { arg: "name" }],
  argSchema: { type: "object", properties: { name: { type: "string" } } },
  effect: "idempotent",
  hazard: "none",
};

function flowOf(outside: string): object {
  const post = (path: string): object => ({
    type: "http",
    method: "POST",
    url: `${outside}/${path}`,
  });
  return {
    nodes: {
      begin: fn("${inputs.n}"),
      each: {
        type: "map",
        over: "[1, 2, 3]",
        body: {
          nodes: { call: post("each/${inputs.n}/${item}") },
          output: "${item * nodes.call.output.status}",
        },
      },
      again: {
        type: "loop",
        start: 0,
        while: "round < 2",
        body: {
          nodes: { call: post("again/${inputs.n}/${round}"), next: fn("${state + 1}") },
          edges: [{ from: "call", to: "next" }],
          output: "${nodes.next.output}",
        },
      },
      wait: { type: "timer", delayMs: 200 },
      ask: { type: "approval", question: "Go on with ${inputs.n}?" },
      say: { type: "task", capability: "command:greet", with: { name: "run ${inputs.n}" } },
      choose: {
        type: "branch",
        cases: [{ when: "nodes.begin.output % 2 == 0", take: "even" }],
        otherwise: "odd",
      },
      even: post("even/${inputs.n}"),
      odd: post("odd/${inputs.n}"),
      keep: { type: "artifact", name: "sum.json", value: { each: "${nodes.each.output}" } },
    },
    edges: [
      { from: "begin", to: "each" },
      { from: "begin", to: "again" },
      { from: "begin", to: "wait" },
      { from: "wait", to: "ask" },
      { from: "each", to: "say" },
      { from: "ask", to: "choose" },
      { from: "choose", to: "even", on: "even" },
      { from: "choose", to: "odd", on: "odd" },
      { from: "each", to: "keep" },
    ],
    output: { each: "${nodes.each.output}", again: "${nodes.again.output}" },
  };
}

/** Says yes to whatever is asked, until the signal aborts. */
async function approveAll(a: Appliance, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const reply = await a.api("GET", "/api/approvals?limit=100").catch(() => undefined);
    for (const { id } of (reply?.body.approvals ?? []) as { id: string }[]) {
      await a
        .api("POST", `/api/approvals/${id}/approve`, { reason: "seen" })
        .catch(() => undefined);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("a hub that is killed again and again", () => {
  it("ends runs of every kind of node as if nothing had happened", async () => {
    await using outside = await startOutside();
    await using folder = await mkdtempDisposable(join(tmpdir(), "gantry-commands-"));
    const list = join(folder.path, "commands.json");
    await writeFile(list, JSON.stringify({ greet }));
    await using hub = await startAppliance({
      parts: ["hub", "agent"],
      env: { GANTRY_EGRESS_ALLOW: `127.0.0.1:${outside.port}`, GANTRY_COMMANDS: list },
    });
    const kept = await hub.api("POST", "/api/workflows", {
      name: "mixed",
      graph: flowOf(outside.url),
    });
    expect([kept.status, kept.body.details]).toEqual([201, undefined]);
    await until("the agent to be there", async () => {
      const { body } = await hub.api("GET", "/api/registry");
      return body.nodes.some((node: Json) => node.state === "alive");
    });
    const stop = new AbortController();
    const approving = approveAll(hub, stop.signal);
    const ids: string[] = [];
    for (let n = 0; n < RUNS; n += 1) {
      const { body } = await hub.api("POST", "/api/runs", { workflow: "mixed", inputs: { n } });
      ids.push(body.run.id);
    }
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const from = outside.asked.length;
      const isOver = async (): Promise<boolean> =>
        (await hub.api("GET", "/api/runs?state=running")).body.runs.length === 0;
      await until(
        "some calls more",
        async () => outside.asked.length >= from + 15 || (await isOver()),
      );
      await hub.kill("hub", "SIGKILL");
      await hub.start("hub");
    }
    for (const [n, id] of ids.entries()) {
      const run = await until(
        `the end of ${id}`,
        async () => {
          const { body } = await hub.api("GET", `/api/runs/${id}`);
          return ["done", "failed", "cancelled"].includes(body.state) && body;
        },
        PATIENCE_MS,
      );
      expect([n, run.state, run.error, run.result]).toEqual([
        n,
        "done",
        undefined,
        { each: [200, 400, 600], again: 2 },
      ]);
      const states = Object.fromEntries(run.nodes.map((node: Json) => [node.place, node.state]));
      const [taken, left] = n % 2 === 0 ? ["even", "odd"] : ["odd", "even"];
      expect(states).toMatchObject({
        say: "done",
        keep: "done",
        [taken]: "done",
        [left]: "skipped",
      });
    }
    stop.abort();
    await approving;
    const byPath = Map.groupBy(outside.asked, ({ path }) => path);
    expect(byPath.size).toBe(6 * RUNS);
    for (const [path, all] of byPath) {
      expect([path, new Set(all.map(({ key }) => key)).size]).toEqual([path, 1]);
    }
    const jobs = await hub.api("GET", "/api/jobs?limit=500");
    expect(jobs.body.jobs.filter((job: Json) => job.needs === "command:greet")).toHaveLength(RUNS);
    expect((await hub.api("GET", "/api/approvals")).body.approvals).toEqual([]);
    const followed = await gantry(hub, ["run", "start", "mixed", "--inputs", '{"n": 4}']);
    expect(followed).toMatch(/^run_\w+ is running\n$/);
  }, 240_000);
});

function gantry(a: Appliance, args: readonly string[]): Promise<string> {
  const child = spawn(
    join(ROOT, "node_modules", ".bin", "node"),
    [join(ROOT, "node-agent", "bin", "gantry.js"), "--hub", a.url, "--token", a.token, ...args],
    { cwd: a.dataDir },
  );
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  return new Promise((resolve) => child.once("exit", () => resolve(out)));
}
