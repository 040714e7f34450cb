import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const AT = "2026-11-21T04:05:22.000Z";
const DIFFERENCE = {
  nodes: [
    { id: "mail", type: "http", change: "added", fields: [{ field: "url", after: "https://x" }] },
    { id: "old", type: "timer", change: "removed", fields: [{ field: "delayMs", before: 1 }] },
    {
      id: "ask",
      type: "approval",
      change: "changed",
      fields: [{ field: "question", before: "A?", after: "B?" }],
    },
  ],
  edges: [{ change: "added", from: "ask", to: "mail", on: "approved" }],
};
const PATCH = { number: 1, by: "ada", reason: "tell us", at: AT, operations: [{}] };
const LIBRARY = { ...PATCH, workflow: "nightly", state: "made", revision: 7, inverse: [] };
const WAITING = { approval: "apr_1", run: "run_1", by: "bob", reason: "why", operations: [] };
const FAULT = { code: "no_node", pointer: "/operations/0", message: "no x", hint: "Read it." };
const TICKET = { id: "apr_1", run: "run_1", place: "", state: "approved", question: "?" };
const LAG = {
  waiting: 2,
  lagMs: 1_200,
  batch: { patchesMax: 100, waitMs: 5_000 },
  workflows: [],
  batches: 3,
  made: 9,
  refused: 1,
};
const TAKEN = {
  workflow: "nightly",
  patch: 3,
  state: "waiting",
  revision: 9,
  status: "/x",
  dueAt: AT,
};
const PATCHED = { run: { id: "run_1", state: "running" }, revision: 2 };

describe("patches at the command line", () => {
  it.each([
    ["patch list run_1", "GET /api/runs/run_1/patches", { patches: [PATCH] }, "tell us"],
    ["patch list nightly", "GET /api/workflows/nightly/patches", { patches: [LIBRARY] }, "made"],
    [
      "patch show run_1 1",
      "GET /api/runs/run_1/patches/1",
      { ...PATCH, difference: DIFFERENCE },
      "+ node mail (http)",
    ],
    [
      "patch show run_1 1",
      "GET /api/runs/run_1/patches/1",
      { ...PATCH, difference: DIFFERENCE },
      '~   question: "A?" -> "B?"',
    ],
    [
      "patch show run_1 1",
      "GET /api/runs/run_1/patches/1",
      { ...PATCH, difference: DIFFERENCE },
      "- node old (timer)",
    ],
    [
      "patch show nightly 1",
      "GET /api/workflows/nightly/patches/1",
      { ...LIBRARY, difference: DIFFERENCE },
      "+ edge ask -> mail (approved)",
    ],
    ["patch show nightly 1", "GET /api/workflows/nightly/patches/1", LIBRARY, "not known any more"],
    [
      "patch show apr_1",
      "GET /api/approvals/apr_1/patch",
      { ...WAITING, difference: DIFFERENCE },
      "+ node mail",
    ],
    [
      "patch show apr_1",
      "GET /api/approvals/apr_1/patch",
      { ...WAITING, faults: [FAULT] },
      "no x (no_node)",
    ],
    ["patch approve apr_1 --reason ok", "POST /api/approvals/apr_1/approve", TICKET, "is approved"],
    ["patch reject apr_1 --reason no", "POST /api/approvals/apr_1/reject", TICKET, "apr_1"],
    ["patch revert run_1 1 --reason no", "POST /api/runs/run_1/revert", PATCHED, "revision 2"],
    ["patch revert nightly 1 --reason no", "POST /api/workflows/nightly/revert", TAKEN, "patch 3"],
    ["patch lag", "GET /api/library", LAG, "1200 ms"],
  ])("gantry %s", async (line, route, reply, shown) => {
    rig.hub.json(route, reply);
    const people = await rig.gantry(line.split(" "));
    expect(people).toMatchObject({ code: 0, err: "" });
    expect(people.out).toContain(shown);
    const program = await rig.gantry(["--json", ...line.split(" ")]);
    expect(JSON.parse(program.out)).toMatchObject(reply);
  });

  it("adds one to a run or to a workflow, with what its author saw", async () => {
    await writeFile(join(rig.dir, "patch.json"), '[{"op": "removeNode", "id": "x"}]');
    rig.hub.json("POST /api/workflows/nightly/patches", TAKEN);
    rig.hub.json("POST /api/runs/run_1/patch", { ...PATCHED, approval: "apr_1" });
    const words = ["--reason", "why", "--if-revision", "4"];
    const one = await rig.gantry([
      "patch",
      "add",
      "nightly",
      "patch.json",
      "--tag",
      "main",
      ...words,
    ]);
    expect(one.out).toContain("gantry patch show nightly 3");
    const two = await rig.gantry(["patch", "add", "run_1", "patch.json", ...words]);
    expect(two.out).toContain("gantry patch approve apr_1");
    const operations = [{ op: "removeNode", id: "x" }];
    expect(rig.hub.seen.map(({ body }) => body)).toEqual([
      { operations, reason: "why", tag: "main" },
      { operations, reason: "why" },
    ]);
    expect(rig.hub.seen.map(({ headers }) => headers["if-match"])).toEqual(["4", "4"]);
    expect(await rig.gantry(["patch", "add", "nightly", "patch.json"])).toMatchObject({ code: 64 });
    expect(await rig.gantry(["patch", "sing", "nightly"])).toMatchObject({ code: 64 });
  });
});
