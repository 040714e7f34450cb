import { describe, expect, it } from "vitest";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { tryCompile } from "../compile.ts";
import type { Json } from "../json-value.ts";
import { applyNodePatch } from "../node-patch.ts";
import { optimize } from "./optimize.ts";
import { type PassName, PASSES } from "./pass.ts";

function graphOf(given: unknown): Graph {
  const made = tryCompile(given);
  if ("faults" in made) throw new Error(JSON.stringify(made.faults));
  return made.plan.graph;
}

const only = (pass: PassName): Partial<Record<PassName, boolean>> =>
  Object.fromEntries(PASSES.map((one) => [one, one === pass]));
const by = (pass: PassName, given: unknown): ReturnType<typeof optimize> =>
  optimize(graphOf(given), { passes: only(pass) });

const get = (url: string): object => ({ type: "http", url, effect: "pure" });
const value = (of: Json): object => ({ type: "function", function: "value", with: { value: of } });
const sum = (of: Json): object => ({ type: "function", function: "sum", with: { of } });
const lines = ({ edges }: Graph): readonly string[] =>
  edges
    .map(({ from, to, on }) => `${from} > ${to}${on === undefined ? "" : ` on ${on}`}`)
    .toSorted();
const withOf = (graph: Graph, id: string): unknown => {
  const node = graph.nodes[id];
  return node?.type === "function" ? node.with : undefined;
};

describe("the passes, one by one", () => {
  it("HTTP coalescing: equal pure GETs are one call, the other takes its answer", () => {
    const { graph, steps } = by("http-coalescing", {
      nodes: {
        a: get("https://x.org/1"),
        b: get("https://x.org/1"),
        c: get("https://x.org/2"),
        end: value("${nodes.b.output}"),
      },
      edges: [
        { from: "b", to: "end" },
        { from: "a", to: "end" },
      ],
    });
    expect(withOf(graph, "b")).toEqual({ value: "${nodes.a.output}" });
    expect(graph.nodes["c"]?.type).toBe("http");
    expect(lines(graph)).toContain("a > b");
    expect(steps[0]?.notes).toEqual(['"b" asks the same as "a" and takes its answer']);
  });

  it.each([
    ["a GET that does not say that it is pure", { type: "http", url: "https://x.org/1" }],
    ["a POST", { type: "http", url: "https://x.org/1", method: "POST", effect: "pure" }],
    ["another header", { ...get("https://x.org/1"), headers: { accept: "text/plain" } }],
    ["one that is undone", { ...get("https://x.org/1"), undo: "back" }],
  ])("HTTP coalescing leaves %s alone", (_title, other) => {
    const nodes = {
      a: get("https://x.org/1"),
      b: other,
      end: { type: "join" },
      ...("undo" in other ? { back: get("https://x.org/back") } : {}),
    };
    const { steps } = by("http-coalescing", {
      nodes,
      edges: [
        { from: "a", to: "end" },
        { from: "b", to: "end" },
      ],
    });
    expect(steps).toEqual([]);
  });

  it("[A35] common subexpressions: a function over the same values is worked out once", () => {
    const { graph } = by("common-subexpressions", {
      nodes: {
        a: get("https://x.org/1"),
        s: sum(["${nodes.a.output}", 1]),
        t: sum(["${nodes.a.output}", 1]),
        end: { type: "join" },
      },
      edges: [
        { from: "a", to: "s" },
        { from: "a", to: "t" },
        { from: "s", to: "end" },
        { from: "t", to: "end" },
      ],
    });
    expect(withOf(graph, "t")).toEqual({ value: "${nodes.s.output}" });
  });

  it("common subexpressions: not where one may run without the other", () => {
    const { steps } = by("common-subexpressions", {
      nodes: {
        a: { type: "task", capability: "x" },
        b: { type: "task", capability: "x" },
        s: sum([1]),
        t: sum([1]),
        end: { type: "join" },
      },
      edges: [
        { from: "a", to: "s" },
        { from: "b", to: "t" },
        { from: "s", to: "end" },
        { from: "t", to: "end" },
      ],
    });
    expect(steps).toEqual([]);
  });

  it("[A37] dead paths: what a constant branch never takes goes, what has effects stays", () => {
    const given = {
      nodes: {
        b: { type: "branch", cases: [{ when: "1 < 2", take: "yes" }], otherwise: "no" },
        yes: value(1),
        no: value(2),
        later: value("${nodes.no.output}"),
        tell: { type: "http", method: "POST", url: "https://x.org/" },
      },
      edges: [
        { from: "b", to: "yes", on: "yes" },
        { from: "b", to: "no", on: "no" },
        { from: "no", to: "later" },
        { from: "b", to: "tell", on: "no" },
      ],
    };
    const { graph, steps } = by("dead-paths", { ...given, output: "${nodes.yes.output}" });
    expect(Object.keys(graph.nodes).toSorted()).toEqual(["b", "tell", "yes"]);
    expect(lines(graph)).toEqual(["b > tell on no", "b > yes on yes"]);
    expect(steps[0]).toMatchObject({
      before: { nodes: 5, edges: 4 },
      after: { nodes: 3, edges: 2 },
    });
    expect(by("dead-paths", given).steps).toEqual([]); // it shows in the result
  });

  it("[A38] safe parallelisation: two fetches in a row, each with what is made of it, side by side", () => {
    const { graph } = by("parallelisation", {
      nodes: {
        fetch_A: get("https://x.org/a"),
        parse_A: {
          type: "function",
          function: "get",
          with: { from: "${nodes.fetch_A.output}", path: ["body"] },
        },
        fetch_B: get("https://x.org/b"),
        parse_B: {
          type: "function",
          function: "get",
          with: { from: "${nodes.fetch_B.output}", path: ["body"] },
        },
        merge: {
          type: "function",
          function: "object",
          with: { a: "${nodes.parse_A.output}", b: "${nodes.parse_B.output}" },
        },
      },
      edges: [
        { from: "fetch_A", to: "parse_A" },
        { from: "parse_A", to: "fetch_B" },
        { from: "fetch_B", to: "parse_B" },
        { from: "parse_B", to: "merge" },
      ],
    });
    expect(lines(graph)).toEqual([
      "fetch_A > parse_A",
      "fetch_A > parse_B",
      "fetch_B > parse_B",
      "parse_A > parse_B",
      "parse_B > merge",
    ]);
  });

  it.each([
    ["reads the first", { ...get("https://x.org/${nodes.a.output}") }, {}],
    ["may fail before it begins", { ...get("https://x.org/${nodes.z.output.id}") }, {}],
    ["is not pure", { type: "http", url: "https://x.org/" }, {}],
    [
      "may fail where an effect follows the first alone",
      get("https://x.org/b"),
      { tell: { type: "task", capability: "tell" } },
    ],
  ])("[A38] safe parallelisation: not if the second %s", (_title, second, more) => {
    const { steps } = by("parallelisation", {
      nodes: {
        z: get("https://x.org/z"),
        a: get("https://x.org/a"),
        b: second,
        end: { type: "artifact", name: "x", value: 1 },
        ...more,
      },
      edges: [
        { from: "z", to: "a" },
        { from: "a", to: "b" },
        { from: "b", to: "end" },
        ...(Object.hasOwn(more, "tell") ? [{ from: "a", to: "tell" }] : []),
      ],
    });
    expect(steps.flatMap(({ notes }) => notes).filter((note) => note.startsWith('"b"'))).toEqual(
      [],
    );
  });

  it("[A36] loop invariants: what no round changes is worked out before the loop", () => {
    const { graph, steps } = by("loop-invariants", {
      nodes: {
        first: { type: "task", capability: "x" },
        again: {
          type: "loop",
          while: "round < 3",
          body: {
            nodes: {
              key: { type: "function", function: "sha256", with: { value: "salt" } },
              use: {
                type: "task",
                capability: "x",
                with: { key: "${nodes.key.output}", round: "${round}" },
              },
              own: { type: "function", function: "object", with: { round: "${round}" } },
              risky: sum(["${inputs.n}"]),
            },
            edges: [{ from: "key", to: "use" }],
          },
        },
      },
      edges: [{ from: "first", to: "again" }],
    });
    expect(lines(graph)).toEqual(["again-key > again", "first > again", "first > again-key"]);
    const again = graph.nodes["again"];
    expect(again?.type === "loop" && withOf(again.body, "key")).toEqual({
      value: '${nodes["again-key"].output}',
    });
    expect(steps[0]?.notes).toHaveLength(1);
  });

  it("[A34] predicate pushdown: a filter after a map goes before it, and stays", () => {
    const { graph, steps } = by("predicate-pushdown", {
      nodes: {
        each: {
          type: "map",
          over: "inputs.parts",
          body: {
            nodes: { look: get("https://x.org/look") },
            edges: [],
            output: { part: "${item}", seen: "${nodes.look.output}" },
          },
        },
        gears: value('${nodes.each.output.filter(v, v.part.kind == "gear")}'),
      },
      edges: [{ from: "each", to: "gears" }],
    });
    const each = graph.nodes["each"];
    expect(each?.type === "map" && each.over).toBe(
      'type(inputs.parts) == "list" && size(inputs.parts) <= 500 ? inputs.parts.filter(kept_item, (!(type(kept_item) == "map" && "kind" in kept_item) || kept_item["kind"] == "gear")) : inputs.parts',
    );
    expect(withOf(graph, "gears")).toEqual({
      value: '${nodes.each.output.filter(v, v.part.kind == "gear")}',
    });
    expect(steps).toHaveLength(1);
  });

  it.each([
    ["of what the body made", "v.seen == 1", {}],
    ["that could fail in ways not known beforehand", "size(v.part) > 1", {}],
    ["after a body with effects", 'v.part == "x"', { look: { type: "task", capability: "x" } }],
    [
      "after a body that counts its items",
      'v.part == "x"',
      { look: { ...get("https://x.org/${index}") } },
    ],
  ])("predicate pushdown: not a test %s", (_title, test, nodes) => {
    const { steps } = by("predicate-pushdown", {
      nodes: {
        each: {
          type: "map",
          over: "inputs.parts",
          body: {
            nodes: { look: get("https://x.org/look"), ...nodes },
            edges: [],
            output: { part: "${item}", seen: "${nodes.look.output}" },
          },
        },
        some: value(`\${nodes.each.output.filter(v, ${test})}`),
      },
      edges: [{ from: "each", to: "some" }],
    });
    expect(steps).toEqual([]);
  });

  it("cache marks: pure calls keep their answers, and nothing else", () => {
    const { graph } = optimize(
      graphOf({
        nodes: {
          a: get("https://x.org/1"),
          b: { type: "http", url: "https://x.org/1" },
          c: sum([1]),
        },
        edges: [],
      }),
      { passes: only("cache-marks"), cacheTtlMs: 1_000 },
    );
    expect(Object.values(graph.nodes).map(({ cache }) => cache?.ttlMs)).toEqual([
      1_000,
      undefined,
      undefined,
    ]);
  });
});

describe("the optimizer", () => {
  const given = graphOf({
    nodes: { a: get("https://x.org/1"), b: get("https://x.org/1"), end: { type: "join" } },
    edges: [
      { from: "a", to: "end" },
      { from: "b", to: "end" },
    ],
  });

  it("[A41] tells each step before and after, as a patch that leads from one to the other", () => {
    const { graph, steps } = optimize(given);
    let here: Json = given as unknown as Json;
    for (const { operations, after, notes } of steps) {
      const made = tryCompile(applyNodePatch(here, operations).result);
      if ("faults" in made) throw new Error("a step that does not compile");
      here = made.plan.graph as unknown as Json;
      const again = tryCompile(here);
      expect("plan" in again && again.plan.hash).toBe(after.hash);
      expect(notes.length).toBeGreaterThan(0);
    }
    expect(here).toEqual(graph);
    expect(steps.map(({ pass }) => pass)).toEqual(["http-coalescing", "cache-marks"]);
    expect(steps[0]?.after.hash).toBe(steps[1]?.before.hash);
  });

  it("[A41] every pass can be switched off, and with all of them off nothing changes", () => {
    for (const pass of PASSES) {
      expect(
        optimize(given, { passes: { [pass]: false } }).steps.map((step) => step.pass),
      ).not.toContain(pass);
    }
    const off = Object.fromEntries(PASSES.map((pass) => [pass, false]));
    expect(optimize(given, { passes: off })).toEqual({ graph: given, steps: [], leftOut: [] });
  });

  it("has nothing more to do the second time", () => {
    expect(optimize(optimize(given).graph).steps).toEqual([]);
  });
});
