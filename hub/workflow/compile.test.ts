import { expect, test } from "vitest";
import { compile, validate } from "./compile.ts";

type Nodes = Record<string, unknown>;

const task = (values: Nodes = {}): Nodes => ({ type: "task", capability: "any", with: values });
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
const loop = (body: unknown, more: Nodes = {}): Nodes => ({
  type: "loop",
  while: "round < 3",
  body,
  ...more,
});
const map = (body: unknown, more: Nodes = {}): Nodes => ({
  type: "map",
  over: "[1]",
  body,
  ...more,
});
const one = (node: unknown): Nodes => graph({ a: node });

const nested = (depth: number): Nodes =>
  depth === 0 ? one(value(1)) : one(map(nested(depth - 1)));
const rounds = (depth: number): Nodes =>
  depth === 0 ? one(value(1)) : one(loop(rounds(depth - 1), { maxRounds: 10_000 }));
const many = (count: number): Nodes =>
  graph(Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, value(at)])));
const layers = (): Nodes => {
  const names = Array.from({ length: 202 }, (_, at) => `n${at}`);
  const edges = names.slice(0, 101).flatMap((a) => names.slice(101).map((b) => `${a} ${b}`));
  return graph(Object.fromEntries(names.map((id) => [id, task()])), [...edges, ...edges]);
};

test.each<readonly [string, unknown, string, string]>([
  ["no object", 5, "not_a_graph", ""],
  ["no JSON", { nodes: { a: undefined } }, "not_a_graph", ""],
  ["no nodes", {}, "bad_field", "/nodes"],
  ["none at all", graph({}), "empty_graph", ""],
  ["a bad id", graph({ "a b": task() }), "bad_field", "/nodes/a b"],
  [
    "an id of a prototype",
    JSON.parse('{"nodes":{"__proto__":{"type":"join"}},"edges":[]}'),
    "empty_graph",
    "",
  ],
  ["an unknown type", one({ type: "shell", command: "rm -rf /" }), "bad_field", "/nodes/a/type"],
  ["an unknown member", one({ ...task(), run: 1 }), "bad_field", "/nodes/a"],
  ["a missing member", one({ type: "task" }), "bad_field", "/nodes/a/capability"],
  ["a bad method", one({ type: "http", url: "x", method: "BREW" }), "bad_field", "/nodes/a/method"],
  [
    "too many tries",
    one({ ...task(), retry: { attempts: 1e6 } }),
    "bad_field",
    "/nodes/a/retry/attempts",
  ],
  ["a wait of years", one({ type: "timer", delayMs: 1e15 }), "bad_field", "/nodes/a/delayMs"],
  ["a huge fan", one(map(one(task()), { maxParallel: 1e9 })), "bad_field", "/nodes/a/maxParallel"],
  ["endless rounds", one(loop(one(task()), { maxRounds: 1e9 })), "bad_field", "/nodes/a/maxRounds"],
  [
    "a bad role",
    one({ type: "approval", question: "?", role: "god" }),
    "bad_field",
    "/nodes/a/role",
  ],
  [
    "a circle",
    graph({ a: task(), b: task(), c: task() }, ["a b", "b c", "c a"]),
    "cycle",
    "/nodes/a",
  ],
  [
    "a circle of two",
    graph({ x: task(), a: task(), b: task() }, ["x a", "a b", "b a"]),
    "cycle",
    "/nodes/a",
  ],
  ["a node after itself", graph({ a: task() }, ["a a"]), "self_edge", "/edges/0"],
  ["an edge from nowhere", graph({ a: task() }, ["z a"]), "unknown_node", "/edges/0/from"],
  ["an edge to nowhere", graph({ a: task() }, ["a z"]), "unknown_node", "/edges/0/to"],
  [
    "an edge out of a body",
    graph({ a: map(one(task())), b: task() }, ["a b", "a a/a"]),
    "bad_field",
    "/edges/1/to",
  ],
  [
    "the same edge twice",
    graph({ a: task(), b: task() }, ["a b", "a b"]),
    "double_edge",
    "/edges/1",
  ],
  [
    "done and failed at once",
    graph({ a: task(), b: task() }, ["a b", "a b failed"]),
    "unreachable",
    "/edges/1",
  ],
  [
    "an unknown label",
    graph({ a: task(), b: task() }, ["a b maybe"]),
    "unknown_label",
    "/edges/0/on",
  ],
  [
    "a rejection by a task",
    graph({ a: task(), b: task() }, ["a b rejected"]),
    "unknown_label",
    "/edges/0/on",
  ],
  [
    "a case nobody takes",
    graph({ a: { type: "branch", cases: [{ when: "true", take: "x" }] }, b: task() }, ["a b y"]),
    "unknown_label",
    "/edges/0/on",
  ],
  [
    "a case named like a state",
    one({ type: "branch", cases: [{ when: "true", take: "failed" }] }),
    "bad_label",
    "/nodes/a/cases",
  ],
  [
    "an unknown function",
    one({ type: "function", function: "eval", with: {} }),
    "unknown_function",
    "/nodes/a/function",
  ],
  [
    "a function of prototypes",
    one({ type: "function", function: "constructor", with: {} }),
    "unknown_function",
    "/nodes/a/function",
  ],
  [
    "a value that is missing",
    one({ type: "function", function: "sum", with: {} }),
    "missing_value",
    "/nodes/a/with",
  ],
  [
    "a value nobody knows",
    one({ type: "function", function: "sum", with: { of: [], by: 1 } }),
    "unknown_value",
    "/nodes/a/with",
  ],
  ["two times", one({ type: "timer", delayMs: 5, until: "0" }), "timer_needs_time", "/nodes/a"],
  ["no time", one({ type: "timer" }), "timer_needs_time", "/nodes/a"],
  [
    "once, tried again",
    one({ ...task(), effect: "once", retry: { attempts: 2 } }),
    "once_retry",
    "/nodes/a/retry",
  ],
  ["a retried join", one({ type: "join", retry: { attempts: 2 } }), "bad_retry", "/nodes/a/retry"],
  ["a cached effect", one({ ...task(), cache: { ttlMs: 5 } }), "bad_cache", "/nodes/a/cache"],
  ["an undo that is not there", one({ ...task(), undo: "z" }), "unknown_node", "/nodes/a/undo"],
  ["an undo of itself", one({ ...task(), undo: "a" }), "bad_undo", "/nodes/a/undo"],
  [
    "an undo in the flow",
    graph({ a: { ...task(), undo: "b" }, b: task() }, ["a b"]),
    "bad_undo",
    "/nodes/a/undo",
  ],
  [
    "an undo of two",
    graph({ a: { ...task(), undo: "c" }, b: { ...task(), undo: "c" }, c: task() }),
    "bad_undo",
    "/nodes/a/undo",
  ],
  [
    "an undo that asks",
    graph({ a: { ...task(), undo: "c" }, c: { type: "approval", question: "?" } }),
    "bad_undo",
    "/nodes/a/undo",
  ],
  [
    "a count that is too high",
    graph({ a: task(), b: { type: "join", count: 2 } }, ["a b"]),
    "bad_count",
    "/nodes/b/count",
  ],
  [
    "a loop that never ends",
    one(loop(one(task()), { while: "true" })),
    "endless_loop",
    "/nodes/a/while",
  ],
  [
    "a loop over what is fixed",
    one(loop(one(task()), { while: "inputs.go" })),
    "endless_loop",
    "/nodes/a/while",
  ],
  ["rounds within rounds", rounds(3), "too_many_rounds", "/nodes/a/body/nodes/a/maxRounds"],
  ["bodies nine deep", nested(9), "too_deep", "/nodes/a/body".repeat(9)],
  ["bodies five hundred deep", nested(500), "too_deep", ""],
  ["5,001 nodes", many(5_001), "too_many_nodes", ""],
  ["20,402 edges", layers(), "too_many_edges", ""],
  ["10 MB", one(value("x".repeat(10_000_000))), "too_large", ""],
  [
    "an unknown input",
    graph({ a: value("${inputs.b}") }, [], { inputs: { a: {} } }),
    "unknown_input",
    "/nodes/a/with/value",
  ],
  ["an unknown node", one(value("${nodes.z.output}")), "reads_unknown_node", "/nodes/a/with/value"],
  ["itself", one(value("${nodes.a.output}")), "reads_later_node", "/nodes/a/with/value"],
  [
    "a later node",
    graph({ a: value("${nodes.b.output}"), b: value(1) }, ["a b"]),
    "reads_later_node",
    "/nodes/a/with/value",
  ],
  [
    "a node beside it",
    graph({ a: value("${nodes.b.output}"), b: value(1) }),
    "reads_later_node",
    "/nodes/a/with/value",
  ],
  [
    "a node that may still run",
    graph({ a: task(), b: task(), j: { type: "join", count: 1 }, c: value("${nodes.a.output}") }, [
      "a j",
      "b j",
      "j c",
    ]),
    "reads_later_node",
    "/nodes/c/with/value",
  ],
  [
    "a node of a body",
    graph({ a: map(one(task())), b: value("${nodes.c.output}") }, ["a b"]),
    "reads_unknown_node",
    "/nodes/b/with/value",
  ],
  [
    "a node after its map",
    graph({ m: map(one(value("${nodes.z.output}"))), z: task() }, ["m z"]),
    "reads_later_node",
    "/nodes/m/body/nodes/a/with/value",
  ],
  ["item outside a map", one(value("${item}")), "cel_unknown_name", "/nodes/a/with/value"],
  [
    "state in a map",
    one(map(one(value("${state}")))),
    "cel_unknown_name",
    "/nodes/a/body/nodes/a/with/value",
  ],
  ["all nodes", one(value("${nodes}")), "cel_syntax", "/nodes/a/with/value"],
  [
    "no member of a node",
    graph({ a: value(1), b: value("${nodes.a.secret}") }, ["a b"]),
    "cel_no_such_member",
    "/nodes/b/with/value",
  ],
  ["no end of an expression", one(value("${1 + ")), "cel_syntax", "/nodes/a/with/value"],
  [
    "a broken expression",
    one({ type: "http", url: "http://x/${1 +}" }),
    "cel_syntax",
    "/nodes/a/url",
  ],
  [
    "a function CEL has not",
    one(value("${readFile('/etc/passwd')}")),
    "cel_unknown_function",
    "/nodes/a/with/value",
  ],
  [
    "an expression of 3,000 parts",
    one(value(`\${${"1+".repeat(3_000)}1}`)),
    "cel_too_large",
    "/nodes/a/with/value",
  ],
  [
    "a deep expression",
    one(value(`\${${"[".repeat(200)}${"]".repeat(200)}}`)),
    "cel_too_large",
    "/nodes/a/with/value",
  ],
  [
    "a broken case",
    one({ type: "branch", cases: [{ when: "1 +", take: "x" }] }),
    "cel_syntax",
    "/nodes/a/cases/0/when",
  ],
  [
    "a broken output",
    graph({ a: task() }, [], { output: { x: "${nodes.b.output}" } }),
    "reads_unknown_node",
    "/output/x",
  ],
])("%s is refused with a code, a place and a hint", (_name, given, code, pointer) => {
  const faults = validate(given);
  const found = faults.find((fault) => fault.code === code);
  expect(faults.map((fault) => `${fault.code} ${fault.pointer}`)).toContain(`${code} ${pointer}`);
  expect(found?.hint.length).toBeGreaterThan(10);
  expect(found?.message.length).toBeGreaterThan(5);
});

test("all faults are told, not only the first", () => {
  const faults = validate(
    graph({ a: value("${nodes.b.output + x}"), b: value("${1 +}") }, ["a q"]),
  );
  expect(faults.map(({ code }) => code)).toEqual([
    "unknown_node",
    "reads_later_node",
    "cel_syntax",
  ]);
});

test("faults are not told without end", () => {
  const nodes = Array.from({ length: 500 }, (_, at) => [`n${at}`, value("${x}")] as const);
  expect(validate(graph(Object.fromEntries(nodes)))).toHaveLength(100);
});

test("a compiled plan knows its order, its ends and its hash", () => {
  const given = graph({ c: task(), b: task(), a: task(), u: task(), z: { ...task(), undo: "u" } }, [
    "c b",
    "b a",
  ]);
  const plan = compile(given);
  expect(plan.root.nodes.map(({ id }) => id)).toEqual(["c", "u", "z", "b", "a"]);
  expect(plan.root.first.map((index) => plan.root.nodes[index]?.id)).toEqual(["c", "z"]);
  expect(plan.root.last.map((index) => plan.root.nodes[index]?.id)).toEqual(["z", "a"]);
  expect(plan.root.flow).toBe(4);
  expect(compile(structuredClone(given)).hash).toBe(plan.hash);
  expect(plan.hash).toMatch(/^[0-9a-f]{64}$/);
});

test("what is not valid is thrown with all its faults", () => {
  expect(() => compile(graph({}))).toThrow("There is no node in it");
  expect(() => compile(graph({}))).toThrow(expect.objectContaining({ code: "workflow_invalid" }));
});

test("the largest graph that is allowed compiles", () => {
  const nodes = Array.from({ length: 5_000 }, (_, at) => {
    const before = at === 0 ? "${inputs.x}" : `\${nodes.n${at - 1}.output}`;
    return [`n${at}`, value(before)] as const;
  });
  const edges = nodes.slice(1).map(([id], at) => `n${at} ${id}`);
  expect(validate(graph(Object.fromEntries(nodes), edges))).toEqual([]);
});
