// A patch for an older revision, and taking patches back.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "@gantry/shared/base/digest.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { edgeKey } from "./changes.ts";
import { judgeRevert, type RevertDraft } from "./revert.ts";
import type { PatchedRun, Verdict } from "./patch-types.ts";
import { graphAt, patchLines } from "./revisions.ts";
import {
  accept,
  add,
  agent,
  CHAIN,
  codesOf,
  context,
  graphOf,
  judge,
  link,
  patched,
  person,
  runOf,
  value,
} from "./testing/patched-run.ts";

const title = (id: string, text: string): unknown => ({
  op: "setNode",
  id,
  at: "/title",
  value: text,
});
const revert = (run: PatchedRun, patch: string, more: Partial<RevertDraft> = {}): Verdict =>
  judgeRevert(
    run,
    { author: person(), patch, reason: "back", ...more },
    context({ id: `r${run.patches.length}` }),
  );

/** The same graph, whatever the order of its edges. */
const shapeOf = (graph: Graph): string =>
  digestOf({ ...graph, edges: graph.edges.map(edgeKey).toSorted() });

describe("a patch made for an older revision", () => {
  it("[A92] follows what came since where they touch nothing of each other", () => {
    const run = patched(runOf(), [title("a", "first")]);
    const second = judge(run, [title("b", "second")], { baseRevision: 0 });
    expect(codesOf(second)).toEqual(["accepted"]);
    const after = accept(run, second);
    expect(after.graph.nodes["a"]?.title).toBe("first");
    expect(after.graph.nodes["b"]?.title).toBe("second");
  });

  it("[A92] is refused with whose patch is in the way, and where", () => {
    const run = patched(runOf(), [title("a", "first")], { author: agent() });
    const second = judge(run, [title("a", "second")], { baseRevision: 0 });
    if (second.kind !== "refused") throw new Error("not refused");
    expect(second.faults[0]).toMatchObject({ code: "in_the_way", pointer: "/nodes/a/title" });
    expect(second.faults[0]?.message).toContain("Revision 1 (p1, agent planner)");
  });

  it.each([
    ["the same member", [title("a", "1")], [title("a", "2")], "in_the_way"],
    [
      "another member",
      [title("a", "1")],
      [{ op: "setNode", id: "a", at: "/with/value", value: 2 }],
      "accepted",
    ],
    [
      "a member of a node that is gone",
      [{ op: "removeNode", id: "planner" }],
      [title("planner", "2")],
      "in_the_way",
    ],
    [
      "an edge to a node that is gone",
      [{ op: "removeNode", id: "planner" }],
      [link("c", "planner")],
      "in_the_way",
    ],
    [
      "a node whose edges have changed",
      [link("c", "planner")],
      [{ op: "removeNode", id: "planner" }],
      "in_the_way",
    ],
    ["a node of the same name", [add("d", value(1))], [add("d", value(2))], "in_the_way"],
    ["the same edge", [link("c", "planner")], [link("c", "planner")], "in_the_way"],
    ["another edge to the same node", [link("c", "planner")], [link("b", "planner")], "accepted"],
    [
      "what it has tested",
      [title("a", "1")],
      [{ op: "test", path: "/nodes/a", value: CHAIN.nodes["a"] }, title("b", "2")],
      "in_the_way",
    ],
    [
      "what it has copied",
      [title("a", "1")],
      [{ op: "copy", from: "/nodes/a", path: "/nodes/a2" }],
      "in_the_way",
    ],
    [
      "the output",
      [{ op: "add", path: "/output", value: 1 }],
      [{ op: "add", path: "/output", value: 2 }],
      "in_the_way",
    ],
  ])("over a patch that changed %s", (_title, first, second, code) => {
    const run = patched(runOf(), first);
    expect(codesOf(judge(run, second, { baseRevision: 0 }))).toEqual([code]);
  });

  it("is refused where the two together make no graph", () => {
    const base = graphOf({ nodes: { a: value(1), b: value(2) }, edges: [] });
    const run = patched(runOf(base), [link("a", "b")]);
    expect(codesOf(judge(run, [link("b", "a")], { baseRevision: 0 }))).toContain("cycle");
  });

  it("If-Match asks for the very revision", () => {
    const run = patched(runOf(), [title("a", "first")]);
    expect(codesOf(judge(run, [title("b", "x")], { baseRevision: 0, ifMatch: 0 }))).toEqual([
      "old_revision",
    ]);
    expect(codesOf(judge(run, [title("b", "x")], { ifMatch: 1 }))).toEqual(["accepted"]);
    expect(codesOf(judge(run, [title("b", "x")], { baseRevision: 2 }))).toEqual([
      "unknown_revision",
    ]);
    expect(codesOf(judge(run, [title("b", "x")], { baseRevision: -1 }))).toEqual([
      "unknown_revision",
    ]);
  });
});

const id = fc.constantFrom("a", "b", "c", "d", "e", "planner");
const operation = fc.oneof(
  fc.record({ op: fc.constant("addNode"), id, node: fc.constant(value(7)) }),
  fc.record({ op: fc.constant("removeNode"), id }),
  fc.record({
    op: fc.constant("setNode"),
    id,
    at: fc.constant("/title"),
    value: fc.constantFrom("x", "y"),
  }),
  fc.record({
    op: fc.constant("setNode"),
    id,
    at: fc.constant("/needs"),
    value: fc.constant("any"),
  }),
  fc.record({
    op: fc.constantFrom("addEdge", "removeEdge"),
    edge: fc.record({ from: id, to: id }),
  }),
  fc.record({
    op: fc.constant("replace"),
    path: id.map((one) => `/nodes/${one}/title`),
    value: fc.constant("z"),
  }),
  fc.record({
    op: fc.constant("add"),
    path: fc.constant("/edges/-"),
    value: fc.record({ from: id, to: id }),
  }),
  fc.record({ op: fc.constant("add"), path: fc.constant("/output"), value: fc.nat(3) }),
);
const someOperations = fc.array(operation, { minLength: 1, maxLength: 3 });
/** Nothing here reads another node, so that more patches fit. */
const FREE = graphOf({
  nodes: {
    a: value(1),
    b: { ...value(2), title: "b" },
    c: value(3),
    planner: { type: "agent", prompt: "x", patches: "apply" },
  },
  edges: [
    { from: "a", to: "b" },
    { from: "b", to: "c" },
  ],
});

describe("laws", () => {
  it("[A92] moving on equals applying in order, in either order, or it is refused", () => {
    const seen = { moved: 0, refused: 0 };
    fc.assert(
      fc.property(someOperations, someOperations, (one, two) => {
        const run = runOf(FREE);
        const [first, second] = [judge(run, one), judge(run, two, {}, { id: "p2" })];
        if (first.kind !== "accepted" || second.kind !== "accepted") return;
        const inOrder = judge(accept(run, first), two, { baseRevision: 0 }, { id: "p2" });
        const otherWay = judge(accept(run, second), one, { baseRevision: 0 });
        expect(inOrder.kind).toBe(otherWay.kind);
        if (inOrder.kind !== "accepted" || otherWay.kind !== "accepted") {
          seen.refused += 1;
          return;
        }
        seen.moved += 1;
        const fresh = judge(accept(run, first), two, {}, { id: "p2" });
        expect(fresh.kind === "accepted" && digestOf(fresh.graph)).toBe(digestOf(inOrder.graph));
        expect(shapeOf(inOrder.graph)).toBe(shapeOf(otherWay.graph));
      }),
      { numRuns: 1_500, seed: 20_260_401 },
    );
    expect(seen.moved).toBeGreaterThan(40);
    expect(seen.refused).toBeGreaterThan(20);
  });

  it("[A25] taking back what was made last gives the former hash; taking back an earlier one, what would be without it", () => {
    const seen = { back: 0, refused: 0, lastRefused: 0 };
    fc.assert(
      fc.property(
        fc.array(someOperations, { minLength: 1, maxLength: 4 }),
        fc.nat(3),
        (lists, pick) => {
          let run = runOf(FREE);
          const kept: { readonly id: string; readonly operations: unknown }[] = [];
          for (const operations of lists) {
            const verdict = judge(run, operations, {}, { id: `p${run.patches.length + 1}` });
            if (verdict.kind !== "accepted") continue;
            run = accept(run, verdict);
            kept.push({ id: verdict.patch.id, operations });
          }
          const target = kept[pick % Math.max(1, kept.length)];
          if (target === undefined) return;
          const verdict = revert(run, target.id);
          if (verdict.kind !== "accepted") {
            seen.refused += 1;
            seen.lastRefused += target === kept.at(-1) ? 1 : 0;
            return;
          }
          seen.back += 1;
          const back = accept(run, verdict);
          let without = runOf(FREE);
          for (const { id: other, operations } of kept)
            if (other !== target.id) without = patched(without, operations);
          expect(digestOf(back.graph)).toBe(digestOf(without.graph));
          expect(digestOf(graphAt(back.base, back.patches, back.patches.length))).toBe(
            digestOf(back.graph),
          );
          const again = accept(back, revert(back, verdict.patch.id));
          expect(digestOf(again.graph)).toBe(digestOf(run.graph));
        },
      ),
      { numRuns: 800, seed: 20_260_402 },
    );
    expect(seen.lastRefused).toBe(0);
    expect(seen.back).toBeGreaterThan(100);
    expect(seen.refused).toBeGreaterThan(5);
  });
});

describe("taking back", () => {
  it("[A25] is allowed while all it made is still to come", () => {
    const run = patched(runOf(), [add("d", value(1)), link("c", "d")]);
    const begun: PatchedRun = { ...run, stateOf: (one) => (one === "d" ? "running" : "pending") };
    expect(codesOf(revert(begun, "p1"))).toContain("node_dispatched");
    const back = accept(run, revert(run, "p1"));
    expect(digestOf(back.graph)).toBe(digestOf(CHAIN));
    expect(back.patches.at(-1)).toMatchObject({ reverts: "p1", revision: 2 });
    expect(patchLines(back.patches)[0]?.revertedBy).toBe(back.patches.at(-1)?.id);
    expect(codesOf(revert(back, "p1"))).toEqual(["reverted_already"]);
    expect(codesOf(revert(back, "p9"))).toEqual(["no_patch"]);
    expect(codesOf(revert(back, "p1", { ifMatch: 1 }))).toEqual(["old_revision"]);
    expect(codesOf(revert(back, "p1", { reason: "" }))).toEqual(["no_reason"]);
  });

  it("is refused where a later patch touches the same", () => {
    const run = patched(patched(runOf(), [add("d", value(1))]), [title("d", "x")]);
    expect(codesOf(revert(run, "p1"))).toEqual(["in_the_way"]);
    const back = accept(run, revert(run, "p2"));
    expect(codesOf(revert(back, "p1"))).toEqual(["accepted"]);
  });

  it("needs the same right as making it", () => {
    const run = patched(runOf(), [{ op: "removeNode", id: "planner" }]);
    expect(codesOf(revert(run, "p1", { author: person("operator") }))).toContain(
      "type_not_allowed",
    );
    expect(codesOf(revert(run, "p1", { author: person("maker") }))).toEqual(["accepted"]);
  });
});
