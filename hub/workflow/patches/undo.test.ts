import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "@gantry/shared/base/digest.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { edgeKey } from "./changes.ts";
import { differenceOf } from "./difference.ts";
import { judgeLibraryPatch } from "./library-patches.ts";
import { makeGraph } from "./judge.ts";
import { add, CHAIN, graphOf, link, value } from "./testing/patched-run.ts";
import { undoBetween } from "./undo.ts";

const IDS = ["a", "b", "c", "d", "e"] as const;
const id = fc.constantFrom(...IDS);
const operation = fc.oneof(
  id.map((name) => add(name, value(1))),
  id.map((name) => ({ op: "removeNode", id: name })),
  fc.tuple(id, fc.nat(3)).map(([name, of]) => ({
    op: "setNode",
    id: name,
    at: "/title",
    value: `title ${of}`,
  })),
  fc.tuple(id, id).map(([from, to]) => link(from, to)),
  fc.tuple(id, id).map(([from, to]) => ({ op: "removeEdge", edge: { from, to } })),
  fc.nat(3).map((of) => ({ op: "add", path: "/output", value: `out ${of}` })),
);
const patch = fc.array(operation, { minLength: 1, maxLength: 4 });
const START = graphOf({
  nodes: { a: value(1), b: value(2), c: value(3) },
  edges: [
    { from: "a", to: "b" },
    { from: "b", to: "c" },
  ],
});

/** The order of edges means nothing. */
const sorted = (graph: Graph): string =>
  digestOf({ ...graph, edges: graph.edges.map(edgeKey).toSorted() });
const judged = (graph: Graph, operations: unknown) =>
  judgeLibraryPatch(graph, { operations, reason: "why" }, []);

describe("a change backwards", () => {
  it("gives the graph that was before, whatever the change; the exact one its very hash", () => {
    let made = 0;
    fc.assert(
      fc.property(patch, (operations) => {
        const forth = judged(START, operations);
        if (forth.kind === "refused") return;
        made += 1;
        const back = makeGraph(forth.graph, forth.undo);
        expect(back).toMatchObject({ kind: "graph" });
        expect(back.kind === "graph" && sorted(back.graph)).toBe(sorted(START));
        const exact = makeGraph(forth.graph, forth.inverse);
        expect(exact.kind === "graph" && digestOf(exact.graph)).toBe(digestOf(START));
      }),
      { numRuns: 400, seed: 20_261_121 },
    );
    expect(made).toBeGreaterThan(40);
  });

  it("keeps what others have changed elsewhere since", () => {
    const one = judged(START, [add("d", value(4)), link("c", "d")]);
    const two =
      one.kind === "made" &&
      judged(one.graph, [{ op: "setNode", id: "a", at: "/title", value: "first" }]);
    if (one.kind !== "made" || two === false || two.kind !== "made") throw new Error("both fit");
    const back = makeGraph(two.graph, one.undo);
    expect(back).toMatchObject({ kind: "graph", graph: { nodes: { a: { title: "first" } } } });
    expect(back.kind === "graph" && Object.keys(back.graph.nodes)).toEqual(["a", "b", "c"]);
  });

  it("is refused where somebody changed the same since (UN1), or has led an edge there (UN2)", () => {
    const one = judged(START, [add("d", value(4)), link("c", "d")]);
    if (one.kind !== "made") throw new Error("it fits");
    const changed = judged(one.graph, [{ op: "setNode", id: "d", at: "/title", value: "mine" }]);
    const led = judged(one.graph, [add("e", value(5)), link("d", "e")]);
    if (changed.kind !== "made" || led.kind !== "made") throw new Error("both fit");
    expect(makeGraph(changed.graph, one.undo)).toMatchObject({ faults: [{ code: "test_failed" }] });
    expect(makeGraph(led.graph, one.undo)).toMatchObject({ kind: "faults" });
  });

  it("is nothing between two that are the same", () => {
    expect(undoBetween(START, START)).toEqual([]);
  });
});

describe("a difference", () => {
  it("[A64] names nodes and edges that are new, gone or changed, field by field", () => {
    const made = judged(CHAIN, [
      add("mail", { type: "http", url: "https://api.example.org/mail", method: "POST" }),
      link("c", "mail"),
      { op: "removeEdge", edge: { from: "b", to: "c" } },
      { op: "setNode", id: "c", at: "/with/value", value: 7 },
      { op: "removeNode", id: "planner" },
      { op: "add", path: "/output", value: "${nodes.c.output}" },
    ]);
    if (made.kind !== "made") throw new Error(JSON.stringify(made.faults));
    const found = differenceOf(CHAIN, made.graph);
    expect(found.nodes.map(({ id: name, change }) => `${name} ${change}`)).toEqual([
      "c changed",
      "planner removed",
      "mail added",
    ]);
    expect(found.nodes[0]?.fields).toEqual([
      { field: "with.value", before: "${nodes.b.output}", after: 7 },
    ]);
    expect(found.nodes[2]).toMatchObject({ type: "http" });
    expect(found.nodes[2]?.fields).toContainEqual({
      field: "url",
      after: "https://api.example.org/mail",
    });
    expect(found.edges).toEqual([
      { change: "removed", from: "b", to: "c" },
      { change: "added", from: "c", to: "mail" },
    ]);
    expect(found.output).toEqual({ field: "output", after: "${nodes.c.output}" });
  });

  it("of two that are the same is empty", () => {
    expect(differenceOf(CHAIN, CHAIN)).toEqual({ nodes: [], edges: [] });
  });
});
