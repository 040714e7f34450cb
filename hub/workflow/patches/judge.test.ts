import { describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { digestOf } from "@gantry/shared/base/digest.ts";
import { NODE_STATES } from "../engine-types.ts";
import { patchRefused } from "./patch-fault.ts";
import { PATCH_BOUNDS } from "./patch-policy.ts";
import type { PatchedRun } from "./patch-types.ts";
import { diffRevisions, graphAt, materialise, originOf, patchLines } from "./revisions.ts";
import {
  add,
  agent,
  CHAIN,
  codesOf,
  graphOf,
  judge,
  link,
  nodeIn,
  patched,
  person,
  runOf,
  value,
} from "./testing/patched-run.ts";

const http = (url: string, more: object = {}): object => ({ type: "http", url, ...more });
const task = (capability: string, more: object = {}): object => ({
  type: "task",
  capability,
  ...more,
});

const withRight = (patches: string): PatchedRun =>
  runOf(
    graphOf({
      ...CHAIN,
      nodes: { ...CHAIN.nodes, planner: { type: "agent", prompt: "x", patches } },
    }),
  );

const many = (from: number): unknown[] =>
  Array.from({ length: 250 }, (_, at) => add(`n${from + at}`, value(at)));

const inLoop = (inner: object): object => ({
  type: "loop",
  while: "round < 1000",
  maxRounds: 900,
  body: { nodes: { x: inner }, edges: [] },
});

const inMap = (inner: object): object => ({
  type: "map",
  over: "[1]",
  maxParallel: 1_000,
  body: { nodes: { x: inner }, edges: [] },
});

const anAgent = (id: string): unknown => add(id, { type: "agent", prompt: "x", patches: "apply" });

describe("a patch before a run", () => {
  it("is accepted in either language, and the two give the same graph", () => {
    const byNode = judge(runOf(), [add("d", value(2)), link("c", "d")]);
    const byPath = judge(runOf(), [
      { op: "add", path: "/nodes/d", value: value(2) },
      { op: "add", path: "/edges/-", value: { from: "c", to: "d" } },
    ]);
    if (byNode.kind !== "accepted" || byPath.kind !== "accepted") throw new Error("refused");
    expect(byNode.plan.hash).toBe(byPath.plan.hash);
    expect(byNode.patch).toMatchObject({
      id: "p1",
      revision: 1,
      baseRevision: 0,
      reason: "a test",
    });
  });

  it("[A88] never changes the base, not in a thousand patches", () => {
    const frozen = deepFrozen(structuredClone(CHAIN));
    const before = digestOf(frozen);
    let run: PatchedRun = runOf(frozen);
    for (let at = 0; at < 1_000; at += 1) {
      run = patched(run, [{ op: "setNode", id: "c", at: "/title", value: `title ${at}` }]);
    }
    expect(digestOf(run.base)).toBe(before);
    expect(run.patches.length).toBe(1_000);
    expect(digestOf(graphAt(run.base, run.patches, 0))).toBe(before);
  });

  it("[A8] is a pure function: the same patches on the same base give the same hash", () => {
    const run = patched(patched(runOf(), [add("d", value(2))]), [link("c", "d")]);
    const [one, two] = [materialise(run.base, run.patches), materialise(run.base, run.patches)];
    if (one.kind !== "graph" || two.kind !== "graph") throw new Error("refused");
    expect(one.plan.hash).toBe(two.plan.hash);
    expect(digestOf(one.graph)).toBe(digestOf(run.graph));
  });

  it("[A26] is kept with who, why, when and what", () => {
    const run = patched(runOf(), [add("d", value(2))], { reason: "one more" });
    expect(patchLines(run.patches)).toEqual([
      {
        id: "p1",
        revision: 1,
        who: person(),
        approvedBy: undefined,
        why: "one more",
        atMs: 1_000,
        what: ["nodes/d"],
        reverts: undefined,
        revertedBy: undefined,
      },
    ]);
    expect(originOf(run.patches, "d")?.id).toBe("p1");
    expect(originOf(run.patches, "a")).toBeUndefined();
  });

  it("shows what differs between two revisions, by node and edge and as RFC 6902", () => {
    const run = patched(runOf(), [add("d", value(2)), link("c", "d")]);
    const { changes, operations } = diffRevisions(run.base, run.patches, 0, 1);
    expect(changes.nodes.map(({ id }) => id)).toEqual(["d"]);
    expect(changes.addedEdges).toEqual([{ from: "c", to: "d" }]);
    expect(operations).toHaveLength(2);
    expect(diffRevisions(run.base, run.patches, 1, 0).changes.removedEdges).toHaveLength(1);
  });
});

describe("the author's layer alone", () => {
  it.each([
    ["text", "/operations", "bad_draft", "[]"],
    ["an empty list", "/operations", "empty_patch", []],
    ["null as an operation", "/operations/0", "bad_draft", [null]],
    ["an unknown operation", "/operations/0/op", "bad_draft", [{ op: "eval", path: "/nodes/a" }]],
    [
      "a place in edges",
      "/operations/0/path",
      "place_by_number",
      [{ op: "remove", path: "/edges/0" }],
    ],
    [
      "a place in edges to test",
      "/operations/0/path",
      "place_by_number",
      [{ op: "test", path: "/edges/0", value: 1 }],
    ],
    [
      "a copy from a place in edges",
      "/operations/0/from",
      "place_by_number",
      [{ op: "copy", from: "/edges/0", path: "/nodes/x" }],
    ],
    [
      "all edges",
      "/operations/0/path",
      "place_not_open",
      [{ op: "replace", path: "/edges", value: [] }],
    ],
    [
      "all nodes",
      "/operations/0/path",
      "place_not_open",
      [{ op: "replace", path: "/nodes", value: {} }],
    ],
    [
      "the whole graph",
      "/operations/0/path",
      "place_not_open",
      [{ op: "replace", path: "", value: {} }],
    ],
    [
      "the inputs",
      "/operations/0/path",
      "place_not_open",
      [{ op: "add", path: "/inputs/x", value: {} }],
    ],
    [
      "a pointer to a prototype",
      "/operations/0/path",
      "prototype_key",
      [{ op: "add", path: "/nodes/__proto__", value: 1 }],
    ],
    [
      "a pointer through a constructor",
      "/operations/0/path",
      "prototype_key",
      [{ op: "add", path: "/nodes/a/constructor/prototype/x", value: 1 }],
    ],
    [
      "a prototype within a value",
      "/operations/0/node/with/__proto__",
      "prototype_key",
      JSON.parse('[{"op":"addNode","id":"x","node":{"with":{"__proto__":{"polluted":1}}}}]'),
    ],
    [
      "what is not JSON",
      "/operations",
      "bad_draft",
      [{ op: "add", path: "/nodes/x", value: Number.NaN }],
    ],
    [
      "too many operations",
      "/operations",
      "patch_too_large",
      Array.from({ length: LIMIT.patchOperations.max + 1 }, () => ({
        op: "remove",
        path: "/nodes/a",
      })),
    ],
    [
      "too much text",
      "/operations",
      "patch_too_large",
      [add("x", value("x".repeat(PATCH_BOUNDS.weight.max)))],
    ],
  ])("refuses %s", (_title, pointer, code, operations) => {
    const verdict = judge(runOf(), operations);
    if (verdict.kind !== "refused") throw new Error("not refused");
    expect(verdict.faults[0]).toMatchObject({ code, pointer });
    expect(verdict.faults[0]?.hint.length).toBeGreaterThan(5);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("refuses a patch without a reason", () => {
    expect(codesOf(judge(runOf(), [add("d", value(2))], { reason: " " }))).toEqual(["no_reason"]);
  });

  it("has nothing against a node called prototype", () => {
    expect(judge(runOf(), [add("prototype", value({ constructor: "x" }))]).kind).toBe("accepted");
  });
});

describe("the hub's layer alone", () => {
  it("refuses what does not apply, with the operation's number over both languages", () => {
    const verdict = judge(runOf(), [
      add("d", value(1)),
      { op: "test", path: "/nodes/a/function", value: "other" },
      link("c", "d"),
    ]);
    if (verdict.kind !== "refused") throw new Error("not refused");
    expect(verdict.faults[0]).toMatchObject({ code: "test_failed", pointer: "/operations/1" });
  });

  it.each([
    ["a cycle", [link("c", "a")], "cycle"],
    ["a node without its type", [add("d", { with: {} })], "bad_field"],
    [
      "a read of a node that is not there",
      [add("d", value("${nodes.zz.output}"))],
      "reads_unknown_node",
    ],
    [
      "a read of a node that is not before",
      [add("d", value("${nodes.a.output}"))],
      "reads_later_node",
    ],
    [
      "a loop without an end",
      [add("d", { type: "loop", while: "true", body: { nodes: { x: value(1) }, edges: [] } })],
      "endless_loop",
    ],
    ["a label that is never taken", [add("d", value(1)), link("a", "d", "blue")], "unknown_label"],
  ])("refuses %s", (_title, operations, code) => {
    expect(codesOf(judge(runOf(), operations))).toContain(code);
  });

  it("tells the doors the first fault and lists all", () => {
    const verdict = judge(runOf(), [link("c", "a")]);
    if (verdict.kind !== "refused") throw new Error("not refused");
    const error = patchRefused(verdict.faults);
    expect(error.code).toBe("workflow_invalid");
    expect(error.details).toEqual({ faults: verdict.faults });
  });
});

describe("history stays", () => {
  const OPEN = new Set(["pending"]);
  it.each(NODE_STATES.filter((state) => !OPEN.has(state)))(
    "no patch changes, removes or leads into a node that is %s",
    (state) => {
      const run = runOf(CHAIN, { b: state });
      const code =
        state === "unknown"
          ? "node_lost"
          : ["ready", "running", "waiting"].includes(state)
            ? "node_dispatched"
            : "node_passed";
      expect(codesOf(judge(run, [{ op: "setNode", id: "b", at: "/title", value: "x" }]))).toContain(
        code,
      );
      expect(
        codesOf(judge(run, [{ op: "replace", path: "/nodes/b/with/value", value: 3 }])),
      ).toContain(code);
      expect(
        codesOf(
          judge(run, [
            { op: "setNode", id: "c", at: "/with/value", value: 1 },
            { op: "removeNode", id: "b" },
          ]),
        ),
      ).toContain(code);
      expect(codesOf(judge(run, [add("d", value(1)), link("d", "b")]))).toEqual([
        "edge_into_passed",
      ]);
      expect(
        codesOf(
          judge(run, [
            { op: "removeEdge", edge: { from: "a", to: "b" } },
            { op: "setNode", id: "b", at: "/with/value", value: 1 },
          ]),
        ),
      ).toContain("edge_into_passed");
    },
  );

  it("names the node that a patch reaches too late, and lets new ones follow it", () => {
    const run = runOf(CHAIN, { a: "done", b: "done" });
    const late = judge(run, [{ op: "setNode", id: "b", at: "/with/value", value: 9 }]);
    if (late.kind !== "refused") throw new Error("not refused");
    expect(late.faults[0]).toMatchObject({ code: "node_passed", pointer: "/nodes/b" });
    expect(late.faults[0]?.message).toContain('"b" is done');
    expect(judge(run, [add("d", value("${nodes.b.output}")), link("b", "d")]).kind).toBe(
      "accepted",
    );
    expect(judge(run, [{ op: "setNode", id: "c", at: "/with/value", value: 9 }]).kind).toBe(
      "accepted",
    );
  });

  it("an edge whose fate is known stays, unless what it leads to goes", () => {
    const run = runOf(CHAIN, { a: "done", b: "done" });
    const edge = { from: "b", to: "c" };
    expect(
      codesOf(
        judge(run, [
          { op: "setNode", id: "c", at: "/with/value", value: 1 },
          { op: "removeEdge", edge },
        ]),
      ),
    ).toEqual(["edge_decided"]);
    expect(codesOf(judge(run, [{ op: "removeNode", id: "c" }]))).toEqual(["accepted"]);
    expect(codesOf(judge(run, [add("d", value(1)), link("b", "d")]))).toEqual(["accepted"]);
  });

  it("an undo node is promised once its node has begun", () => {
    const base = graphOf({
      nodes: {
        pay: { ...http("https://api.example.org/"), undo: "refund" },
        refund: http("https://api.example.org/refund"),
      },
      edges: [],
    });
    const change = [{ op: "setNode", id: "refund", at: "/title", value: "x" }];
    expect(judge(runOf(base), change).kind).toBe("accepted");
    expect(codesOf(judge(runOf(base, { pay: "done" }), change))).toEqual(["undo_promised"]);
  });

  it("a run that is over takes no patch", () => {
    expect(codesOf(judge(runOf(CHAIN, {}, { isOver: true }), [add("d", value(1))]))).toEqual([
      "run_over",
    ]);
  });
});

describe("who may add what", () => {
  const nodes: Readonly<Record<string, object>> = {
    function: value(1),
    join: { type: "join" },
    timer: { type: "timer", delayMs: 5 },
    approval: { type: "approval", question: "Go?" },
    http: http("https://api.example.org/"),
    agent: { type: "agent", prompt: "Hi" },
    task: task("embed"),
    subworkflow: { type: "subworkflow", workflow: "other" },
    map: { type: "map", over: "[1]", body: { nodes: { x: value(1) }, edges: [] } },
  };
  const INNER = new Set(["function", "join", "timer", "approval"]);

  it.each(Object.keys(nodes))("a node of type %s", (type) => {
    const by = (role: "viewer" | "operator" | "maker" | "safety" | "admin"): readonly string[] =>
      codesOf(judge(runOf(), [add("d", nodes[type])], { author: person(role) }));
    expect(by("viewer")).toContain("type_not_allowed");
    expect(by("operator")[0]).toBe(INNER.has(type) ? "accepted" : "type_not_allowed");
    for (const role of ["maker", "safety", "admin"] as const)
      expect(by(role)).toEqual(["accepted"]);
  });

  it("a viewer may not even take a node away", () => {
    expect(
      codesOf(judge(runOf(), [{ op: "removeNode", id: "c" }], { author: person("viewer") })),
    ).toContain("type_not_allowed");
  });

  it("a hazard waits for the word of somebody else whose role allows it", () => {
    const operations = [add("d", task("print:mk4", { effect: "once" }))];
    const asked = judge(runOf(), operations);
    expect(asked).toMatchObject({ kind: "needsApproval", role: "safety" });
    expect(codesOf(asked)).toEqual(["hazard_not_allowed"]);
    const by = (name: string, role: "maker" | "safety"): string =>
      judge(runOf(), operations, {}, { approvedBy: { name, role } }).kind;
    expect(by("bob", "maker")).toBe("needsApproval");
    expect(by("ada", "safety")).toBe("needsApproval");
    expect(by("bob", "safety")).toBe("accepted");
    expect(judge(runOf(), operations, { author: person("safety") }).kind).toBe("accepted");
  });

  it.each([
    [
      "a node that happens once",
      add("d", http("https://api.example.org/", { effect: "once" })),
      "once_not_allowed",
    ],
    ["a hazardous capability", add("d", task("print:mk4")), "hazard_not_allowed"],
    [
      "another workflow, which may hold any hazard",
      add("d", { type: "subworkflow", workflow: "print-now" }),
      "type_not_allowed",
    ],
    ["a capability not on its list", add("d", task("weld")), "capability_not_allowed"],
    ["a host not on its list", add("d", http("https://a.example.net/")), "host_not_allowed"],
    [
      "a host that an expression decides",
      add("d", http("https://${inputs.host}/x")),
      "url_host_unknown",
    ],
    [
      "an agent that may patch",
      add("d", { type: "agent", prompt: "x", patches: "apply" }),
      "agent_powers",
    ],
    [
      "a hazard within a map",
      add("d", { type: "map", over: "[1]", body: { nodes: { x: task("move") }, edges: [] } }),
      "hazard_not_allowed",
    ],
  ])("an agent needs a person's word for %s", (_title, operation, code) => {
    const asked = judge(runOf(), [operation], { author: agent() });
    expect(asked.kind).toBe("needsApproval");
    expect(codesOf(asked)).toContain(code);
    const word = { approvedBy: { name: "eve", role: "safety" as const } };
    expect(judge(runOf(), [operation], { author: agent() }, word).kind).toBe("accepted");
  });

  it("an agent adds by itself what is on its list, and calls what its run calls already", () => {
    const by = agent();
    expect(judge(runOf(), [add("d", task("embed"))], { author: by }).kind).toBe("accepted");
    expect(
      judge(runOf(), [add("d", http("https://api.example.org/x?q=${inputs.q}"))], { author: by })
        .kind,
    ).toBe("accepted");
    const calls = graphOf({
      ...CHAIN,
      nodes: { ...CHAIN.nodes, get: http("https://a.example.net/") },
    });
    expect(
      judge(runOf(calls), [add("d", http("https://a.example.net/more"))], { author: by }).kind,
    ).toBe("accepted");
  });

  it("an agent never goes beyond the role of the run, whoever says yes", () => {
    const author = agent("planner", "operator");
    const verdict = judge(
      runOf(),
      [add("d", task("embed"))],
      { author },
      { approvedBy: { name: "eve", role: "admin" } },
    );
    expect(codesOf(verdict)).toContain("type_not_allowed");
    expect(verdict.kind).toBe("refused");
  });

  it("an agent that may not patch does not, and one that asks first waits", () => {
    const operations = [add("d", value(1))];
    expect(codesOf(judge(withRight("no"), operations, { author: agent() }))).toEqual([
      "may_not_patch",
    ]);
    expect(codesOf(judge(withRight("ask"), operations, { author: agent() }))).toEqual([
      "asks_first",
    ]);
    expect(
      judge(
        withRight("ask"),
        operations,
        { author: agent() },
        { approvedBy: { name: "eve", role: "maker" } },
      ).kind,
    ).toBe("accepted");
    expect(codesOf(judge(runOf(), operations, { author: agent("a") }))).toEqual(["may_not_patch"]);
    expect(codesOf(judge(runOf(), operations, { author: agent("nobody") }))).toEqual([
      "may_not_patch",
    ]);
  });

  describe("where people are asked", () => {
    const guarded = graphOf({
      nodes: {
        planner: { type: "agent", prompt: "x", patches: "apply" },
        ask: { type: "approval", question: "Print?", role: "safety" },
        warm: value(1),
        print: task("print:mk4", { effect: "once", undo: "clear" }),
        clear: task("command:clear"),
        mail: value(2),
      },
      edges: [
        { from: "ask", to: "warm" },
        { from: "warm", to: "print" },
        { from: "print", to: "mail" },
      ],
    });
    it.each([
      [
        "lowers who is asked",
        [{ op: "setNode", id: "ask", at: "/role", value: "viewer" }],
        "approval_weakened",
      ],
      [
        "takes silence for a yes",
        [{ op: "setNode", id: "ask", at: "/onTimeout", value: "approve" }],
        "approval_weakened",
      ],
      ["takes the question away", [{ op: "removeNode", id: "ask" }], "approval_weakened"],
      [
        "leads past it",
        [{ op: "removeEdge", edge: { from: "ask", to: "warm" } }],
        "approval_weakened",
      ],
      [
        "makes one of two enough before a hazard",
        [{ op: "setNode", id: "warm", at: "/needs", value: "any" }],
        "leads_to_hazard",
      ],
      [
        "changes what is printed",
        [{ op: "setNode", id: "print", at: "/with", value: { file: "x" } }],
        "leads_to_hazard",
      ],
      [
        "puts something new before the hazard",
        [add("d", value(1)), link("d", "warm")],
        "leads_to_hazard",
      ],
      ["takes the undo away", [{ op: "setNode", id: "print", at: "/undo" }], "undo_changed"],
    ])("an agent that %s waits for a person", (_title, operations, code) => {
      const verdict = judge(runOf(guarded), operations, { author: agent() });
      expect(codesOf(verdict)).toContain(code);
      expect(verdict.kind).toBe("needsApproval");
    });

    it("what comes after the hazard, and after a yes, is free", () => {
      for (const from of ["mail", "print", "ask"]) {
        const verdict = judge(runOf(guarded), [add("d", value(1)), link(from, "d")], {
          author: agent(),
        });
        expect(codesOf(verdict)).toEqual(["accepted"]);
      }
    });
  });
});

describe("how much a patch may set off", () => {
  it("agents add so many nodes to one run and no more", () => {
    let run = runOf();
    run = patched(run, many(0), { author: agent() });
    run = patched(run, many(250), { author: agent() });
    expect(codesOf(judge(run, [add("last", value(1))], { author: agent() }))).toEqual([
      "spawn_nodes",
    ]);
    expect(judge(run, [add("last", value(1))]).kind).toBe("accepted");
  });

  it("agents that add agents come to an end", () => {
    let run = runOf();
    const word = { name: "eve", role: "maker" as const };
    let place = "planner";
    for (let generation = 1; generation <= PATCH_BOUNDS.generations.max; generation += 1) {
      const id = `agent${generation}`;
      const verdict = judge(run, [anAgent(id)], { author: agent(place) }, { approvedBy: word, id });
      if (verdict.kind !== "accepted") throw new Error(JSON.stringify(verdict));
      run = { ...run, patches: [...run.patches, verdict.patch], graph: verdict.graph };
      place = id;
    }
    const last = judge(
      run,
      [anAgent("one-too-many")],
      { author: agent(place) },
      { approvedBy: word },
    );
    expect(codesOf(last)).toEqual(["spawn_depth"]);
    expect(nodeIn(run.graph, "agent3")?.type).toBe("agent");
  });

  it("work that multiplies is refused whoever asks", () => {
    expect(codesOf(judge(runOf(), [add("d", inMap(inMap(inLoop(task("embed")))))]))).toEqual([
      "spawn_calls",
    ]);
    expect(
      codesOf(judge(runOf(), [add("d", inMap(inMap({ type: "agent", prompt: "x" })))])),
    ).toEqual(["spawn_calls"]);
    expect(judge(runOf(), [add("d", inMap(inMap(value(1))))]).kind).toBe("accepted");
  });

  it("no patch leaves more agents behind than the bound", () => {
    const agents = Array.from({ length: PATCH_BOUNDS.agents.max }, (_, at) =>
      add(`x${at}`, { type: "agent", prompt: "x" }),
    );
    expect(codesOf(judge(runOf(), agents))).toEqual(["spawn_agents"]);
  });
});

function deepFrozen<T>(given: T): T {
  if (typeof given === "object" && given !== null) {
    for (const member of Object.values(given)) deepFrozen(member);
    Object.freeze(given);
  }
  return given;
}
