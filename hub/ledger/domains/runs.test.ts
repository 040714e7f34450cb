import { describe, expect, it } from "vitest";
import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { nodesOf } from "../../workflow/view.ts";
import { command, type LedgerRig, makeLedgerRig } from "../testing/rig.ts";
import { advanced, graph, http, kept, live, runOf, started, value } from "../testing/flows.ts";
import { planOf } from "./plans.ts";

function begun(flow: Graph, facts: object = {}): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(kept(flow));
  rig.act(started(facts));
  return rig;
}

const sums = graph({ a: value("${inputs.n}"), b: value("${nodes.a.output + 1}") }, ["a>b"], {
  output: "${nodes.b.output}",
});
const call = graph({ call: http() }, [], { output: "${nodes.call.output}" });
const ends = (rig: LedgerRig, run = "run_1"): number =>
  rig.events.filter(
    ({ type, subject, data }) =>
      type === "run.changed" &&
      subject === run &&
      ["done", "failed", "cancelled"].includes((data as { state: string }).state),
  ).length;

describe("runs", () => {
  it("of function nodes alone is over in the command that starts it", () => {
    const rig = begun(sums, { inputs: { n: 2 } });
    expect(runOf(rig).state).toMatchObject({ state: "done", output: 3 });
    expect(live(rig)).toBe(0);
  });

  it("wait for the world, take its answer once, and end once (RN2)", () => {
    const rig = begun(call);
    expect(live(rig)).toBe(1);
    const fact = ["run_1", "done", "call", 1, { status: 200 }] as const;
    expect(rig.act(advanced(fact, fact))).toMatchObject({ stale: 1, touched: ["run_1"] });
    expect(rig.act(advanced(fact))).toMatchObject({ stale: 1, touched: [] });
    expect(runOf(rig).state).toMatchObject({ state: "done", output: { status: 200 } });
    expect(ends(rig)).toBe(1);
  });

  it("the 51st workflow ever is taken like the first: what is over holds no place", () => {
    const rig = makeLedgerRig();
    for (let index = 0; index < 200; index += 1) {
      const name = `flow-${index}`;
      rig.act(kept(graph({ a: value(index), call: http() }, ["a>call"]), { name }));
      rig.act(started({ run: `run_${index}`, workflow: name }));
      rig.act(advanced([`run_${index}`, "done", "call", 1, index]));
    }
    expect(live(rig)).toBe(0);
    expect(rig.rows.get("count", "runs/ended")).toBe(200);
  });

  it("the counter that goes to -1: live runs are counted by being there, whatever is told twice", () => {
    const rig = begun(call);
    const end = advanced(["run_1", "done", "call", 1, null]);
    rig.act(end);
    rig.act(end);
    rig.refuse({ type: "runCancelled", run: "run_1", reason: "" });
    rig.refuse({ type: "runCancelled", run: "run_1", reason: "" });
    expect(live(rig)).toBe(0);
    rig.act(started({ run: "run_2" }));
    expect(live(rig)).toBe(1);
  });

  it("redelivery counted twice: a join that waits for two is not begun by one that is told twice (RN2)", () => {
    const nodes = { a: http(), b: http(), c: http(), two: { type: "join", count: 2 }, end: http() };
    const rig = begun(graph(nodes, ["a>two", "b>two", "c>two", "two>end"]));
    const stateOf = (id: string): string | undefined => {
      const { state } = runOf(rig);
      return nodesOf(planOf(rig.rows, state.graph), state).find(({ place }) => place === id)?.state;
    };
    const told = ["run_1", "done", "a", 1, 1] as const;
    expect(rig.act(advanced(told, told, told))).toMatchObject({ stale: 2 });
    expect(rig.act(advanced(told))).toMatchObject({ stale: 1 });
    rig.restart();
    expect(rig.act(advanced(told))).toMatchObject({ stale: 1 });
    expect([stateOf("a"), stateOf("two"), stateOf("end")]).toEqual(["done", "pending", "pending"]);
    rig.act(advanced(["run_1", "done", "c", 1, 3]));
    expect([stateOf("two"), stateOf("end")]).toEqual(["done", "ready"]);
    rig.act(advanced(["run_1", "done", "end", 1, 4], ["run_1", "done", "b", 1, 2]));
    expect(ends(rig)).toBe(1);
    expect(rig.rows.get("count", "runs/ended")).toBe(1);
  });

  it("random branch order: of many cases that are true the first in the author's list is taken, always", () => {
    const names = ["z", "10", "2", "1", "a", "constructor", "B", "01", "y"]; // objects would sort some
    for (const first of names) {
      const order = [first, ...names.filter((name) => name !== first)];
      const flow = graph(
        {
          choose: { type: "branch", cases: order.map((take) => ({ when: "true", take })) },
          ...Object.fromEntries(names.map((name) => [`to-${name}`, value(name)])),
        },
        names.map((name) => `choose>to-${name}:${name}`),
      );
      const rig = begun(flow);
      rig.act(started({ run: "run_2" }));
      rig.restart();
      rig.act(started({ run: "run_3" }));
      for (const id of ["run_1", "run_2", "run_3"]) {
        const given = Object.values(runOf(rig, id).state.output as object); // of the nodes that no edge leaves
        expect(given.filter((each) => each !== null)).toEqual([first]);
      }
    }
  });

  it("are as they were after a restart, and a replay of the log gives the same bytes", () => {
    const rig = begun(graph({ a: http(), b: http() }, ["a>b"]));
    rig.act(advanced(["run_1", "done", "a", 1, 1]));
    rig.restart();
    rig.act(advanced(["run_1", "done", "b", 1, 2]));
    const again = makeLedgerRig();
    for (const entry of rig.entries) again.apply(...entry);
    expect(runOf(again)).toEqual(runOf(rig));
    expect(again.stateHash()).toBe(rig.stateHash());
  });

  it("a batch starts what can be started, and answers each line", () => {
    const rig = makeLedgerRig();
    rig.act(kept(sums));
    const runs = [
      { run: "run_1", workflow: "flow", inputs: { n: 1 } },
      { run: "run_2", workflow: "none", inputs: {} },
      { run: "run_3", workflow: "flow", inputs: { n: 3 } },
    ];
    const { results } = rig.act({ type: "runsStarted", role: "maker", runs });
    expect(results).toMatchObject([
      { run: "run_1", state: "done" },
      { error: { code: "not_found" } },
      { run: "run_3", state: "done" },
    ]);
  });

  it("refuses inputs that are too large and ids that are taken", () => {
    const rig = begun(call);
    expect(rig.refuse(started())).toBe("conflict");
    const big = "x".repeat(LIMIT.runInputBytes.max);
    expect(rig.refuse(started({ run: "run_2", inputs: { big } }))).toBe("too_large");
    expect(rig.refuse(started({ run: "run_2", workflow: "flow@exp" }))).toBe("not_found");
  });

  it("pause, go on, are cancelled and retried from the node that failed", () => {
    const rig = begun(graph({ a: http(), b: http() }, ["a>b"]));
    rig.act({ type: "runPaused", run: "run_1" });
    rig.act(advanced(["run_1", "done", "a", 1, 1]));
    expect(runOf(rig).state.state).toBe("paused");
    expect(rig.refuse({ type: "runPaused", run: "run_1" })).toBe("conflict");
    rig.act({ type: "runResumed", run: "run_1" });
    const fault = { code: "timeout", message: "late" };
    rig.act(advanced(["run_1", "failed", "b", 1, fault, null]));
    expect(runOf(rig).state).toMatchObject({
      state: "failed",
      fault: { code: "timeout", place: "b" },
    });
    expect(live(rig)).toBe(0);
    rig.act({ type: "runRetried", run: "run_1" });
    expect(live(rig)).toBe(1);
    rig.act(advanced(["run_1", "done", "b", 2, 2]));
    expect(runOf(rig).state.state).toBe("done");
    expect(ends(rig)).toBe(2);
  });
});

describe("subworkflows", () => {
  const above = graph({ sub: { type: "subworkflow", workflow: "below", with: { n: 1 } } }, [], {
    output: "${nodes.sub.output}",
  });

  it("start in the command that made them owed, and their end is their parent's fact", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call, { name: "below" }));
    rig.act(kept(above));
    rig.act(started());
    const [child = ""] = Object.values(runOf(rig).children);
    expect(runOf(rig, child)).toMatchObject({ depth: 1, root: "run_1", parent: { run: "run_1" } });
    rig.act(advanced([child, "done", "call", 1, 7]));
    expect(runOf(rig).state).toMatchObject({ state: "done", output: 7 });
    expect(live(rig)).toBe(0);
  });

  it("are cancelled with the run above them", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call, { name: "below" }));
    rig.act(kept(above));
    rig.act(started());
    const [child = ""] = Object.values(runOf(rig).children);
    rig.act({ type: "runCancelled", run: "run_1", reason: "late" });
    expect(runOf(rig, child).state.state).toBe("cancelled");
    expect(live(rig)).toBe(0);
  });

  it("are tried again as their node says, each time as a run of its own", () => {
    const rig = makeLedgerRig();
    rig.act(kept(call, { name: "below" }));
    const retry = { attempts: 2, delayMs: 1_000, delayMaxMs: 1_000 };
    rig.act(kept(graph({ sub: { type: "subworkflow", workflow: "below", retry } })));
    rig.act(started());
    const childOf = (): string => Object.values(runOf(rig).children)[0] ?? "";
    const first = childOf();
    const fault = { code: "timeout", message: "late" };
    rig.act(advanced([first, "failed", "call", 1, fault, null]));
    expect(runOf(rig).children).toEqual({});
    const dueMs = runOf(rig).state.root.more["sub"]?.dueMs ?? 0;
    expect(dueMs).toBeGreaterThan(0);
    rig.act(advanced(["run_1", "due", "sub", dueMs]));
    const second = childOf();
    expect([second === "", second === first]).toEqual([false, false]);
    rig.act(advanced([second, "failed", "call", 1, fault, null]));
    expect(runOf(rig).state).toMatchObject({ state: "failed", fault: { code: "timeout" } });
    expect(live(rig)).toBe(0);
  });

  it("stand for the version that was there when the run was started", () => {
    const rig = makeLedgerRig();
    rig.act(
      kept(graph({ a: value("old") }, [], { output: "${nodes.a.output}" }), { name: "below" }),
    );
    rig.act(
      kept(
        graph({ w: http(), sub: { type: "subworkflow", workflow: "below" } }, ["w>sub"], {
          output: "${nodes.sub.output}",
        }),
      ),
    );
    rig.act(started());
    rig.act(
      kept(graph({ a: value("new") }, [], { output: "${nodes.a.output}" }), { name: "below" }),
    );
    rig.act(advanced(["run_1", "done", "w", 1, null]));
    expect(runOf(rig).state.output).toBe("old");
  });

  it("that start themselves end at the bound, with an answer that does not change (RN3)", () => {
    const rig = makeLedgerRig();
    rig.act(kept(graph({ a: value(1) }), { name: "flow" }));
    rig.act(kept(graph({ sub: { type: "subworkflow", workflow: "flow" } })));
    rig.act(started());
    expect(runOf(rig).state).toMatchObject({ state: "failed", fault: { code: "spawn_limit" } });
    expect(rig.rows.get("count", "runs/failed")).toBe(1);
    expect(live(rig)).toBe(0);
    expect(runOf(rig).spawned).toBe(LIMIT.runDepth.max);
  });
});

const asked = (facts: object): Graph =>
  graph({ ask: { type: "approval", question: "Ship?", ...facts }, yes: value("shipped") }, [
    "ask>yes",
  ]);
const ticketOf = (rig: LedgerRig): string => Object.values(runOf(rig).tickets)[0] ?? "";

const decide = (rig: LedgerRig, approve: boolean, role = "maker"): object => ({
  type: "ticketDecided",
  ticket: ticketOf(rig),
  approve,
  reason: "seen",
  role,
});

describe("approvals", () => {
  it("need the role, and two different people where two are asked (TK2)", () => {
    const rig = begun(asked({ approvals: 2, role: "safety" }));
    const yes = decide(rig, true, "safety") as never;
    expect(rig.refuse(decide(rig, true, "maker") as never)).toBe("forbidden");
    rig.act(yes, { actor: "ada" });
    expect(rig.refuse(yes, { actor: "ada" })).toBe("conflict");
    expect(runOf(rig).state.state).toBe("running");
    rig.act(yes, { actor: "bob" });
    expect(runOf(rig).state.state).toBe("done");
    expect(rig.rows.get("ticket", (yes as { ticket: string }).ticket)).toMatchObject({
      state: "approved",
      votes: [{ by: "ada" }, { by: "bob" }],
    });
    expect(rig.refuse(yes, { actor: "eve" })).toBe("conflict");
  });

  it("[A62] are not rejected without a reason", () => {
    const rig = begun(asked({}));
    const no = { ...decide(rig, false), reason: " " } as never;
    expect(rig.refuse(no, { actor: "ada" })).toBe("bad_request");
    expect(runOf(rig).state.state).toBe("running");
    rig.act(decide(rig, false) as never, { actor: "ada" });
    expect(runOf(rig).state.state).toBe("failed");
  });

  it("are for the people they name", () => {
    const rig = begun(asked({ people: ["bob"] }));
    expect(rig.refuse(decide(rig, true) as never, { actor: "ada" })).toBe("wrong_person");
    rig.act(decide(rig, true) as never, { actor: "bob" });
    expect(runOf(rig).state.state).toBe("done");
  });

  it("end with their time, asked of somebody else first where they say so", () => {
    const rig = begun(asked({ waitMs: 1_000, escalateTo: "admin", onTimeout: "approve" }));
    const ticket = ticketOf(rig);
    const due = (): number => rig.rows.get("ticket", ticket)?.dueMs ?? 0;
    const first = due();
    rig.at(1_000);
    rig.act(advanced(["run_1", "due", "ask", first]));
    expect(rig.rows.get("ticket", ticket)).toMatchObject({
      state: "open",
      isEscalated: true,
      roles: ["maker", "admin"],
    });
    rig.act(advanced(["run_1", "due", "ask", first]));
    expect(runOf(rig).state.state).toBe("running");
    rig.at(2_000);
    rig.act(advanced(["run_1", "due", "ask", due()]));
    expect(runOf(rig).state.state).toBe("done");
    expect(rig.rows.get("ticket", ticket)?.state).toBe("over");
    expect(rig.rows.hot("ticket").size).toBe(0);
  });

  it("are withdrawn with their run", () => {
    const rig = begun(asked({}));
    const ticket = ticketOf(rig);
    rig.act({ type: "runCancelled", run: "run_1", reason: "no" });
    expect(rig.rows.get("ticket", ticket)?.state).toBe("withdrawn");
    expect(rig.rows.hot("ticket").size).toBe(0);
  });
});

describe("patches of a run", () => {
  const flow = graph({ a: http(), b: value("old") }, ["a>b"], { output: "${nodes.b.output}" });
  const by = { kind: "person", role: "maker" };
  const rules = {
    hosts: ["outside.test"],
    agentHosts: [],
    agentCapabilities: [],
    hazardous: ["command:heat"],
  };
  const patch = (operations: readonly unknown[], facts: object = {}): never =>
    ({ type: "runPatched", run: "run_1", by, operations, reason: "why", rules, ...facts }) as never;
  const newB = [{ op: "replace", path: "/nodes/b/with/value", value: "new" }];

  it("[A86] change this run and nobody else's, and are taken back by their inverse (RP3)", () => {
    const rig = begun(flow);
    rig.act(started({ run: "run_2" }));
    expect(rig.act(patch(newB))).toMatchObject({ revision: 1 });
    expect(rig.refuse(patch(newB, { ifRevision: 0 }))).toBe("revision_mismatch");
    const back = { type: "runPatchReverted", run: "run_1", patch: 1, reason: "back" } as const;
    rig.act({ ...back, role: "maker", rules });
    expect(rig.refuse({ ...back, role: "maker", rules })).toBe("patch_conflict");
    expect(runOf(rig).state.graph).toBe(runOf(rig, "run_2").state.graph);
    rig.act(patch(newB, { ifRevision: 2 }));
    rig.act(advanced(["run_1", "done", "a", 1, 1], ["run_2", "done", "a", 1, 1]));
    expect(runOf(rig).state.output).toBe("new");
    expect(runOf(rig, "run_2").state.output).toBe("old");
    expect(runOf(rig).definition).toBe(runOf(rig, "run_2").definition);
  });

  it("a patch that reaches a node already passed is refused, as is one that makes a circle (RP2)", () => {
    const rig = begun(graph({ a: http(), b: http() }, ["a>b"]));
    rig.act(advanced(["run_1", "done", "a", 1, 1]));
    const url = [{ op: "setNode", id: "a", at: "/url", value: "http://evil.test/" }];
    expect(rig.refuse(patch(url))).toBe("patch_conflict");
    const circle = [{ op: "addEdge", edge: { from: "b", to: "a" } }];
    expect(["patch_conflict", "workflow_invalid"]).toContain(rig.refuse(patch(circle)));
    expect(rig.refuse(patch([{ op: "remove", path: "/nodes/none" }]))).toBe("patch_conflict");
    expect(runOf(rig).state.revision).toBe(0);
  });

  it("of an agent wait for a person's word, and are judged anew when it is given (RP2)", () => {
    const rig = begun(
      graph({ think: { type: "agent", prompt: "?", patches: "ask" }, b: value(1) }, ["think>b"]),
    );
    const agent = { by: { kind: "agent", place: "think" } };
    const more = [
      { op: "addNode", id: "c", node: value("more") },
      { op: "addEdge", edge: { from: "b", to: "c" } },
    ];
    const { ticket, revision } = rig.act(patch(more, agent));
    expect(revision).toBe(0);
    const decide = {
      type: "ticketDecided",
      ticket: ticket as string,
      approve: true,
      reason: "seen",
    } as const;
    expect(rig.rows.get("ticket", decide.ticket)).toMatchObject({ state: "open", place: "think" });
    expect(rig.refuse({ ...decide, role: "viewer" })).toBe("forbidden");
    expect(rig.act({ ...decide, role: "maker" }, { actor: "bob" })).toMatchObject({ revision: 1 });
    expect(rig.rows.get("ticket", decide.ticket)?.state).toBe("approved");
    expect(rig.rows.get("runPatch", "run_1/1")).toMatchObject({ approvedBy: { name: "bob" } });
    const other = rig.act(patch([{ op: "removeNode", id: "c" }], agent))["ticket"] as string;
    rig.act({ ...decide, ticket: other, approve: false, role: "maker" });
    expect(rig.rows.get("ticket", other)?.state).toBe("rejected");
    rig.act(advanced(["run_1", "done", "think", 1, {}]));
    expect(runOf(rig).state).toMatchObject({ state: "done", output: { c: "more" } });
  });
});

describe("workflows", () => {
  it("[A90] keep versions by content, tags by name, and the base for ever (WF1)", () => {
    const rig = makeLedgerRig();
    const [one, two] = [graph({ a: value(1) }), graph({ a: value(2) })];
    const first = rig.act(kept(one))["sha256"];
    rig.act(kept(two));
    rig.act(kept(one));
    expect(rig.rows.get("workflow", "flow")?.versions).toHaveLength(2);
    rig.act({ type: "workflowTagged", name: "flow", tag: "exp/one", sha256: first as string });
    rig.act(started({ workflow: "flow@exp/one" }));
    expect(runOf(rig).definition).toBe(first);
    expect(rig.refuse(kept(one, { sha256: "0".repeat(64) }))).toBe("checksum_mismatch");
    const none = {
      type: "workflowTagged",
      name: "flow",
      tag: "x",
      sha256: "0".repeat(64),
    } as const;
    expect(rig.refuse(none)).toBe("not_found");
  });

  it("that do not compile are refused with place and hint", () => {
    const rig = makeLedgerRig();
    const circle = graph({ a: value(1), b: value(2) }, ["a>b", "b>a"]);
    const [reply] = rig.apply(command(kept(circle)));
    expect(reply).toMatchObject({ ok: false, error: { code: "workflow_invalid" } });
    const { faults } = (reply as { error: ErrorRecord }).error.details as {
      faults: readonly { hint: string; pointer: string }[];
    };
    expect(faults[0]?.pointer).toMatch(/^\/nodes\/[ab]/);
    expect(faults[0]?.hint).not.toBe("");
  });
});
