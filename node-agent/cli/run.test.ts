import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sendJson, sendProblem } from "@gantry/shared/client/testing/fake-hub.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const AT = "2026-11-21T04:05:22.000Z";
const SHA = "ab".repeat(32);
const GRAPH = { nodes: { a: { type: "function", function: "value" } } };
const RUN = {
  id: "run_1",
  workflow: "nightly",
  version: SHA,
  state: "running",
  revision: 0,
  by: "ada",
  createdAt: AT,
  changedAt: AT,
  fidelity: "full",
  inputs: {},
  nodes: [
    { place: "a", type: "approval", state: "waiting", attempt: 0 },
    {
      place: "b",
      type: "http",
      state: "failed",
      attempt: 3,
      fault: { code: "timeout", message: "late" },
    },
  ],
  edges: [{ from: "a", to: "b" }],
  approvals: { a: "apr_1" },
  children: {},
};
const DONE = { ...RUN, state: "done", endedAt: AT, result: { sum: 3 } };
const ACCEPTED = { run: { id: "run_1", state: "running" } };
const WORKFLOW = {
  name: "nightly",
  fidelity: "full",
  versions: [{ sha256: SHA, at: AT, by: "ada" }],
  tags: { main: { sha256: SHA, at: AT, by: "ada" } },
  createdAt: AT,
  changedAt: AT,
  sha256: SHA,
  graph: GRAPH,
};
const TICKET = {
  id: "apr_1",
  run: "run_1",
  place: "a",
  state: "open",
  question: "Ship it?",
  roles: ["maker"],
  people: [],
  approvals: 2,
  votes: [{ by: "ada", approve: true, reason: "fine", at: AT }],
  escalated: false,
  dueAt: AT,
  createdAt: AT,
};
const entry = (what: string, place?: string): object => ({
  position: 1,
  at: AT,
  by: "hub",
  items: [{ what, ...(place === undefined ? {} : { place, attempt: 1 }) }],
});
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(rig.dir, name), text);
  return name;
};

describe("runs and workflows at the command line", () => {
  it.each([
    ["run list --state done --workflow nightly", "GET /api/runs", { runs: [DONE] }, "nightly"],
    ["run list", "GET /api/runs", { runs: [], next: "7" }, "--after 7"],
    ["run restore run_1", "POST /api/runs/run_1/restore", ACCEPTED, "run_1 is running"],
    ["run show run_1", "GET /api/runs/run_1", RUN, "gantry approve apr_1 approve|reject"],
    ["run show run_1", "GET /api/runs/run_1", DONE, '"sum": 3'],
    ["run cancel run_1 --reason late", "POST /api/runs/run_1/cancel", ACCEPTED, "run_1 is running"],
    ["run pause run_1", "POST /api/runs/run_1/pause", ACCEPTED, "run_1"],
    ["run resume run_1", "POST /api/runs/run_1/resume", ACCEPTED, "run_1"],
    ["run retry run_1 --node b", "POST /api/runs/run_1/retry", ACCEPTED, "run_1"],
    ["run resolve run_1 b again --reason x", "POST /api/runs/run_1/resolve", ACCEPTED, "run_1"],
    ["run replay run_1 --mode shadow", "POST /api/runs/run_1/replay", ACCEPTED, "run_1"],
    ["run patches run_1", "GET /api/runs/run_1/patches", { patches: [] }, "no patches"],
    [
      "run revert run_1 2 --reason x",
      "POST /api/runs/run_1/revert",
      { ...ACCEPTED, revision: 3 },
      "revision 3",
    ],
    ["run start nightly@main", "POST /api/runs", ACCEPTED, "run_1 is running"],
    ["approve", "GET /api/approvals", { approvals: [TICKET] }, "Ship it?"],
    ["approve apr_1 approve --reason ok", "POST /api/approvals/apr_1/approve", TICKET, "1 more"],
    [
      "approve apr_1 reject --reason no",
      "POST /api/approvals/apr_1/reject",
      { ...TICKET, state: "rejected" },
      "apr_1 is rejected",
    ],
    ["workflow list", "GET /api/workflows", { workflows: [WORKFLOW] }, "main"],
    ["workflow show nightly --tag main", "GET /api/workflows/nightly", WORKFLOW, '"nodes"'],
    [
      `workflow tag nightly exp/fast ${SHA}`,
      "PUT /api/workflows/nightly/tags/exp%2Ffast",
      WORKFLOW,
      "nightly@exp/fast is ab",
    ],
    [
      "workflow untag nightly main",
      "DELETE /api/workflows/nightly/tags/main",
      { ok: true },
      "no tag main",
    ],
  ])("gantry %s", async (line, route, reply, shown) => {
    rig.hub.json(route, reply);
    const argv = line.split(" ");
    const people = await rig.gantry(argv);
    expect(people).toMatchObject({ code: 0, err: "" });
    expect(people.out).toContain(shown);
    const program = await rig.gantry(["--json", ...argv]);
    expect(JSON.parse(program.out)).toMatchObject(reply);
    rig.hub.on(route, (_, answer) => sendProblem(answer, "forbidden", "Not for you"));
    expect(await rig.gantry(argv)).toMatchObject({ code: 77, out: "" });
  });

  it("[A65] says what is wrong with a workflow: place, message, hint", async () => {
    const faults = [
      { code: "cycle", pointer: "/nodes/a", message: "a -> b -> a", hint: "Use a loop." },
    ];
    rig.hub.on("POST /api/workflows", (_, answer) =>
      sendProblem(answer, "workflow_invalid", "The workflow is not valid", { faults }),
    );
    const path = await file("bad.json", JSON.stringify(GRAPH));
    const { code, err } = await rig.gantry(["workflow", "validate", path]);
    expect(code).toBe(65);
    expect(err).toContain("  /nodes/a: a -> b -> a (Use a loop.)\n");
    expect(rig.hub.seen[0]?.body).toEqual({ graph: GRAPH, check: true });
  });

  it("names the file that is missing or is no JSON", async () => {
    const path = await file("broken.json", '{"nodes": {');
    const broken = await rig.gantry(["workflow", "validate", path]);
    expect(broken.code).toBe(64);
    expect(broken.err).toContain("broken.json is not JSON: ");
    const missing = await rig.gantry(["workflow", "validate", "none.json"]);
    expect(missing.code).toBe(66);
    expect(missing.err).toContain("none.json cannot be read");
    expect(rig.hub.seen).toHaveLength(0);
  });

  it("starts a file with inputs from a file or as text, and keeps one under a name", async () => {
    rig.hub.json("POST /api/runs", ACCEPTED);
    rig.hub.json("POST /api/workflows", { name: "n", sha256: SHA, nodes: 1, kept: true });
    const graph = await file("flow.json", JSON.stringify(GRAPH));
    const inputs = await file("in.json", '{"n": 1}');
    await rig.gantry(["run", "start", graph, "--inputs", inputs]);
    await rig.gantry(["run", "start", "nightly", "--inputs", '{"n": 2}']);
    await rig.gantry(["workflow", "keep", graph, "--name", "n", "--tag", "main", "--fast"]);
    expect(rig.hub.seen.map(({ body }) => body)).toEqual([
      { graph: GRAPH, inputs: { n: 1 } },
      { workflow: "nightly", inputs: { n: 2 } },
      { graph: GRAPH, name: "n", tag: "main", fidelity: "fast" },
    ]);
  });

  it("[A59] [A60] follows a run by its timeline to the end, and exits with its outcome", async () => {
    rig.hub.json("POST /api/runs", ACCEPTED);
    rig.hub.on("GET /api/runs/run_1", (_, answer, nth) => sendJson(answer, nth === 0 ? RUN : DONE));
    const entries = [entry("started"), entry("finished", "a"), entry("finished", "each[0]/b")];
    rig.hub.on("GET /api/runs/run_1/timeline", (seen, answer, nth) => {
      const after = Number(new URLSearchParams(seen.url.split("?")[1]).get("after") ?? 0);
      sendJson(answer, { entries: entries.slice(after, nth === 0 ? 1 : 3) });
    });
    const { code, out } = await rig.gantry(["run", "start", "nightly", "-f"]);
    expect(code).toBe(0);
    expect(out.match(/started|finished +a|each\[0\]\/b/g)).toEqual([
      "started",
      expect.stringMatching(/^finished +a$/),
      "each[0]/b",
    ]);
    expect(out).toContain('"sum": 3');
    const failed = {
      ...RUN,
      state: "failed",
      error: { code: "timeout", message: "late", place: "b" },
    };
    rig.hub.json("GET /api/runs/run_1", failed);
    const some = await rig.gantry(["logs", "stream", "run_1", "--node", "b", "--json"]);
    expect(some.code).toBe(75);
    expect(
      some.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).place),
    ).toEqual(["each[0]/b"]);
  });

  it("[M53] [M54] lists runs by state, fault, person, time and cost, as the API does", async () => {
    rig.hub.json("GET /api/runs", { runs: [DONE] });
    for (const words of [
      "--state failed --workflow nightly --text timeout",
      "--sort cost --limit 10",
      "--state done --by ada --from 2026-11-20 --to 2026-11-21T12:00:00+01:00",
    ])
      expect(await rig.gantry(["run", "list", ...words.split(" ")])).toMatchObject({ code: 0 });
    expect(
      rig.hub.seen.map(({ url }) => Object.fromEntries(new URLSearchParams(url.split("?")[1]))),
    ).toEqual([
      { state: "failed", workflow: "nightly", text: "timeout" },
      { limit: "10", sort: "cost" },
      {
        state: "done",
        by: "ada",
        from: "2026-11-20T00:00:00.000Z",
        to: "2026-11-21T11:00:00.000Z",
      },
    ]);
    const wrong = await rig.gantry(["run", "list", "--from", "yesterday"]);
    expect([wrong.code, wrong.err]).toEqual([64, expect.stringContaining("is no time")]);
  });

  it("[A61] approves and rejects a ticket with a reason", async () => {
    rig.hub.json("POST /api/approvals/apr_1/approve", TICKET);
    rig.hub.json("POST /api/approvals/apr_1/reject", { ...TICKET, state: "rejected" });
    for (const [word, reason] of [
      ["approve", "Looks good"],
      ["reject", "Need more data"],
    ] as const) {
      expect(await rig.gantry(["approve", "apr_1", word, "--reason", reason])).toMatchObject({
        code: 0,
        err: "",
      });
    }
    expect(rig.hub.seen.map(({ body }) => body)).toEqual([
      { reason: "Looks good" },
      { reason: "Need more data" },
    ]);
  });

  it.each([
    ["approve apr_1 maybe --reason x", "Say approve or reject"],
    ["approve apr_1 approve", "--reason TEXT is missing"],
    ["run fly run_1", 'There is no "run fly"'],
    ["run replay run_1 --mode dream", "freeze, shadow"],
    ["run revert run_1 2", "--reason TEXT is missing"],
    ["workflow keep flow.json", "cannot be read"],
  ])("refuses: gantry %s", async (line, why) => {
    const { code, err } = await rig.gantry(line.split(" "));
    expect([64, 66]).toContain(code);
    expect(err).toContain(why);
    expect(rig.hub.seen).toHaveLength(0);
  });
});
