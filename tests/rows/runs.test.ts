// Rows about runs that the ledger alone proves: what a run is, how it begins, ends and is found again.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "@gantry/shared/base/digest.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { DeskParts } from "../../hub/desk/context.ts";
import { runs } from "../../hub/desk/run-list.ts";
import { runSummary } from "../../hub/desk/run-views.ts";
import { applyEntry } from "../../hub/ledger/apply.ts";
import { planOf } from "../../hub/ledger/domains/plans.ts";
import {
  advanced,
  graph,
  http,
  kept,
  live,
  runOf,
  started,
  value,
} from "../../hub/ledger/testing/flows.ts";
import { command, type LedgerRig, makeLedgerRig, START_MS } from "../../hub/ledger/testing/rig.ts";
import type { Rows } from "../../hub/ledger/rows.ts";
import { owed } from "../../hub/workflow/owed.ts";

function begun(flow: Graph, facts: object = {}): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(kept(flow));
  rig.act(started(facts));
  return rig;
}

const call = graph({ call: http() }, [], { output: "${nodes.call.output}" });
const done = (place: string, attempt = 1, run = "run_1"): CommandBody =>
  advanced([run, "done", place, attempt, place]);
const FAULT = { code: "timeout", message: "late" };

/** Places that wait for the world. */
const owes = ({ rows }: LedgerRig, run = "run_1"): string[] => {
  const { state } = runOf({ rows } as LedgerRig, run);
  return owed(planOf(rows, state.graph), state).flatMap((one) => ("place" in one ? one.place : []));
};
const second = (at: number): string => new Date(START_MS + at * 1_000).toISOString();
const statesOf = (rig: LedgerRig): string[] =>
  rig.events.flatMap(({ type, data }) =>
    type === "run.changed" ? [(data as { state: string }).state] : [],
  );

describe("a run begins", () => {
  it("[A69] in one command: the run, what it owes and the news, or nothing of them", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call));
    const before = rig.events.length;
    expect(rig.refuse(started({ workflow: "none" }))).toBe("not_found");
    expect([rig.events.length, live(rig)]).toEqual([before, 0]);
    expect(rig.act(started())).toMatchObject({ run: "run_1", state: "running" });
    rig.restart();
    expect([statesOf(rig), owes(rig), live(rig)]).toEqual([["running"], ["call"], 1]);
  });

  it("[A67] from the version that its tag names; a tag that is none is not found", () => {
    const rig = makeLedgerRig();
    const versions = ["old", "new"].map((text) =>
      graph({ a: value(text) }, [], { output: "${nodes.a.output}" }),
    );
    for (const each of versions) rig.act(kept(each));
    const sha256 = digestOf(versions[0]);
    rig.act({ type: "workflowTagged", name: "flow", tag: "stable", sha256 });
    rig.act(started({ workflow: "flow@stable" }));
    rig.act(started({ run: "run_2", workflow: "flow" }));
    expect(["run_1", "run_2"].map((id) => runOf(rig, id).state.output)).toEqual(["old", "new"]);
    expect(rig.refuse(started({ run: "run_3", workflow: "flow@none" }))).toBe("not_found");
  });

  it("[A68] with the hash of the graph that it runs, and of the graph that patches made of it", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call, { tag: "main" }));
    rig.act(started({ workflow: "flow@main" }));
    const base = digestOf(call);
    expect(runOf(rig)).toMatchObject({ definition: base, state: { graph: base } });
    rig.act({
      type: "runPatched",
      run: "run_1",
      by: { kind: "person", role: "maker" },
      operations: [{ op: "addNode", id: "more", node: value(1) }],
      reason: "why",
      rules: { hosts: ["*"], agentHosts: [], agentCapabilities: [], hazardous: [] },
    });
    rig.restart();
    const { definition, state } = runOf(rig);
    const plan = planOf(rig.rows, state.graph);
    expect(definition).toBe(base);
    expect(state.graph).not.toBe(base);
    expect([plan.hash, digestOf(plan.graph)]).toEqual([state.graph, state.graph]);
    expect(Object.keys(plan.graph.nodes)).toEqual(["call", "more"]);
  });

  it("[M7] on record: what, by whom, and times that only grow", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call));
    rig.at(1_000);
    rig.act(started({ inputs: { title: "bracket" } }));
    rig.at(3_000);
    rig.act(advanced(["run_1", "failed", "call", 1, FAULT, null]));
    expect(runSummary(runOf(rig))).toMatchObject({
      id: "run_1",
      workflow: "flow",
      version: digestOf(call),
      state: "failed",
      by: "ada",
      createdAt: second(1),
      changedAt: second(3),
      endedAt: second(3),
      error: { ...FAULT, place: "call" },
    });
    expect(runOf(rig).state.inputs).toEqual({ title: "bracket" });
  });
});

describe("nodes", () => {
  it("[A13] of functions are computed by the hub", () => {
    const rig = begun(graph({ a: value("${inputs.n + 1}") }), { inputs: { n: 1 } });
    expect(runOf(rig).state).toMatchObject({ state: "done", output: { a: 2 } });
  });

  it("[A13] of maps run their body for each item, and give the outputs in its order", () => {
    const each = { type: "map", over: "inputs.list", body: call };
    const rig = begun(graph({ each }), { inputs: { list: [1, 2, 3] } });
    const places = ["each[2]/call", "each[0]/call", "each[1]/call"];
    expect(owes(rig).toSorted()).toEqual(places.toSorted());
    for (const place of places) rig.act(done(place));
    const output = [0, 1, 2].map((at) => `each[${at}]/call`);
    expect(runOf(rig).state).toMatchObject({ state: "done", output: { each: output } });
  });

  it("[A13] of joins go on after a part has failed, once all is known", () => {
    const nodes = { a: http(), b: http(), end: { type: "join" } };
    const rig = begun(graph(nodes, ["a>end:always", "b>end:always"]));
    rig.act(advanced(["run_1", "failed", "a", 1, FAULT, null]));
    expect(runOf(rig).state.state).toBe("running");
    rig.act(done("b"));
    expect(runOf(rig).state).toMatchObject({ state: "done", fault: null });
    expect(JSON.stringify(runOf(rig).state.output)).toContain('"taken":["a","b"]');
  });

  it("[A13] of subworkflows are done with the run below them", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call, { name: "below" }));
    rig.act(kept(graph({ sub: { type: "subworkflow", workflow: "below" } })));
    rig.act(started());
    const [child = ""] = Object.values(runOf(rig).children);
    rig.act(done("call", 1, child));
    expect(runOf(rig).state).toMatchObject({ state: "done", output: { sub: "call" } });
  });
});

/** What may follow what. */
const NEXT: Readonly<Record<string, readonly string[]>> = {
  none: ["running", "done", "failed"],
  running: ["running", "paused", "undoing", "done", "failed", "cancelled"],
  paused: ["paused", "running", "undoing", "failed", "cancelled"],
  undoing: ["undoing", "failed", "cancelled"],
  done: ["running"],
  failed: ["running"],
  cancelled: ["running"],
};
const OVER = ["done", "failed", "cancelled"];

describe("the states of a run", () => {
  it("[M5] follow each other as they may, whatever is asked of it; only a retry begins again", () => {
    const flow = graph({ a: http({ undo: "back" }), back: http(), b: http() }, ["a>b"]);
    const move = fc.constantFrom("done", "failed", "pause", "resume", "cancel", "retry");
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(move, { minLength: 4, maxLength: 16 }), (moves) => {
        const rig = begun(flow);
        let before = "none";
        const look = (how: string): void => {
          const { state } = runOf(rig).state;
          const may = how === "retry" || !OVER.includes(before) ? (NEXT[before] ?? []) : [];
          const isAllowed = state === before || may.includes(state);
          expect({ before, how, state, isAllowed }).toMatchObject({ isAllowed: true });
          seen.add(`${before} ${state}`);
          before = state;
        };
        look("start");
        for (const how of moves) {
          const [place = "a"] = owes(rig);
          const attempt = attemptAt(rig, place);
          const bodies: Readonly<Record<string, CommandBody>> = {
            done: done(place, attempt),
            failed: advanced(["run_1", "failed", place, attempt, FAULT, null]),
            pause: { type: "runPaused", run: "run_1" },
            resume: { type: "runResumed", run: "run_1" },
            cancel: { type: "runCancelled", run: "run_1", reason: "" },
            retry: { type: "runRetried", run: "run_1" },
          };
          rig.apply(command(bodies[how] as CommandBody));
          look(how);
        }
      }),
      { numRuns: 300, seed: 20_261_121 },
    );
    for (const pair of ["running done", "running paused", "undoing failed", "failed running"]) {
      expect([pair, seen.has(pair)]).toEqual([pair, true]);
    }
  });
});

const attemptAt = ({ rows }: LedgerRig, place: string): number => {
  const { state } = runOf({ rows } as LedgerRig);
  const all = owed(planOf(rows, state.graph), state);
  const found = all.find((one) => one.kind === "dispatch" && one.place === place);
  return found?.kind === "dispatch" ? found.attempt : 1;
};

const asked = (facts: object): Graph =>
  graph({ ask: { type: "approval", question: "Ship?", ...facts }, yes: value(1), no: value(2) }, [
    "ask>yes",
    "ask>no:rejected",
  ]);
const ticketOf = (rig: LedgerRig): string => Object.values(runOf(rig).tickets)[0] ?? "";

describe("a question to people", () => {
  it("[A18] goes to somebody else in time, then takes its default branch, through restarts", () => {
    const rig = begun(asked({ waitMs: 1_000, escalateTo: "admin", onTimeout: "reject" }));
    const ticket = ticketOf(rig);
    const dueMs = (): number => rig.rows.get("ticket", ticket)?.dueMs ?? 0;
    rig.restart();
    rig.at(1_000);
    rig.act(advanced(["run_1", "due", "ask", dueMs()]));
    rig.restart();
    expect(rig.rows.get("ticket", ticket)).toMatchObject({
      state: "open",
      isEscalated: true,
      roles: ["maker", "admin"],
    });
    rig.at(2_000);
    rig.act(advanced(["run_1", "due", "ask", dueMs()]));
    expect(runOf(rig).state).toMatchObject({ state: "done", output: { no: 2 } });
  });

  it.each([
    [true, "approved", { yes: 1 }],
    [false, "rejected", { no: 2 }],
  ])("[A61] [A5] answered %s moves the run, and the reason is kept", (approve, state, output) => {
    const rig = begun(asked({}));
    const ticket = ticketOf(rig);
    const reason = "Need more data";
    rig.act({ type: "ticketDecided", ticket, approve, reason, role: "maker" });
    rig.restart();
    expect(rig.rows.get("ticket", ticket)).toMatchObject({ state, votes: [{ by: "ada", reason }] });
    expect(runOf(rig).state).toMatchObject({ state: "done", output });
  });
});

describe("a run that failed", () => {
  it("[M68] at its seventh step of ten goes on from there: the first six are not done again", () => {
    const steps = Array.from({ length: 10 }, (_, at) => `s${at + 1}`);
    const edges = steps.slice(1).map((id, at) => `s${at + 1}>${id}`);
    const rig = begun(graph(Object.fromEntries(steps.map((id) => [id, http()])), edges));
    const begins: string[] = [];
    const doNext = (attempt: number): void => {
      const [place = ""] = owes(rig);
      begins.push(place);
      rig.act(done(place, attempt));
    };
    for (let step = 1; step <= 6; step += 1) doNext(1);
    rig.act(advanced(["run_1", "failed", "s7", 1, FAULT, null]));
    expect(runOf(rig).state).toMatchObject({ state: "failed", fault: { place: "s7" } });
    rig.restart();
    begins.length = 0;
    rig.act({ type: "runRetried", run: "run_1" });
    while (runOf(rig).state.state === "running") doNext(attemptAt(rig, owes(rig)[0] ?? ""));
    expect(begins).toEqual(["s7", "s8", "s9", "s10"]);
    expect(runOf(rig).state).toMatchObject({ state: "done", output: { s10: "s10" } });
  });
});

const MANY = 10_000;

describe("runs that are over", () => {
  it("[M3] give their whole result after they left memory and after a restart", () => {
    const rig = begun(call);
    const output = { text: "x".repeat(2_000), list: [1, { deep: true }] };
    rig.act(advanced(["run_1", "done", "call", 1, output]));
    expect(live(rig)).toBe(0);
    rig.restart();
    expect(runOf(rig).state).toMatchObject({ state: "done", output });
  });

  it("[M34] [M41] are all on record, the hundred and first too", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call));
    const ids = Array.from({ length: 150 }, (_, at) => `run_${at}`);
    for (const run of ids) {
      rig.act(started({ run }));
      rig.act(done("call", 1, run));
    }
    rig.restart();
    const listed: string[] = [];
    for (let after: string | undefined, isMore = true; isMore; isMore = after !== undefined) {
      const parts = { hub: { rows: rig.rows, stampMs: () => START_MS } } as unknown as DeskParts; // what it reads
      const query = { limit: 40, state: "done", ...(after === undefined ? {} : { after }) };
      const request = { actor: null, requestId: "req_1", params: {}, query, body: undefined };
      const page = runs(parts, request) as { runs: { id: string }[]; next?: string };
      listed.push(...page.runs.map(({ id }) => id));
      after = page.next;
    }
    expect(listed).toEqual(ids.toReversed());
    expect(ids.filter((id) => runOf(rig, id).state.output !== "call")).toEqual([]);
  });

  it("[M10] cost as much to end with ten thousand of them as with a hundred", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call));
    const end = (run: string): void => {
      rig.act(started({ run }));
      rig.act(done("call", 1, run));
    };
    const costOf = (run: string): readonly [gets: number, writes: number] => {
      const ledger: { rows: Rows } = rig.ledger;
      const { rows } = ledger;
      let gets = 0;
      const before = rows.writes;
      ledger.rows = {
        ...rows,
        get(table, id) {
          gets += 1;
          return rows.get(table, id);
        },
      };
      end(run);
      ledger.rows = rows;
      return [gets, rows.writes - before];
    };
    for (let n = 0; n < 100; n += 1) end(`run_${n}`);
    const few = costOf("run_few");
    for (let n = 100; n < MANY; n += 1) end(`run_${n}`);
    expect(Math.min(...few)).toBeGreaterThan(0);
    expect(costOf("run_many")).toEqual(few);
  });

  it("[M20] leave nothing in memory, ten thousand of them", () => {
    const rig = makeLedgerRig();
    rig.act(kept(graph({ a: value("${inputs.n}") })));
    const hot = (): number[] =>
      (["run", "ticket", "job"] as const).map((table) => rig.rows.hot(table).size);
    const before = hot();
    for (let from = 0; from < MANY; from += 1_000) {
      const some = Array.from({ length: 1_000 }, (_, at) => ({
        run: `run_${from + at}`,
        workflow: "flow",
        inputs: { n: at },
      }));
      const { results } = rig.act({ type: "runsStarted", role: "maker", runs: some });
      const states = (results as { state: string }[]).map(({ state }) => state);
      expect(new Set(states)).toEqual(new Set(["done"]));
    }
    expect(hot()).toEqual(before);
  });
});

describe("runs that are not over", () => {
  it("[M12] have a bound: one more is refused as busy until one ends, and what is over does not count", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call, { fidelity: "fast" }));
    const { max } = LIMIT.runs;
    for (let from = 0; from < max; from += LIMIT.runStarts.max) {
      const some = Array.from({ length: LIMIT.runStarts.max }, (_, at) => ({
        run: `run_${from + at}`,
        workflow: "flow",
        inputs: {},
      }));
      applyEntry(rig.ledger, [command({ type: "runsStarted", role: "maker", runs: some })]);
    }
    expect(live(rig)).toBe(max);
    expect(rig.refuse(started({ run: "run_more" }))).toBe("busy");
    rig.act(done("call", 1, "run_7"));
    rig.act(started({ run: "run_more" }));
    expect(rig.refuse(started({ run: "run_last" }))).toBe("busy");
  });
});
