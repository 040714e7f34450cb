// Runs of workflows through the whole appliance: HTTP, the log, the leader's hands, the node agent and
// a world outside that counts.

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Appliance, ROOT, startAppliance, until } from "../support/appliance.ts";
import { type Outside, startOutside } from "./outside.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const PATIENCE_MS = 60_000;
const fn = (value: unknown): object => ({ type: "function", function: "value", with: { value } });

const call = (url: string, facts: object = {}): object => ({ type: "http", url, ...facts });

interface Scene extends AsyncDisposable {
  readonly a: Appliance;
  readonly outside: Outside;
}

async function openScene(parts: readonly ("hub" | "agent" | "bridge")[] = ["hub"]): Promise<Scene> {
  const outside = await startOutside();
  const a = await startAppliance({
    parts,
    env: { GANTRY_EGRESS_ALLOW: `127.0.0.1:${outside.port}` },
  });
  return {
    a,
    outside,
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]();
      await outside[Symbol.asyncDispose]();
    },
  };
}

async function start(a: Appliance, graph: object, inputs: object = {}): Promise<string> {
  const { status, body } = await a.api("POST", "/api/runs", { graph, inputs });
  expect([status, body.code, body.detail]).toEqual([202, undefined, undefined]);
  return body.run.id;
}

const OVER = new Set(["done", "failed", "cancelled"]);
const over = (a: Appliance, id: string): Promise<Json> =>
  until(
    `the end of ${id}`,
    async () => {
      const { body } = await a.api("GET", `/api/runs/${id}`).catch(() => ({ body: {} as Json }));
      return OVER.has(body.state) && body;
    },
    PATIENCE_MS,
  );
const nodeOf = (run: Json, place: string): Json =>
  run.nodes.find((node: Json) => node.place === place);

describe("a run", () => {
  it("[A2] of function, branch, map and loop nodes ends, and shows its result and its timeline", async () => {
    await using scene = await openScene();
    const { a } = scene;
    const graph = {
      nodes: {
        list: fn("${inputs.list}"),
        each: {
          type: "map",
          over: "nodes.list.output",
          body: { nodes: { twice: fn("${item * 2}") }, output: "${nodes.twice.output}" },
        },
        sum: {
          type: "loop",
          start: { at: 0, sum: 0 },
          while: "state.at < size(nodes.each.output)",
          body: {
            nodes: {
              step: fn({
                at: "${state.at + 1}",
                sum: "${state.sum + nodes.each.output[state.at]}",
              }),
            },
            output: "${nodes.step.output}",
          },
        },
        choose: {
          type: "branch",
          cases: [{ when: "nodes.sum.output.sum > 10", take: "big" }],
          otherwise: "small",
        },
        big: fn("big"),
        small: fn("small"),
        keep: {
          type: "artifact",
          name: "report.json",
          value: { sum: "${nodes.sum.output.sum}" },
        },
      },
      edges: [
        { from: "list", to: "each" },
        { from: "each", to: "sum" },
        { from: "sum", to: "choose" },
        { from: "choose", to: "big", on: "big" },
        { from: "choose", to: "small", on: "small" },
        { from: "sum", to: "keep" },
      ],
      output: { sum: "${nodes.sum.output.sum}" },
    };
    const run = await over(a, await start(a, graph, { list: [1, 2, 3] }));
    expect(run).toMatchObject({ state: "done", result: { sum: 12 } });
    expect(nodeOf(run, "big").state).toBe("done");
    expect(nodeOf(run, "small").state).toBe("skipped");
    expect(nodeOf(run, "keep").state).toBe("done");
    const { body } = await a.api("GET", `/api/runs/${run.id}/timeline`);
    const whats = body.entries.flatMap((entry: Json) => entry.items.map((item: Json) => item.what));
    expect(whats).toEqual(["started", "done"]);
    const listed = await a.api("GET", "/api/runs?state=done");
    expect(listed.body.runs.map((each: Json) => each.id)).toEqual([run.id]);
  });

  it("calls listed addresses alone, with its key, and tries again where told to", async () => {
    await using scene = await openScene();
    const { a, outside } = scene;
    const graph = {
      nodes: {
        ok: call(`${outside.url}/a?n=\${inputs.n}`, { method: "POST", body: { n: "${inputs.n}" } }),
        bad: call(`${outside.url}/status/503`, {
          retry: { attempts: 3, delayMs: 1, delayMaxMs: 1 },
        }),
        meta: call("http://169.254.169.254/latest/meta-data/", {
          retry: { attempts: 3, delayMs: 1 },
        }),
        end: { type: "join" },
      },
      edges: [
        { from: "ok", to: "end" },
        { from: "bad", to: "end", on: "always" },
        { from: "meta", to: "end", on: "always" },
      ],
      output: "${nodes.ok.output}",
    };
    const run = await over(a, await start(a, graph, { n: 7 }));
    expect(run).toMatchObject({ state: "done", result: { status: 200, body: { path: "/a?n=7" } } });
    expect(nodeOf(run, "meta")).toMatchObject({ attempt: 1, fault: { code: "egress_denied" } });
    expect(nodeOf(run, "bad")).toMatchObject({ attempt: 3, fault: { code: "command_failed" } });
    const keys = new Set(outside.asked.map(({ key }) => key));
    expect(outside.asked).toHaveLength(4);
    expect(keys.size).toBe(2); // one for each doing, the same for every try of it
    expect(outside.asked.find(({ path }) => path === "/a?n=7")?.body).toBe('{"n":7}');
  });

  it("waits for the right people's word, and for time", async () => {
    await using scene = await openScene();
    const { a } = scene;
    const graph = {
      nodes: {
        ask: { type: "approval", question: "Ship ${inputs.what}?", role: "maker", approvals: 2 },
        wait: { type: "timer", delayMs: 50 },
        no: fn("no"),
      },
      edges: [
        { from: "ask", to: "wait" },
        { from: "ask", to: "no", on: "rejected" },
      ],
    };
    const person = async (name: string, role: string): Promise<Record<string, string>> => {
      const { body } = await a.api("POST", "/api/tokens", { person: name, role });
      return { authorization: `Bearer ${body.token}` };
    };
    const [ada, bob, eve] = [
      await person("ada", "maker"),
      await person("bob", "maker"),
      await person("eve", "viewer"),
    ];
    const id = await start(a, graph, { what: "it" });
    const { body } = await a.api("GET", "/api/approvals");
    expect(body.approvals).toMatchObject([{ run: id, question: "Ship it?", approvals: 2 }]);
    const path = `/api/approvals/${body.approvals[0].id}/approve`;
    const yes = (headers: Record<string, string>): Promise<Json> =>
      a.api("POST", path, { reason: "looks good" }, headers);
    expect((await yes(eve)).body.code).toBe("forbidden");
    expect((await yes(ada)).body).toMatchObject({ state: "open", votes: [{ by: "ada" }] });
    expect((await yes(ada)).body.code).toBe("conflict");
    expect((await yes(bob)).body).toMatchObject({ state: "approved" });
    const run = await over(a, id);
    expect(run.state).toBe("done");
    expect(nodeOf(run, "wait").state).toBe("done");
    expect(nodeOf(run, "no").state).toBe("skipped");
    expect((await a.api("GET", "/api/approvals")).body.approvals).toEqual([]);
  });

  it("runs allow-listed commands on the node agent, and its subworkflows", async () => {
    await using scene = await openScene();
    const { a } = scene;
    const commands = join(a.dataDir, "commands.json");
    await writeFile(commands, JSON.stringify(COMMANDS));
    await using withAgent = await startAppliance({
      parts: ["hub", "agent"],
      env: { GANTRY_COMMANDS: commands },
    });
    const task = {
      nodes: {
        say: { type: "task", capability: "command:greet", with: { name: "${inputs.who}" } },
      },
      output: "${nodes.say.output}",
    };
    const kept = await withAgent.api("POST", "/api/workflows", { name: "greeter", graph: task });
    expect(kept.status).toBe(201);
    await until("the agent to be there", async () => {
      const { body } = await withAgent.api("GET", "/api/registry");
      return body.nodes.some((node: Json) => node.state === "alive");
    });
    const graph = {
      nodes: { sub: { type: "subworkflow", workflow: "greeter", with: { who: "Ada" } } },
      output: "${nodes.sub.output}",
    };
    const run = await over(withAgent, await start(withAgent, graph));
    expect([run.state, run.error]).toEqual(["done", undefined]);
    expect(JSON.stringify(run.result)).toContain("hello Ada");
    const { body } = await withAgent.api("GET", `/api/runs?parent=${run.id}`);
    expect(body.runs).toMatchObject([{ state: "done", parent: run.id, workflow: "greeter" }]);
  });
});

const COMMANDS = {
  greet: {
    program: "/bin/echo",
    args: ["hello", { arg: "name" }],
    argSchema: { type: "object", properties: { name: { type: "string" } } },
    effect: "pure",
    hazard: "none",
  },
};

describe("many runs", () => {
  it("start from one request, a line each, and each line has its answer", async () => {
    await using scene = await openScene();
    const { a } = scene;
    const graph = { nodes: { a: fn("${inputs.n}") }, output: "${nodes.a.output}" };
    await a.api("POST", "/api/workflows", { name: "echo", graph, fidelity: "fast" });
    const lines = Array.from({ length: 2_500 }, (_, n) =>
      JSON.stringify({ workflow: n === 7 ? "none" : "echo", inputs: { n } }),
    );
    lines[9] = "{";
    const reply = await fetch(`${a.url}/api/runs:batch`, {
      method: "POST",
      headers: { authorization: `Bearer ${a.token}`, "content-type": "application/x-ndjson" },
      body: lines.join("\n"),
    });
    expect(reply.status).toBe(202);
    const answers = (await reply.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answers).toHaveLength(2_500);
    expect(answers[7].error.code).toBe("not_found");
    expect(answers[9].error.code).toBe("bad_json");
    expect(answers.filter((each) => each.run?.state === "done")).toHaveLength(2_498);
    const last = await a.api("GET", `/api/runs/${answers[2_499].run.id}`);
    expect(last.body.result).toBe(2_499);
  });

  it("[M1] are told live to any number of viewers of one stream, each at its own place", async () => {
    await using scene = await openScene();
    const { a, outside } = scene;
    const held = outside.hold("/slow");
    const graph = { nodes: { slow: { type: "http", url: `${outside.url}/slow` } } };
    const id = await start(a, graph);
    const other = await start(a, { nodes: { a: fn(1) } });
    const [one, two] = [openStream(a, id), openStream(a, id)];
    await Promise.all([one.opened, two.opened]);
    one.close(); // the other one goes on
    await until("the call to arrive", () => held.arrived() > 0);
    held.go();
    await over(a, id);
    await until("the end to be told", () => two.text().includes('"state":"done"'));
    expect(two.text()).toContain("event: run.node");
    expect(two.text()).not.toContain(other);
    two.close();
  });
});

function openStream(a: Appliance, id: string): Json {
  const stop = new AbortController();
  let text = "";
  const { promise: opened, resolve: isOpen } = Promise.withResolvers<void>();
  void (async () => {
    const reply = await fetch(`${a.url}/api/runs/${id}/events?since=0`, {
      headers: { authorization: `Bearer ${a.token}` },
      signal: stop.signal,
    });
    isOpen();
    for await (const chunk of reply.body ?? []) text += Buffer.from(chunk).toString();
  })().catch(() => {}); // closed by the test
  return { opened, text: () => text, close: () => stop.abort() };
}

/** Every doing has its own key, and one alone: whoever keeps keys does each once. */
function expectOneKeyEach({ asked }: Outside, doings: number): void {
  const byPath = Map.groupBy(asked, ({ path }) => path);
  expect(byPath.size).toBe(doings);
  for (const [path, all] of byPath) {
    expect([path, new Set(all.map(({ key }) => key)).size]).toEqual([path, 1]);
  }
  expect(new Set(asked.map(({ key }) => key)).size).toBe(doings);
}

describe("a hub that is killed", () => {
  it("[A14] goes on with its runs: the same results, and each effect outside once for its key", async () => {
    await using scene = await openScene();
    const { a, outside } = scene;
    const held = outside.hold("/slow");
    const graph = {
      nodes: {
        first: { type: "http", method: "POST", url: `${outside.url}/first/\${inputs.n}` },
        slow: { type: "http", method: "POST", url: `${outside.url}/slow/\${inputs.n}` },
        wait: { type: "timer", delayMs: 300 },
        last: { type: "http", method: "POST", url: `${outside.url}/last/\${inputs.n}` },
      },
      edges: [
        { from: "first", to: "slow" },
        { from: "first", to: "wait" },
        { from: "slow", to: "last" },
        { from: "wait", to: "last" },
      ],
      output: { first: "${nodes.first.output.status}", last: "${nodes.last.output.body.path}" },
    };
    const ids: string[] = [];
    for (let n = 0; n < 20; n += 1) ids.push(await start(a, graph, { n }));
    await until("calls to be under way", () => held.arrived() > 5);
    await a.kill("hub", "SIGKILL"); // the timer lost with the process, and calls in the middle
    await a.start("hub");
    held.go();
    for (const [n, id] of ids.entries()) {
      const run = await over(a, id);
      expect(run).toMatchObject({ state: "done", result: { first: 200, last: `/last/${n}` } });
    }
    expectOneKeyEach(outside, 60);
  }, 120_000);

  it("does not begin a `once` node again: a person says what became of it", async () => {
    await using scene = await openScene();
    const { a, outside } = scene;
    const held = outside.hold("/door");
    const graph = {
      nodes: { door: { type: "http", method: "POST", url: `${outside.url}/door`, effect: "once" } },
    };
    const id = await start(a, graph);
    await until("the door to be asked", () => held.arrived() > 0);
    await a.kill("hub", "SIGKILL");
    await a.start("hub");
    const seen = await until("the node to be unknown", async () => {
      const { body } = await a.api("GET", `/api/runs/${id}`);
      return nodeOf(body, "door")?.state === "unknown" && body;
    });
    expect(seen.state).toBe("running");
    expect(outside.asked).toHaveLength(1);
    const told = { place: "door", outcome: "done", output: { open: true }, reason: "I saw it" };
    expect((await a.api("POST", `/api/runs/${id}/resolve`, told)).status).toBe(200);
    expect((await over(a, id)).state).toBe("done");
    expect(outside.asked).toHaveLength(1);
    held.go();
  }, 120_000);
});

describe("a replay", () => {
  it("[A4] gives the same result, and nothing reaches the world", async () => {
    await using scene = await openScene();
    const { a, outside } = scene;
    const graph = {
      nodes: {
        each: {
          type: "map",
          over: "inputs.list",
          body: {
            nodes: { call: { type: "http", url: `${outside.url}/n/\${item}` } },
            output: "${nodes.call.output.body.n}",
          },
        },
        wait: { type: "timer", delayMs: 60_000 },
        ask: { type: "approval", question: "?" },
      },
      edges: [{ from: "each", to: "ask" }],
      output: "${nodes.each.output}",
    };
    const { wait: _, ...nodes } = graph.nodes;
    const id = await start(a, { ...graph, nodes }, { list: [1, 2, 3] });
    const ticket = await until("the question", async () => {
      const { body } = await a.api("GET", "/api/approvals");
      return body.approvals[0]?.id;
    });
    await a.api("POST", `/api/approvals/${ticket}/approve`, { reason: "" });
    const run = await over(a, id);
    expect(run.state).toBe("done");
    const asked = outside.asked.length;
    const { status, body } = await a.api("POST", `/api/runs/${id}/replay`, { mode: "freeze" });
    expect(status).toBe(202);
    const again = await over(a, body.run.id);
    expect(again).toMatchObject({ state: "done", result: run.result, replayOf: id });
    expect(outside.asked).toHaveLength(asked);
    expect((await a.api("GET", "/api/approvals")).body.approvals).toEqual([]);
  });
});

describe("a large output", () => {
  it("is a blob that the run names, and is given whole", async () => {
    await using scene = await openScene();
    const { a } = scene;
    const nodes = {
      call: { type: "http", url: `${scene.outside.url}/big`, method: "POST", body: "x" },
    };
    const id = await start(a, { nodes });
    const run = await over(a, id);
    expect(nodeOf(run, "call").output.$blob).toMatch(/^[0-9a-f]{64}$/);
    const { status, body } = await a.api("GET", `/api/runs/${id}/output?place=call`);
    expect([status, body.output.body.big.length]).toEqual([200, 50_000]);
    expect((await a.api("GET", `/api/runs/${id}/output?place=none`)).status).toBe(404);
  });
});

describe("what is wrong with a workflow", () => {
  it("is said with code, pointer and hint, at the door and at the command line", async () => {
    await using scene = await openScene();
    const { a } = scene;
    const graph = {
      nodes: { a: fn(1), b: { type: "htpp", url: "x" } },
      edges: [{ from: "a", to: "c" }],
    };
    const { status, body } = await a.api("POST", "/api/workflows", { name: "bad", graph });
    expect([status, body.code]).toEqual([422, "workflow_invalid"]);
    expect(body.details.faults[0]).toMatchObject({ pointer: expect.stringMatching(/^\/nodes\/b/) });
    expect((await a.api("GET", "/api/workflows/bad")).status).toBe(404);
    const path = join(a.dataDir, "bad.json");
    await writeFile(path, JSON.stringify({ ...graph, nodes: { a: fn(1) } }));
    const { code, err } = await gantry(a, ["workflow", "validate", path]);
    expect(code).toBe(65);
    expect(err).toMatch(/\/edges\/0/);
    const flow = { nodes: { a: fn("${inputs.n + 1}"), w: { type: "timer", delayMs: 100 } } };
    await writeFile(path, JSON.stringify({ ...flow, output: "${nodes.a.output}" }));
    const ended = await gantry(a, ["run", "start", path, "--inputs", '{"n": 6}', "-f"]);
    expect([ended.code, ended.err]).toEqual([0, ""]);
    expect(ended.out).toMatch(/^run_\w+\n.*started\n.*timerFired.*\n.*done\n[^]*\n\n7\n$/);
  });
});

function gantry(
  a: Appliance,
  args: readonly string[],
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(
    join(ROOT, "node_modules", ".bin", "node"),
    [join(ROOT, "node-agent", "bin", "gantry.js"), "--hub", a.url, "--token", a.token, ...args],
    { cwd: a.dataDir },
  );
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise((resolve) => child.once("exit", (code) => resolve({ code, out, err })));
}
