import { LIMIT } from "@gantry/shared/base/policy.ts";
import { expect, test } from "vitest";
import { compile } from "./compile.ts";
import { advance, start } from "./engine.ts";
import type { Effect, Fact, RunState } from "./engine-types.ts";
import type { Json, JsonObject } from "./json-value.ts";
import { owed } from "./owed.ts";
import { frozenFaults } from "./patching.ts";
import type { Plan } from "./plan.ts";
import { nodesOf } from "./view.ts";

type Nodes = Record<string, unknown>;

const NOW = 1_700_000_000_000;
const task = (more: Nodes = {}): Nodes => ({ type: "task", capability: "any", ...more });
const value = (of: unknown): Nodes => ({
  type: "function",
  function: "value",
  with: { value: of },
});
const graph = (nodes: Nodes, edges: readonly string[] = [], more: Nodes = {}): Nodes => ({
  nodes,
  edges: edges.map((edge) => {
    const [from, to, on] = edge.split(" ");
    return on === undefined ? { from, to } : { from, to, on };
  }),
  ...more,
});

/** A run with what it was told to do, as a hub would hold it. */
function runOf(given: unknown, inputs: JsonObject = {}) {
  let plan: Plan = compile(given);
  let { run, effects } = start(plan, "r", inputs, NOW);
  const told: Effect[] = [...effects];
  const tell = (fact: Fact, nowMs = NOW): string | undefined => {
    const after = advance(plan, run, fact, nowMs);
    ({ run, effects } = after);
    told.push(...effects);
    if (fact.kind === "patched" && after.stale === undefined) plan = fact.plan;
    return after.stale;
  };
  return {
    tell,
    told,
    finish: (place: string, output: Json = null, attempt = 1) =>
      tell({ kind: "finished", place, attempt, output }),
    fail: (place: string, attempt = 1) =>
      tell({ kind: "failed", place, attempt, fault: { code: "no", message: "it did not" } }),
    run: (): RunState => run,
    plan: (): Plan => plan,
    state: (place: string) => nodesOf(plan, run).find((node) => node.place === place)?.state,
    owes: () =>
      owed(plan, run).map((effect) =>
        "place" in effect ? `${effect.kind} ${effect.place}` : effect.kind,
      ),
    ends: () => told.filter(({ kind }) => kind === "ended").length,
  };
}

test("values are worked out for whoever does it, and the key is the same for every attempt", () => {
  const one = runOf(
    graph(
      {
        a: value({ n: "${inputs.n * 2}" }),
        b: task({
          retry: { attempts: 3 },
          with: { text: "n=${nodes.a.output.n}", list: ["${inputs.n}"] },
        }),
      },
      ["a b"],
    ),
    { n: 4 },
  );
  one.tell({
    kind: "failed",
    place: "b",
    attempt: 1,
    fault: { code: "x", message: "x" },
    retryAtMs: NOW + 5,
  });
  expect(one.owes()).toEqual(["timer b"]);
  one.tell({ kind: "timerFired", place: "b", dueMs: NOW + 5 });
  const sent = one.told.filter((effect) => effect.kind === "dispatch");
  expect(sent.map(({ values }) => values)).toEqual(
    Array.from({ length: 2 }, () => ({ with: { text: "n=8", list: [4] } })),
  );
  expect(sent.map(({ attempt, idempotencyKey }) => [attempt, idempotencyKey])).toEqual([
    [1, "r/b"],
    [2, "r/b"],
  ]);
});

test("facts for what is over, for old attempts and for nothing change nothing and say so", () => {
  const one = runOf(graph({ a: task(), b: task() }, ["a b"]));
  expect(one.finish("b")).toBe("old_attempt");
  expect(one.finish("z")).toBe("no_place");
  expect(one.finish("a[1]/b")).toBe("no_place");
  expect(one.finish("a", null, 2)).toBe("old_attempt");
  expect(one.finish("a")).toBeUndefined();
  expect(one.finish("a")).toBe("place_over");
  expect(one.tell({ kind: "resumed" })).toBe("not_paused");
  expect(one.tell({ kind: "retriedFrom", node: "a" })).toBe("run_not_over");
  expect(one.tell({ kind: "continued" })).toBe("not_waiting");
  one.finish("b");
  const over = one.run();
  expect(one.finish("b")).toBe("run_over");
  expect(one.tell({ kind: "cancelled", reason: "" })).toBe("run_over");
  expect(one.run()).toBe(over);
  expect(one.ends()).toBe(1);
});

test("a `once` node that had begun is never begun again by itself", () => {
  const one = runOf(graph({ a: task({ effect: "once" }) }));
  one.tell({ kind: "lost", place: "a", attempt: 1 });
  expect(one.owes()).toEqual(["dispatch a"]); // it had not begun: its intent was not in the log
  one.tell({ kind: "taken", place: "a", attempt: 2 });
  one.tell({ kind: "lost", place: "a", attempt: 2 });
  expect(one.state("a")).toBe("unknown");
  expect(one.owes()).toEqual([]);
  expect(one.run().state).toBe("running");
  one.tell({ kind: "resolved", place: "a", outcome: { kind: "again" } });
  const [last] = one.told.toReversed();
  expect(last).toMatchObject({ kind: "dispatch", attempt: 3, idempotencyKey: "r/a~2" });
});

test("one that kills its executors does not go round for ever", () => {
  const one = runOf(graph({ a: task() }));
  for (let attempt = 1; attempt <= LIMIT.nodeLosses.max; attempt += 1) {
    one.tell({ kind: "lost", place: "a", attempt });
  }
  expect(one.run()).toMatchObject({ state: "failed", fault: { code: "lost", place: "a" } });
});

test("a loop's second pass runs its body again, at a place of its own", () => {
  const body = graph({ step: task({ with: { from: "${state}" } }) }, [], {
    output: "${nodes.step.output}",
  });
  const one = runOf(graph({ again: { type: "loop", start: 1, while: "state < 10", body } }));
  one.finish("again[0]/step", 5);
  expect(one.owes()).toEqual(["dispatch again[1]/step"]);
  one.finish("again[1]/step", 12);
  expect(one.run().output).toEqual({ again: 12 });
});

test("a loop of ten thousand rounds by itself is cut into turns and comes to its end", () => {
  const body = graph({ add: value("${state + 1}") }, [], { output: "${nodes.add.output}" });
  const loop = { type: "loop", start: 0, while: "state < 10000", body, maxRounds: 10_000 };
  const one = runOf(graph({ loop, after: value("${nodes.loop.output}") }, ["loop after"]));
  let turns = 0;
  while (one.run().state === "running") {
    expect(one.owes()).toEqual(["continue"]);
    expect(one.tell({ kind: "continued" })).toBeUndefined();
    turns += 1;
  }
  expect(turns).toBeGreaterThan(0);
  expect(one.run().output).toEqual({ after: 10_000 });
});

test("what is too much ends the node with a code", () => {
  const many = {
    type: "map",
    over: "inputs.list.map(x, inputs.list)",
    body: graph({ a: value(1) }),
  };
  const bomb = {
    type: "map",
    over: "inputs.list",
    body: graph({ a: value("${inputs.list.map(x, inputs.list.map(y, inputs.list))}") }),
  };
  const list = Array.from({ length: 1_000 }, (_, at) => at);
  const codeOf = (node: Nodes, inputs: JsonObject = { list }) =>
    runOf(graph({ a: node }), inputs).run().fault?.code;
  expect(codeOf(bomb)).toBe("cel_too_costly");
  expect(codeOf(value("${inputs.list.map(x, inputs.list)}"))).toBe("output_too_large");
  expect(codeOf({ ...many, over: "inputs.list" }, { list: [...Array(10_001).keys()] })).toBe(
    "too_many_items",
  );
  expect(
    codeOf({ type: "loop", while: "round >= 0", body: graph({ a: value(1) }), maxRounds: 5 }),
  ).toBe("too_many_rounds");
});

test("a rejection fails the run unless an edge goes on from it", () => {
  const ask = { type: "approval", question: "print ${inputs.n}?" };
  const decided = {
    kind: "decided",
    place: "ask",
    by: "eve",
    approve: false,
    reason: "no bed",
  } as const;
  const bare = runOf(graph({ ask, print: task() }, ["ask print"]), { n: 2 });
  expect(bare.told[0]).toMatchObject({ kind: "ticket", question: "print 2?", roles: ["maker"] });
  bare.tell(decided);
  expect(bare.run()).toMatchObject({
    state: "failed",
    fault: { code: "rejected", message: "no bed" },
  });
  expect(bare.state("print")).toBe("cancelled");
  const handled = runOf(
    graph({ ask, print: task(), tell: task() }, ["ask print", "ask tell rejected"]),
    { n: 2 },
  );
  handled.tell(decided);
  expect(handled.owes()).toEqual(["dispatch tell"]);
  expect(handled.state("print")).toBe("skipped");
});

test("an approval waits for different people, then asks others, then means what it says", () => {
  const ask = {
    type: "approval",
    question: "?",
    approvals: 2,
    waitMs: 100,
    escalateTo: "admin",
    onTimeout: "fail",
  };
  const one = runOf(graph({ ask }));
  const yes = { kind: "decided", place: "ask", by: "eve", approve: true, reason: "" } as const;
  one.tell(yes);
  expect(one.tell(yes)).toBe("voted_already");
  one.tell({ kind: "timerFired", place: "ask", dueMs: NOW + 100 }, NOW + 100);
  expect(owed(one.plan(), one.run())[0]).toMatchObject({
    kind: "ticket",
    escalated: true,
    roles: ["maker", "admin"],
    dueMs: NOW + 200,
  });
  expect(one.tell({ kind: "timerFired", place: "ask", dueMs: NOW + 100 })).toBe("not_waiting");
  one.tell({ kind: "timerFired", place: "ask", dueMs: NOW + 200 }, NOW + 200);
  expect(one.run()).toMatchObject({ state: "failed", fault: { code: "approval_timeout" } });
});

test("what was done is undone last first, in bodies too, when a later node fails", () => {
  const body = graph({
    put: task({ undo: "take" }),
    take: task({ with: { was: "${nodes.put.output}" } }),
  });
  const one = runOf(
    graph(
      {
        a: task({ undo: "unA" }),
        unA: task(),
        each: { type: "map", over: "[1, 2]", body },
        z: task(),
      },
      ["a each", "each z"],
    ),
  );
  for (const place of ["a", "each[1]/put", "each[0]/put"]) one.finish(place, place);
  one.fail("z");
  expect(one.run().state).toBe("undoing");
  for (const place of ["each[0]/take", "each[1]/take", "unA"]) {
    expect(one.owes()).toEqual([`dispatch ${place}`]);
    expect(one.ends()).toBe(0);
    if (place === "each[1]/take") one.fail(place);
    else one.finish(place);
  }
  expect(one.told.find((e) => e.kind === "dispatch" && e.place === "each[0]/take")).toMatchObject({
    values: { with: { was: "each[0]/put" } },
  });
  expect(one.run()).toMatchObject({ state: "failed", fault: { place: "z" } });
  expect(one.ends()).toBe(1);
});

test("a patch in flight adds nodes after what is done, and what has passed stays", () => {
  const before = graph({ a: task(), b: task({ with: { n: 1 } }) }, ["a b"]);
  const one = runOf(before);
  one.finish("a", 1);
  const after = (nodes: Nodes, edges: string[]) => compile(graph(nodes, edges));
  const faults = (next: Plan) =>
    frozenFaults(one.plan(), one.run(), next).map(({ pointer }) => pointer);
  expect(faults(after({ b: task({ with: { n: 1 } }) }, []))).toContain("/nodes/a");
  expect(
    faults(after({ a: task({ with: { n: 2 } }), b: task({ with: { n: 1 } }) }, ["a b"])),
  ).toEqual(["/nodes/a"]);
  expect(
    faults(after({ a: task(), c: task(), b: task({ with: { n: 1 } }) }, ["a b", "c b"])),
  ).toEqual(["/edges"]);
  const plan = after(
    { a: task(), b: task({ with: { n: 1 } }), c: task({ with: { n: "${nodes.a.output}" } }) },
    ["a b", "a c"],
  );
  expect(faults(plan)).toEqual([]);
  expect(one.tell({ kind: "patched", plan, revision: 2 })).toBe("old_revision");
  expect(one.tell({ kind: "patched", plan, revision: 1 })).toBeUndefined();
  expect(one.run()).toMatchObject({ revision: 1, graph: plan.hash });
  expect(one.owes()).toEqual(["dispatch b", "dispatch c"]);
  one.finish("b");
  one.finish("c");
  expect(one.run().state).toBe("done");
});

test("a patch that takes away all that was left ends the run", () => {
  const one = runOf(
    graph({ a: task(), ask: { type: "approval", question: "?" }, c: task() }, ["a c", "ask c"]),
  );
  one.finish("a");
  one.tell({ kind: "decided", place: "ask", by: "eve", approve: true, reason: "" });
  expect(one.owes()).toEqual(["dispatch c"]);
  const two = runOf(graph({ a: task(), c: task() }, ["a c"]));
  two.tell({ kind: "paused" });
  two.finish("a");
  expect(two.owes()).toEqual([]);
  two.tell({ kind: "patched", plan: compile(graph({ a: task() })), revision: 1 });
  expect(two.run().state).toBe("done");
  expect(two.ends()).toBe(1);
});

test("retried from a node it keeps what came before, and does the rest under new keys", () => {
  const one = runOf(
    graph({ a: task(), b: task({ undo: "unB" }), unB: task(), c: task() }, ["a b", "b c"]),
  );
  one.finish("a", "A");
  one.finish("b", "B");
  one.fail("c");
  one.finish("unB");
  expect(one.run().state).toBe("failed");
  expect(one.tell({ kind: "retriedFrom", node: "c" })).toBeUndefined();
  expect(one.owes()).toEqual(["dispatch b"]); // it was undone, so it is done again
  expect(one.finish("b", "late", 1)).toBe("old_attempt");
  one.finish("b", "B2", 2);
  const [last] = one.told.toReversed();
  expect(last).toMatchObject({ kind: "dispatch", place: "c", attempt: 2, idempotencyKey: "r/c~1" });
  one.finish("c", "C", 2);
  expect(one.run()).toMatchObject({ state: "done", fault: null, output: { c: "C" }, retries: 1 });
});

test("what was set back by a retry and has not begun again may be patched", () => {
  const one = runOf(graph({ a: task(), b: task(), c: task() }, ["a b", "b c"]));
  one.finish("a");
  one.finish("b");
  one.fail("c");
  one.tell({ kind: "retriedFrom", node: "b" });
  const better = graph({ a: task(), b: task(), c: task({ with: { n: 2 } }) }, ["a b", "b c"]);
  expect(frozenFaults(one.plan(), one.run(), compile(better))).toEqual([]);
});

test("a map that is retried gives its items new keys and refuses the old ones", () => {
  const body = graph({ s: task() });
  const one = runOf(graph({ each: { type: "map", over: "[1]", body } }));
  one.fail("each[0]/s");
  one.tell({ kind: "retriedFrom", node: "each" });
  expect(one.finish("each[0]/s", null, 1)).toBe("old_attempt");
  expect(owed(one.plan(), one.run())).toMatchObject([
    { attempt: 1_001, idempotencyKey: "r/each[0]/s~1000" },
  ]);
});

test("paused, nothing begins; resumed, all that is ready is told again", () => {
  const one = runOf(graph({ a: task(), b: task(), c: task() }, ["a c"]));
  one.tell({ kind: "paused" });
  expect(one.owes()).toEqual([]);
  one.finish("a");
  expect(one.state("c")).toBe("pending");
  one.tell({ kind: "resumed" });
  expect(one.told.slice(-2)).toMatchObject([{ place: "b" }, { place: "c" }]);
});

test("inputs are checked before anything begins", () => {
  const given = graph({ a: value("${inputs.n + inputs.m}") }, [], {
    inputs: { n: { type: "number" }, m: { type: "number", default: 2 } },
  });
  expect(runOf(given, { n: 1 }).run().output).toEqual({ a: 3 });
  for (const inputs of [{}, { n: "1" }, { n: 1, x: 1 }]) {
    expect(() => runOf(given, inputs)).toThrow(expect.objectContaining({ code: "bad_request" }));
  }
});

test("ids that are members of prototypes are ids like any other", () => {
  const one = runOf(
    graph(
      {
        constructor: task(),
        toString: { type: "branch", cases: [{ when: "true", take: "x" }] },
        b: value("${nodes.constructor.error}"),
      },
      ["constructor toString", "toString b x", "constructor b"],
    ),
  );
  one.finish("constructor");
  expect(one.run()).toMatchObject({ state: "done", output: { b: null } });
});

test("a run of ten nodes is about a kilobyte", () => {
  const nodes = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`n${at}`, task()]));
  const one = runOf(graph(nodes));
  for (let at = 0; at < 9; at += 1) one.finish(`n${at}`, { ok: true, grams: 12.5 });
  expect(JSON.stringify(one.run()).length).toBeLessThan(1_024);
  expect(JSON.parse(JSON.stringify(one.run()))).toEqual(one.run());
});
