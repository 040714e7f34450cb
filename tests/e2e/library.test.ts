// Patches of a workflow itself, and what a patch of a run changed, through HTTP and the command line.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import { gantry as runGantry } from "../support/gantry.ts";

const fn = (value: unknown): object => ({ type: "function", function: "value", with: { value } });
const FLOW = {
  nodes: { a: fn(1), wait: { type: "timer", delayMs: 3_600_000 } },
  edges: [{ from: "a", to: "wait" }],
};
const setEnd = (value: unknown): object => ({
  op: "setNode",
  id: "end",
  at: "/with/value",
  value,
});
const add = (id: string): object => ({ op: "addNode", id, node: fn(id) });

async function keep(a: Appliance): Promise<string> {
  const { status, body } = await a.api("POST", "/api/workflows", {
    name: "flow",
    graph: FLOW,
    tag: "main",
  });
  expect(status).toBe(201);
  return body.sha256;
}

const patchAt = (a: Appliance, path: string) =>
  until(
    `the version of ${path}`,
    async () => {
      const { body } = await a.api("GET", path).catch(() => ({ body: {} as { state?: string } }));
      return (
        body.state === "made" && (body as { version: string; difference: { nodes: unknown[] } })
      );
    },
    30_000,
  );

describe("patches of a workflow", { timeout: 120_000 }, () => {
  it("[A46] [A50] are answered with 202 and where to look, outlive a kill, and show how far behind they are", async () => {
    await using a = await startAppliance({ parts: ["hub"] });
    const base = await keep(a);
    const tookMs: number[] = [];
    let status = "";
    for (let n = 1; n <= 30; n += 1) {
      const startMs = performance.now();
      const reply = await a.api("POST", "/api/workflows/flow/patches", {
        operations: [add(`n${n}`)],
        reason: "more",
      });
      tookMs.push(performance.now() - startMs);
      expect([reply.status, reply.body.state, reply.body.patch]).toEqual([202, "waiting", n]);
      status = reply.body.status;
    }
    expect(Math.min(...tookMs)).toBeLessThan(20);
    const { body: lag } = await a.api("GET", "/api/library");
    expect(lag).toMatchObject({ batch: { patchesMax: 100, waitMs: 5_000 } });
    expect(lag.waiting + lag.made).toBe(30);
    const refused = await a.api(
      "POST",
      "/api/workflows/flow/patches",
      { operations: [{ op: "removeNode", id: "x" }], reason: "why" },
      { "if-match": "1" },
    );
    expect([refused.status, refused.body.code]).toEqual([412, "revision_mismatch"]);
    const bad = await a.api("POST", "/api/workflows/flow/patches", {
      operations: [{ op: "removeNode", id: "x" }],
      reason: "why",
    });
    expect([bad.status, bad.body.code]).toEqual([409, "patch_conflict"]);
    expect(bad.body.details.faults[0]).toMatchObject({
      code: "no_node",
      pointer: "/operations/0",
      hint: expect.any(String),
    });
    await a.kill("hub", "SIGKILL");
    await a.start("hub");
    const made = await patchAt(a, status);
    expect(made.difference.nodes).toMatchObject([{ id: "n30", change: "added" }]);
    const { body: flow } = await a.api("GET", `/api/workflows/flow?version=${made.version}`);
    expect(Object.keys(flow.graph.nodes)).toHaveLength(32);
    expect(flow.tags.main.sha256).toBe(base);
    const { body: after } = await a.api("GET", "/api/library");
    expect(after).toMatchObject({ waiting: 0, lagMs: 0, made: 30 });
    expect(after.last.waitedMs).toBeGreaterThan(0);
    const metrics = await fetch(`${a.url}/metrics`).then((reply) => reply.text());
    expect(metrics).toMatch(/^gantry_library_lag_seconds 0$/m);
    const { body: ready } = await a.api("GET", "/readyz");
    expect(JSON.stringify(ready)).toContain("no patch waits");
  });

  it("[A64] the command line lists, shows, approves and takes back, with the difference of nodes and edges", async () => {
    await using a = await startAppliance({ parts: ["hub"] });
    await keep(a);
    const file = join(a.dataDir, "patch.json");
    await writeFile(
      file,
      JSON.stringify([add("b"), { op: "addEdge", edge: { from: "wait", to: "b" } }]),
    );
    const gantry = async (...words: string[]) => {
      const done = await runGantry([...words, "--hub", a.url, "--token", a.token], {});
      expect([done.err, done.code]).toEqual(["", 0]);
      return done.out;
    };
    const { body: started } = await a.api("POST", "/api/runs", { workflow: "flow" });
    const run = started.run.id as string;
    await gantry("patch", "add", run, file, "--reason", "one more");
    expect(await gantry("patch", "list", run)).toContain("one more");
    const shown = await gantry("patch", "show", run, "1");
    expect(shown).toContain("+ node b (function)");
    expect(shown).toContain("+ edge wait -> b");
    const view = JSON.parse(await gantry("patch", "show", run, "1", "--json"));
    expect(view.difference.edges).toEqual([{ change: "added", from: "wait", to: "b" }]);
    await gantry("patch", "revert", run, "1", "--reason", "not so");
    expect(await gantry("patch", "show", run, "2")).toContain("- node b (function)");
    expect(await gantry("patch", "add", "flow", file, "--reason", "for all")).toContain("patch 1");
    expect(await gantry("patch", "show", "flow", "1")).toContain("+ node b (function)");
    expect(await gantry("patch", "lag")).toContain("waiting");
  });

  it("[A98] a sentence changes a run, is shown first where that is wished, and is asked back where it is unclear", async () => {
    await using a = await startAppliance({ parts: ["hub"] });
    await keep(a);
    const { body: started } = await a.api("POST", "/api/runs", { workflow: "flow" });
    const run = started.run.id as string;
    const propose = (...words: string[]) =>
      runGantry(["patch", "propose", run, ...words, "--hub", a.url, "--token", a.token], {});
    const dry = await propose("add", "a pause of 5 minutes at the end", "--dry-run");
    expect(dry).toMatchObject({ code: 0, err: "" });
    expect(dry.out).toContain("+ node pause (timer)");
    expect(dry.out).toContain("Nothing was changed");
    const done = await propose("add a pause of 5 minutes at the end");
    expect(done.out).toContain("+ edge wait -> pause");
    expect(done.out).toContain(`${run} has revision 1`);
    const back = await propose("remove everything I dislike");
    expect(back.code).toBe(65);
    expect(back.out).toContain("Which one do you mean?");
    const email = await a.api("POST", `/api/runs/${run}/patches/propose`, {
      sentence: "Add an email notification at the end",
    });
    expect([email.status, email.body.kind]).toEqual([200, "question"]);
    const late = await a.api("POST", `/api/runs/${run}/patches/propose`, { sentence: "skip a" });
    expect([late.status, late.body.details.faults[0].code]).toEqual([409, "node_passed"]);
    const odd = await a.api("POST", `/api/runs/${run}/patches/propose`, { sentence: "be nice" });
    expect([odd.status, odd.body.code]).toEqual([422, "sentence_unclear"]);
    const { body: view } = await a.api("GET", `/api/runs/${run}`);
    expect(view.revision).toBe(1);
  });

  it("[A27] two runs of one base with other patches are compared in a report", async () => {
    await using a = await startAppliance({ parts: ["hub"] });
    const graph = {
      nodes: { ask: { type: "approval", question: "Go?" }, end: fn("plain") },
      edges: [{ from: "ask", to: "end" }],
      output: "${nodes.end.output}",
    };
    await a.api("POST", "/api/workflows", { name: "flow", graph });
    const started = async (patches: readonly (readonly object[])[]): Promise<string> => {
      const { body } = await a.api("POST", "/api/runs", { workflow: "flow" });
      const { id } = body.run;
      for (const [at, operations] of patches.entries()) {
        const path = `/api/runs/${id}/patch`;
        const reply = await a.api("POST", path, { operations, reason: `patch ${at + 1}` });
        expect(reply.status).toBe(200);
      }
      const { body: run } = await a.api("GET", `/api/runs/${id}`);
      await a.api("POST", `/api/approvals/${run.approvals.ask}/approve`, { reason: "yes" });
      return id;
    };
    const one = await started([[setEnd("X")]]);
    const two = await started([[setEnd("Y")], [add("extra")]]);
    const { status, body } = await a.api("GET", `/api/runs/${one}/compare?with=${two}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ sameBase: true, sameInputs: true, sameResult: false });
    expect(body.runs).toMatchObject([
      { id: one, state: "done", patches: [{ number: 1 }], tookMs: expect.any(Number) },
      { id: two, state: "done", patches: [{ number: 1 }, { number: 2 }] },
    ]);
    expect(body.difference.nodes).toMatchObject([
      { id: "end", change: "changed", fields: [{ field: "with.value", before: "X", after: "Y" }] },
      { id: "extra", change: "added" },
    ]);
    expect(body.places).toContainEqual({
      place: "extra",
      states: [null, "done"],
      attempts: [0, 1],
      sameOutput: false,
    });
    const words = ["run", "compare", one, two, "--hub", a.url, "--token", a.token];
    const told = await runGantry(words, {});
    expect(told).toMatchObject({ code: 0, err: "" });
    expect(told.out).toContain('~   with.value: "X" -> "Y"');
    expect(told.out).toContain("the same base, the same inputs, another result");
    const gone = await a.api("GET", `/api/runs/${one}/compare?with=run_none`);
    expect([gone.status, gone.body.code]).toEqual([404, "not_found"]);
  });
});
