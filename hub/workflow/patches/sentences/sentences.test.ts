import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { edgeKey } from "../changes.ts";
import { makeGraph } from "../judge.ts";
import { graphOf, value } from "../testing/patched-run.ts";
import { type Reading, readSentence } from "./sentences.ts";
import { durationMs } from "./values.ts";

const FLOW = graphOf({
  nodes: {
    fetch: { type: "http", url: "https://api.example.org/parts", title: "Get the parts" },
    slice: { type: "task", capability: "command:slice", with: { layer: 0.2 } },
    ask: { type: "approval", question: "Print?" },
    print: { type: "task", capability: "command:print" },
    "tell-no": value("no"),
  },
  edges: [
    { from: "fetch", to: "slice" },
    { from: "slice", to: "ask" },
    { from: "ask", to: "print" },
    { from: "ask", to: "tell-no", on: "rejected" },
  ],
});
const LINE = graphOf({
  nodes: { a: value(1), b: value("${nodes.a.output}") },
  edges: [{ from: "a", to: "b" }],
});
const MACHINES = ["command:sendmail", "command:slice"];

const read = (sentence: string, graph: Graph = FLOW, capabilities = MACHINES): Reading =>
  readSentence({ graph, capabilities }, sentence);

/** The graph that comes of it, as nodes and edges; the judge has found it whole. */
function madeOf(sentence: string, graph: Graph = FLOW): Graph {
  const reading = read(sentence, graph);
  if (reading.kind !== "patch") throw new Error(JSON.stringify(reading));
  const made = makeGraph(graph, reading.operations);
  if (made.kind === "faults") throw new Error(JSON.stringify(made.faults));
  return made.graph;
}
const edgesOf = (graph: Graph): readonly string[] =>
  graph.edges
    .map(({ from, to, on }) => `${from}>${to}${on === undefined ? "" : `:${on}`}`)
    .toSorted();

describe("sentences that need no model", () => {
  it("[A98] add an email notification at the end", () => {
    const graph = madeOf(
      'Add an email notification to bob@example.org saying "done" at the end',
      LINE,
    );
    expect(graph.nodes["email"]).toMatchObject({
      type: "task",
      capability: "command:sendmail",
      with: { to: "bob@example.org", text: "done" },
    });
    expect(edgesOf(graph)).toEqual(["a>b", "b>email"]);
  });

  it.each([
    [
      "add a pause of 5 minutes after slice",
      { pause: { type: "timer", delayMs: 300_000 } },
      ["pause>ask", "slice>pause"],
    ],
    [
      'please insert an approval asking "Enough filament?" before print.',
      { approval: { type: "approval", question: "Enough filament?" } },
      ["approval>print", "ask>approval"],
    ],
    [
      "add a call to https://erp.example.org/parts between fetch and slice",
      { call: { type: "http", method: "POST", url: "https://erp.example.org/parts" } },
      ["call>slice", "fetch>call"],
    ],
    [
      "add a GET request to https://x.example.org/y after the Get the parts step",
      { call: { method: "GET" } },
      ["call>slice", "fetch>call"],
    ],
    [
      "add a task sendmail called tell after print",
      { tell: { type: "task", capability: "command:sendmail" } },
      ["print>tell"],
    ],
    [
      "add an agent that sums up the parts after slice",
      { agent: { type: "agent", prompt: "sums up the parts" } },
      ["agent>ask", "slice>agent"],
    ],
  ])("%s", (sentence, nodes, edges) => {
    const graph = madeOf(sentence);
    expect(graph.nodes).toMatchObject(nodes);
    expect(edgesOf(graph)).toEqual(expect.arrayContaining(edges));
  });

  it("what is put after an approval comes after its yes, and its no stays where it was", () => {
    const graph = madeOf("add a pause of 1 h after ask");
    expect(edgesOf(graph)).toEqual([
      "ask>pause",
      "ask>tell-no:rejected",
      "fetch>slice",
      "pause>print",
      "slice>ask",
    ]);
  });

  it("remove leads what came before on to what came after", () => {
    expect(edgesOf(madeOf("remove the slice step"))).toEqual([
      "ask>print",
      "ask>tell-no:rejected",
      "fetch>ask",
    ]);
  });

  it("skip leaves the node where it is, with nothing in it", () => {
    const graph = madeOf("skip slice");
    expect(graph.nodes["slice"]).toMatchObject({ type: "function", title: "skipped: slice" });
    expect(edgesOf(graph)).toEqual(edgesOf(FLOW));
    expect(edgesOf(madeOf("skip ask"))).toEqual(["ask>print", "fetch>slice", "slice>ask"]);
  });

  it.each([
    ["retry fetch 3 times", "fetch", { retry: { attempts: 4 } }],
    ["retry print twice if it fails", "print", { retry: { attempts: 3 } }],
    [
      "change the url of fetch to https://other.example.org/",
      "fetch",
      { url: "https://other.example.org/" },
    ],
    ["set the timeout of slice to 10 minutes", "slice", { timeoutMs: 600_000 }],
    ["change layer of slice to 0.1", "slice", { with: { layer: 0.1 } }],
    ['set with.layer of slice to "fine"', "slice", { with: { layer: "fine" } }],
    ["change the title of print to Print it", "print", { title: "Print it" }],
  ])("%s", (sentence, id, node) => {
    expect(madeOf(sentence).nodes[id]).toMatchObject(node);
  });

  it("connect and disconnect", () => {
    expect(edgesOf(madeOf("connect fetch to print"))).toContain("fetch>print");
    expect(edgesOf(madeOf("disconnect tell no from ask"))).not.toContain("ask>tell-no:rejected");
  });
});

describe("what may mean several things is asked back (SN1)", () => {
  const TWINS = graphOf({
    nodes: { "mail-ada": value(1), "mail-bob": value(2), end: value(3) },
    edges: [
      { from: "mail-ada", to: "end" },
      { from: "mail-bob", to: "end" },
    ],
  });

  it.each([
    ["remove mail", ["mail-ada", "mail-bob"]],
    ["skip the first step", ["mail-ada", "mail-bob"]],
    ["retry nothing 3 times", ["mail-ada", "mail-bob", "end"]],
    ["add a pause of 1 s at the beginning", ["mail-ada", "mail-bob"]],
    ["change colour of end to red", ["function", "with"]],
  ])("[A98] %s", (sentence, choices) => {
    const reading = read(sentence, TWINS);
    expect(reading).toMatchObject({ kind: "question", choices });
    expect(reading.kind === "question" && reading.question).toMatch(/\?|Say/);
  });

  it("who sends the email, if no machine does, or if two do", () => {
    const sentence = "add an email notification at the end";
    expect(read(sentence, LINE, [])).toMatchObject({ kind: "question", choices: [] });
    const two = ["command:mail-in", "command:mail-out"];
    expect(read(sentence, LINE, two)).toMatchObject({ kind: "question", choices: two });
  });

  it("which way to go, where a branch is to be skipped", () => {
    const graph = graphOf({
      nodes: {
        which: { type: "branch", cases: [{ when: "true", take: "left" }], otherwise: "right" },
        l: value(1),
      },
      edges: [{ from: "which", to: "l", on: "left" }],
    });
    expect(read("skip which", graph)).toMatchObject({
      kind: "question",
      choices: ["left", "right"],
    });
  });
});

it("anything else is left to a model (SN3)", () => {
  for (const sentence of [
    "make it nicer",
    "hello",
    "add love at the end of a",
    "add poetry after fetch",
  ])
    expect(read(sentence).kind).toBe("unknown");
});

it("whatever is said, it answers, quickly, and what it makes is a patch that may be judged", () => {
  const words = fc.constantFrom(
    "add",
    "remove",
    "a",
    "fetch",
    "slice",
    "before",
    "after",
    "between",
    "and",
    "at the end",
    "skip",
    "retry",
    "3 times",
    "change",
    "url",
    "of",
    "to",
    "pause",
    "5 minutes",
    "__proto__",
    "constructor",
    '"',
    "'",
    "${inputs.x}",
    "email",
    "ask",
    "connect",
    "-",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(words, { maxLength: 12 }).map((all) => all.join(" ")),
        fc.string({ maxLength: 1_000 }),
      ),
      (sentence) => {
        const reading = read(sentence);
        const choices = reading.kind === "question" ? reading.choices : [];
        expect(choices.length).toBeLessThanOrEqual(20);
        const made = makeGraph(FLOW, reading.kind === "patch" ? reading.operations : []);
        const edges = made.kind === "graph" ? made.graph.edges.map(edgeKey) : [];
        expect(new Set(edges).size).toBe(edges.length);
      },
    ),
    { numRuns: 3_000, seed: 20_261_122 },
  );
});

it.each([
  ["5 minutes", 300_000],
  ["1.5 h", 5_400_000],
  ["90s", 90_000],
  ["2 days", 172_800_000],
  ["250 ms", 250],
  ["soon", undefined],
  ["0 s", undefined],
  ["5 parsecs", undefined],
])("%s is %s ms", (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});
