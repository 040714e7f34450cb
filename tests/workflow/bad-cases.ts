// Workflows and patches that must be refused, each with its stable code, the JSON pointer of its place,
// and a hint. Those of redirects and of names that lead inward are the way out's (hub/adapters/egress).

import { LIMIT } from "@gantry/shared/base/policy.ts";

const LIST = `[${Array.from({ length: 20 }, (_, at) => at).join(", ")}]`;

export interface BadWorkflow {
  readonly title: string;
  readonly code: string;
  readonly pointer: string;
  readonly graph: () => unknown;
}

export interface BadPatch {
  readonly title: string;
  readonly code: string;
  readonly pointer: string;
  readonly by?: "agent" | "maker" | "operator" | "viewer";
  readonly operations: () => unknown;
}

const value = (of: unknown): object => ({
  type: "function",
  function: "value",
  with: { value: of },
});
const task = (more: object = {}): object => ({ type: "task", capability: "embed", ...more });
const http = (url: string, more: object = {}): object => ({ type: "http", url, ...more });
const only = (node: object): object => ({ nodes: { a: node }, edges: [] });
const edge = (from: string, to: string, on?: string): object =>
  on === undefined ? { from, to } : { from, to, on };
const chars = (count: number): string => "x".repeat(count);
const many = (count: number): Record<string, object> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, value(at)]));

function nested(depth: number, inner: object, wrap: (body: object) => object): object {
  let graph = only(inner);
  for (let at = 0; at < depth; at += 1) graph = only(wrap(graph));
  return graph;
}
const mapOf = (body: object): object => ({ type: "map", over: "[1, 2]", body, maxParallel: 1_000 });
const loopOf = (body: object): object => ({
  type: "loop",
  while: "round < 9999",
  maxRounds: 10_000,
  body,
});

const bad = (title: string, code: string, pointer: string, graph: unknown): BadWorkflow => ({
  title,
  code,
  pointer,
  graph: () => graph,
});
const expression = (title: string, code: string, text: string): BadWorkflow =>
  bad(title, code, "/nodes/a/with/value", only(value(`\${${text}}`)));

export const BAD_WORKFLOWS: readonly BadWorkflow[] = [
  // ── shape ──
  bad("null", "not_a_graph", "", null),
  bad("a text", "not_a_graph", "", "nodes"),
  bad("a list of nodes", "bad_field", "/nodes", { nodes: [], edges: [] }),
  bad("no nodes at all", "empty_graph", "", { nodes: {}, edges: [] }),
  bad("an unknown member", "not_a_graph", "", { nodes: { a: value(1) }, edges: [], hooks: [] }),
  bad("an unknown type", "bad_field", "/nodes/a/type", only({ type: "shell", command: "rm" })),
  bad(
    "an unknown member of a node",
    "bad_field",
    "/nodes/a",
    only({ ...task(), exec: "rm -rf /" }),
  ),
  bad("a number as text", "bad_field", "/nodes/a/timeoutMs", only(task({ timeoutMs: "5" }))),
  bad("a time below zero", "bad_field", "/nodes/a/timeoutMs", only(task({ timeoutMs: -1 }))),
  bad("an id that leads out of its folder", "bad_field", "/nodes/..~1x", {
    nodes: { "../x": value(1) },
    edges: [],
  }),
  bad("what JSON does not know", "not_a_graph", "", only(value(Number.NaN))),
  {
    title: "a graph of 10 MB",
    code: "too_large",
    pointer: "",
    graph: () => only(value(chars(10_000_000))),
  },
  {
    title: "a graph of 10 MB in small pieces",
    code: "too_large",
    pointer: "",
    graph: () => only(value(Array.from({ length: 600_000 }, (_, at) => `${at} ${at}`))),
  },
  {
    title: "a value a hundred deep",
    code: "too_deep",
    pointer: "",
    graph: () => only(value(JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`))),
  },
  {
    title: "ten thousand nodes",
    code: "too_many_nodes",
    pointer: "",
    graph: () => ({ nodes: many(10_000), edges: [] }),
  },
  {
    title: "more edges than the bound",
    code: "too_many_edges",
    pointer: "",
    graph: () => {
      const nodes = many(300);
      const ids = Object.keys(nodes);
      const edges = ids.flatMap((from, at) => ids.slice(at + 1).map((to) => edge(from, to)));
      return { nodes, edges: edges.slice(0, LIMIT.workflowEdges.max + 1) };
    },
  },
  bad(
    "bodies within bodies without end",
    "too_deep",
    "/nodes/a/body".repeat(LIMIT.workflowDepth.max + 1),
    nested(LIMIT.workflowDepth.max + 1, value(1), mapOf),
  ),
  // ── the graph ──
  bad("a circle of two", "cycle", "/nodes/a", {
    nodes: { a: value(1), b: value(2) },
    edges: [edge("a", "b"), edge("b", "a")],
  }),
  bad("a circle of three behind a start", "cycle", "/nodes/a", {
    nodes: { s: value(0), a: value(1), b: value(2), c: value(3) },
    edges: [edge("s", "a"), edge("a", "b"), edge("b", "c"), edge("c", "a")],
  }),
  bad("a node that waits for itself", "self_edge", "/edges/0", {
    nodes: { a: value(1) },
    edges: [edge("a", "a")],
  }),
  bad(
    "a circle in the body of a map",
    "cycle",
    "/nodes/a/body/nodes/x",
    only(mapOf({ nodes: { x: value(1), y: value(2) }, edges: [edge("x", "y"), edge("y", "x")] })),
  ),
  bad("an edge from nowhere", "unknown_node", "/edges/0/from", {
    nodes: { a: value(1) },
    edges: [edge("ghost", "a")],
  }),
  bad("an edge to nowhere", "unknown_node", "/edges/0/to", {
    nodes: { a: value(1) },
    edges: [edge("a", "ghost")],
  }),
  bad("an edge to what every object has", "unknown_node", "/edges/0/to", {
    nodes: { a: value(1), b: value(2) },
    edges: [edge("a", "toString")],
  }),
  bad("the same edge twice", "double_edge", "/edges/1", {
    nodes: { a: value(1), b: value(2) },
    edges: [edge("a", "b"), edge("a", "b")],
  }),
  bad("two edges that are never both taken", "unreachable", "/edges/1", {
    nodes: { a: value(1), b: value(2) },
    edges: [edge("a", "b"), edge("a", "b", "failed")],
  }),
  bad("a label that a node never takes", "unknown_label", "/edges/0/on", {
    nodes: { a: value(1), b: value(2) },
    edges: [edge("a", "b", "sometimes")],
  }),
  bad("a join that waits for more than comes", "bad_count", "/nodes/j/count", {
    nodes: { a: value(1), j: { type: "join", count: 2 } },
    edges: [edge("a", "j")],
  }),
  bad("an undo that is not there", "unknown_node", "/nodes/a/undo", only(task({ undo: "ghost" }))),
  bad("a node that undoes itself", "bad_undo", "/nodes/a/undo", only(task({ undo: "a" }))),
  bad(
    "a once node that is tried twice",
    "once_retry",
    "/nodes/a/retry",
    only(task({ effect: "once", retry: { attempts: 2 } })),
  ),
  bad(
    "a cache on what has effects",
    "bad_cache",
    "/nodes/a/cache",
    only(http("https://api.example.org/", { cache: { ttlMs: 5 } })),
  ),
  bad(
    "a retry of a function",
    "bad_retry",
    "/nodes/a/retry",
    only({ ...value(1), retry: { attempts: 2 } }),
  ),
  bad("a timer without a time", "timer_needs_time", "/nodes/a", only({ type: "timer" })),
  bad(
    "a timer with two times",
    "timer_needs_time",
    "/nodes/a",
    only({ type: "timer", delayMs: 5, until: "inputs.at" }),
  ),
  // ── values and expressions ──
  bad(
    "an unknown function",
    "unknown_function",
    "/nodes/a/function",
    only({ type: "function", function: "eval", with: {} }),
  ),
  bad(
    "a function without its value",
    "missing_value",
    "/nodes/a/with",
    only({ type: "function", function: "sum", with: {} }),
  ),
  bad(
    "a function with a value too many",
    "unknown_value",
    "/nodes/a/with",
    only({ type: "function", function: "sum", with: { of: [], code: "x" } }),
  ),
  bad("an input that is not declared", "unknown_input", "/nodes/a/with/value", {
    ...only(value("${inputs.secret}")),
    inputs: { part: {} },
  }),
  bad(
    "a read of a node that is not there",
    "reads_unknown_node",
    "/nodes/a/with/value",
    only(value("${nodes.ghost.output}")),
  ),
  bad("a read of a node that comes later", "reads_later_node", "/nodes/a/with/value", {
    nodes: { a: value("${nodes.b.output}"), b: value(1) },
    edges: [edge("a", "b")],
  }),
  bad("a read of a node beside it", "reads_later_node", "/nodes/a/with/value", {
    nodes: { a: value("${nodes.b.output}"), b: value(1) },
    edges: [],
  }),
  expression("an expression that ends too early", "cel_syntax", "1 +"),
  bad(
    "an expression without its brace",
    "cel_syntax",
    "/nodes/a/with/value",
    only(value("${inputs.x")),
  ),
  expression("a name that is not there", "cel_unknown_name", "process.env"),
  expression("the global object", "cel_unknown_name", "globalThis"),
  expression("a call of the runtime", "cel_unknown_function", "require('fs')"),
  expression(
    "a constructor's constructor",
    "cel_unknown_function",
    "''.constructor('return process')",
  ),
  expression("all nodes at once", "cel_syntax", "nodes"),
  expression("a member that nodes do not have", "cel_no_such_member", "nodes.a.secret"),
  expression("a bomb of text", "cel_too_large", `"${chars(LIMIT.celChars.max)}"`),
  expression("a bomb of brackets", "cel_too_large", `${"(".repeat(500)}1${")".repeat(500)}`),
  expression(
    "a bomb of terms",
    "cel_too_large",
    Array.from({ length: LIMIT.celNodes.max }, () => "1").join("+"),
  ),
  expression("a bomb of not", "cel_too_large", `${"!".repeat(200)}true`),
  // ── work without end ──
  bad(
    "a loop that is always true",
    "endless_loop",
    "/nodes/a/while",
    only({ type: "loop", while: "true", body: only(value(1)) }),
  ),
  bad(
    "a loop on what never changes",
    "endless_loop",
    "/nodes/a/while",
    only({ type: "loop", while: "inputs.on == true", body: only(value(1)) }),
  ),
  bad(
    "a loop of a million rounds",
    "bad_field",
    "/nodes/a/maxRounds",
    only({ type: "loop", while: "round < 9", maxRounds: 1_000_000, body: only(value(1)) }),
  ),
  bad(
    "loops within loops",
    "too_many_rounds",
    "/nodes/a/body/nodes/a/maxRounds",
    nested(2, task(), loopOf),
  ),
  bad(
    "maps of calls within maps",
    "spawn_calls",
    "/nodes/a/body/nodes/a/body/nodes/a/body/nodes/a",
    nested(3, task(), mapOf),
  ),
  bad(
    "models within maps within maps",
    "spawn_calls",
    "/nodes/a/body/nodes/a/body/nodes/a",
    nested(2, { type: "agent", prompt: "x" }, mapOf),
  ),
  // ── addresses that lead inward ──
  ...(
    [
      ["the metadata service", "url_not_public", "http://169.254.169.254/latest/meta-data/"],
      [
        "the metadata service by name",
        "url_not_public",
        "http://metadata.google.internal/computeMetadata/v1/",
      ],
      ["the metadata service over IPv6", "url_not_public", "http://[fd00:ec2::254]/latest/"],
      ["loopback", "url_not_public", "http://127.0.0.1:8080/api"],
      ["localhost", "url_not_public", "http://localhost/"],
      ["localhost with a dot", "url_not_public", "http://LOCALHOST./"],
      ["loopback over IPv6", "url_not_public", "http://[::1]/"],
      ["loopback as one decimal number", "url_not_public", "http://2130706433/"],
      ["loopback in hexadecimal", "url_not_public", "http://0x7f000001/"],
      ["loopback in octal", "url_not_public", "http://0177.0.0.1/"],
      ["loopback, short", "url_not_public", "http://127.1/"],
      ["loopback in full-width digits", "url_not_public", "http://１２７.０.０.１/"],
      ["loopback, percent-encoded", "url_not_public", "http://%31%32%37.0.0.1/"],
      ["loopback mapped into IPv6", "url_not_public", "http://[::ffff:7f00:1]/"],
      ["loopback behind NAT64", "url_not_public", "http://[64:ff9b::7f00:1]/"],
      ["every address of this machine", "url_not_public", "http://0.0.0.0/"],
      ["a private network", "url_not_public", "http://10.0.0.8/"],
      ["link-local over IPv6", "url_not_public", "http://[fe80::1]/"],
      ["a user that looks like the host", "url_credentials", "http://api.example.org@127.0.0.1/"],
      ["a password", "url_credentials", "https://me:secret@api.example.org/"],
      ["a file", "url_scheme", "file:///etc/passwd"],
      ["gopher to a database", "url_scheme", "gopher://127.0.0.1:6379/_FLUSHALL"],
      ["a scheme with an expression behind it", "url_scheme", "file://${inputs.path}"],
      ["no address", "bad_url", "/relative/path"],
    ] as const
  ).map(([title, code, url]) => bad(`a call of ${title}`, code, "/nodes/a/url", only(http(url)))),
  bad(
    "a call inward in the body of a map",
    "url_not_public",
    "/nodes/a/body/nodes/a/url",
    only({ type: "map", over: "[1]", body: only(http("http://127.0.0.1/${item}")) }),
  ),
];

const patch = (
  title: string,
  code: string,
  pointer: string,
  operations: unknown,
  by?: BadPatch["by"],
): BadPatch => ({
  title,
  code,
  pointer,
  operations: () => operations,
  ...(by === undefined ? {} : { by }),
});
const add = (id: string, node: unknown): object => ({ op: "addNode", id, node });

/** On RUN of bad-cases.test.ts: done -> going -> open -> last, and an agent `planner`. */
export const BAD_PATCHES: readonly BadPatch[] = [
  patch("no list", "bad_draft", "/operations", { op: "addNode" }),
  patch("nothing", "empty_patch", "/operations", []),
  patch("nothing that changes anything", "empty_patch", "/operations", [
    { op: "setNode", id: "open", at: "/with/value", value: 3 },
  ]),
  patch("an operation that is none", "bad_draft", "/operations/0", ["remove everything"]),
  patch("an unknown operation", "bad_draft", "/operations/0/op", [
    { op: "exec", path: "/nodes/a" },
  ]),
  patch("a pointer without a slash", "bad_draft", "/operations/0/path", [
    { op: "remove", path: "nodes/open" },
  ]),
  patch("the whole graph", "place_not_open", "/operations/0/path", [
    { op: "replace", path: "", value: {} },
  ]),
  patch("all nodes", "place_not_open", "/operations/0/path", [
    { op: "replace", path: "/nodes", value: {} },
  ]),
  patch("what the run was given", "place_not_open", "/operations/0/path", [
    { op: "add", path: "/inputs/x", value: {} },
  ]),
  patch("an edge by its place", "place_by_number", "/operations/1/path", [
    { op: "add", path: "/edges/-", value: edge("last", "planner") },
    { op: "remove", path: "/edges/0" },
  ]),
  patch("a member of an edge by its place", "place_by_number", "/operations/0/path", [
    { op: "replace", path: "/edges/0/to", value: "last" },
  ]),
  patch("__proto__ in a pointer", "prototype_key", "/operations/0/path", [
    { op: "add", path: "/nodes/__proto__/polluted", value: 1 },
  ]),
  patch("__proto__ within a node's pointer", "prototype_key", "/operations/0/at", [
    { op: "setNode", id: "open", at: "/with/__proto__/polluted", value: 1 },
  ]),
  patch("constructor.prototype in a pointer", "prototype_key", "/operations/0/path", [
    { op: "add", path: "/nodes/open/constructor/prototype/x", value: 1 },
  ]),
  {
    ...patch("__proto__ in a value", "prototype_key", "/operations/0/value/with/__proto__", []),
    operations: () =>
      JSON.parse(
        '[{"op":"add","path":"/nodes/x","value":{"type":"function","with":{"__proto__":{"polluted":1}}}}]',
      ) as unknown,
  },
  {
    ...patch("more operations than the bound", "patch_too_large", "/operations", []),
    operations: () =>
      Array.from({ length: LIMIT.patchOperations.max + 1 }, (_, at) => add(`n${at}`, value(at))),
  },
  {
    ...patch("10 MB", "patch_too_large", "/operations", []),
    operations: () => [add("x", value(chars(10_000_000)))],
  },
  {
    ...patch("a value a hundred deep", "patch_too_large", "/operations", []),
    operations: () => [add("x", value(JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`)))],
  },
  patch("an id that is none", "bad_id", "/operations/0", [add("../x", value(1))]),
  patch("a node that is there", "node_exists", "/operations/0", [add("open", value(1))]),
  patch("a node that is not there", "no_node", "/operations/0", [
    { op: "removeNode", id: "ghost" },
  ]),
  patch("an edge that is not there", "no_edge", "/operations/0", [
    { op: "removeEdge", edge: edge("last", "done") },
  ]),
  patch("an edge that is there", "edge_exists", "/operations/0", [
    { op: "addEdge", edge: edge("open", "last") },
  ]),
  patch("an edge to a node that is not there", "no_node", "/operations/1", [
    add("x", value(1)),
    { op: "addEdge", edge: edge("x", "ghost") },
  ]),
  patch("a test that fails", "test_failed", "/operations/0", [
    { op: "test", path: "/nodes/open/function", value: "sum" },
    { op: "remove", path: "/nodes/last" },
  ]),
  patch("a move into itself", "into_itself", "/operations/0", [
    { op: "move", from: "/nodes/open", path: "/nodes/open/with" },
  ]),
  patch("a node that leaves its edges behind", "unknown_node", "/edges/1/to", [
    { op: "remove", path: "/nodes/open" },
  ]),
  patch("a circle", "cycle", "/nodes/last", [{ op: "addEdge", edge: edge("last", "open") }]),
  patch("a node of no type", "bad_field", "/nodes/x/type", [add("x", { type: "shell" })]),
  patch("a read of what comes later", "reads_later_node", "/nodes/open/with/value", [
    { op: "setNode", id: "open", at: "/with/value", value: "${nodes.last.output}" },
  ]),
  patch("the removal of what another reads", "reads_unknown_node", "/nodes/last/with/value", [
    { op: "removeNode", id: "open" },
  ]),
  patch("an endless loop", "endless_loop", "/nodes/x/while", [
    add("x", { type: "loop", while: "true", body: only(value(1)) }),
  ]),
  patch("a node that is done", "node_passed", "/nodes/done", [
    { op: "setNode", id: "done", at: "/with/value", value: 9 },
  ]),
  patch("a node that runs", "node_dispatched", "/nodes/going", [
    { op: "setNode", id: "going", at: "/title", value: "x" },
  ]),
  patch("an edge into a node that runs", "edge_into_passed", "/nodes/going", [
    add("x", value(1)),
    { op: "addEdge", edge: edge("x", "going") },
  ]),
  patch("an edge into the past", "edge_into_passed", "/nodes/done", [
    add("x", value(1)),
    { op: "addEdge", edge: edge("x", "done") },
  ]),
  patch("a call of the metadata service", "url_not_public", "/nodes/x/url", [
    add("x", http("http://169.254.169.254/")),
  ]),
  patch(
    "a call of loopback in hexadecimal",
    "url_not_public",
    "/nodes/x/url",
    [add("x", http("http://0x7f.0.0.1/${inputs.path}"))],
    "agent",
  ),
  patch("a call that another host hides in", "url_credentials", "/nodes/x/url", [
    add("x", http("https://api.example.org@10.0.0.1/")),
  ]),
  patch("a host that nobody has listed", "host_not_allowed", "/nodes/x/url", [
    add("x", http("https://evil.example.com/")),
  ]),
  patch(
    "a call by somebody who may not",
    "type_not_allowed",
    "/nodes/x/type",
    [add("x", http("https://api.example.org/"))],
    "operator",
  ),
  patch(
    "anything by somebody who may only look",
    "type_not_allowed",
    "/nodes/x/type",
    [add("x", value(1))],
    "viewer",
  ),
  patch(
    "a print by an agent",
    "hazard_not_allowed",
    "/nodes/x/capability",
    [add("x", task({ capability: "print:mk4" }))],
    "agent",
  ),
  patch(
    "a once node by an agent",
    "once_not_allowed",
    "/nodes/x/effect",
    [add("x", task({ effect: "once" }))],
    "agent",
  ),
  patch(
    "an agent that gives itself more rights",
    "agent_powers",
    "/nodes/x",
    [add("x", { type: "agent", prompt: "x", patches: "apply" })],
    "agent",
  ),
  patch(
    "maps of calls within maps",
    "spawn_calls",
    "/nodes/x/body/nodes/a/body/nodes/a/body/nodes/a",
    [add("x", mapOf(nested(2, task(), mapOf)))],
  ),
  {
    ...patch("six hundred nodes by an agent", "spawn_nodes", "/nodes/n0", []),
    by: "agent",
    operations: () => Object.entries(many(600)).map(([id, node]) => add(id, node)),
  },
];

/** Expressions that can be read, and cost more than they may: the node fails, and the hub goes on. */
export const COSTLY: readonly (readonly [title: string, expression: string])[] = [
  [
    "lists within lists",
    `${LIST}.map(a, ${LIST}.map(b, ${LIST}.map(c, ${LIST}.map(d, a + b + c + d))))`,
  ],
  [
    "a text that grows and grows",
    `${LIST}.map(a, "${chars(4_000)}".replace("x", "${chars(4_000)}"))`,
  ],
  [
    "every item compared with every other",
    `${LIST}.all(a, ${LIST}.all(b, ${LIST}.all(c, ${LIST}.all(d, a + b + c + d >= 0))))`,
  ],
];
