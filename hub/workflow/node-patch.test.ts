import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { applyPatch, revertPatch } from "./json-patch.ts";
import type { Json, JsonObject } from "./json-value.ts";
import { applyNodePatch, compileNodePatch, type NodeOperation } from "./node-patch.ts";

const edge = (from: string, to: string, more = {}): JsonObject => ({ from, to, ...more });
const GRAPH: Json = {
  nodes: { a: { kind: "task" }, b: { kind: "http", retry: { max: 1 } }, c: { kind: "join" } },
  edges: [edge("a", "b"), edge("b", "c"), edge("a", "c", { when: "ok" })],
};

function reasonOf(operations: unknown, graph: Json = GRAPH): unknown {
  try {
    applyNodePatch(graph, operations);
  } catch (error) {
    return error instanceof GantryError ? { code: error.code, ...error.details } : error;
  }
  return "applied";
}

describe("patches by node id", () => {
  it("add, change and remove nodes and edges, and are undone", () => {
    const operations: NodeOperation[] = [
      { op: "addNode", id: "mail", node: { kind: "http" } },
      { op: "addEdge", edge: edge("c", "mail") },
      { op: "setNode", id: "b", at: "/retry/max", value: 3 },
      { op: "setNode", id: "b", at: "/timeoutMs", value: 50 },
      { op: "setNode", id: "c", value: { kind: "map" } },
      { op: "setNode", id: "mail", at: "/kind" },
      { op: "removeEdge", edge: edge("a", "c", { when: "ok" }) },
    ];
    const { patch, result, inverse } = applyNodePatch(GRAPH, operations);
    expect(result).toEqual({
      nodes: {
        a: { kind: "task" },
        b: { kind: "http", retry: { max: 3 }, timeoutMs: 50 },
        c: { kind: "map" },
        mail: {},
      },
      edges: [edge("a", "b"), edge("b", "c"), edge("c", "mail")],
    });
    expect(applyPatch(GRAPH, patch).result).toEqual(result);
    expect(revertPatch(result, inverse).result).toEqual(GRAPH);
  });

  it("take the edges of a node with it (NP2)", () => {
    const { result } = applyNodePatch(GRAPH, [{ op: "removeNode", id: "b" }]);
    expect(result).toEqual({
      nodes: { a: { kind: "task" }, c: { kind: "join" } },
      edges: [edge("a", "c", { when: "ok" })],
    });
  });

  it("do not hit another edge on a graph that has changed meanwhile (NP1)", () => {
    const patch = compileNodePatch(GRAPH, [{ op: "removeEdge", edge: edge("b", "c") }]);
    const moved = applyNodePatch(GRAPH, [{ op: "removeEdge", edge: edge("a", "b") }]).result;
    expect(() => applyPatch(moved, patch)).toThrow("test_failed");
  });

  it.each<[string, unknown, string, string]>([
    ["no list", {}, "bad_patch", "not_an_array"],
    ["no object", [7], "bad_patch", "not_an_object"],
    ["an op nobody knows", [{ op: "add", id: "x" }], "bad_patch", "unknown_op"],
    ["no id", [{ op: "addNode", node: {} }], "bad_patch", "bad_id"],
    ["an id with a slash", [{ op: "addNode", id: "a/b", node: {} }], "bad_patch", "bad_id"],
    [
      "an id of the prototype",
      [{ op: "addNode", id: "__proto__", node: {} }],
      "bad_patch",
      "bad_id",
    ],
    [
      "constructor, which is no node",
      [{ op: "removeNode", id: "constructor" }],
      "patch_conflict",
      "no_node",
    ],
    [
      "a node that is no object",
      [{ op: "addNode", id: "x", node: 1 }],
      "bad_patch",
      "missing_value",
    ],
    [
      "a node that is there",
      [{ op: "addNode", id: "a", node: {} }],
      "patch_conflict",
      "node_exists",
    ],
    ["a node that is not there", [{ op: "removeNode", id: "x" }], "patch_conflict", "no_node"],
    ["a member of it", [{ op: "setNode", id: "x", value: {} }], "patch_conflict", "no_node"],
    [
      "a member below nothing",
      [{ op: "setNode", id: "a", at: "/x/y", value: 1 }],
      "patch_conflict",
      "not_found",
    ],
    [
      "a member that is not there",
      [{ op: "setNode", id: "a", at: "/x" }],
      "patch_conflict",
      "not_found",
    ],
    [
      "a pointer that is none",
      [{ op: "setNode", id: "a", at: "x", value: 1 }],
      "bad_patch",
      "bad_path",
    ],
    [
      "a node set to a number",
      [{ op: "setNode", id: "a", value: 1 }],
      "bad_patch",
      "missing_value",
    ],
    ["an edge without ends", [{ op: "addEdge", edge: { from: "a" } }], "bad_patch", "bad_edge"],
    ["an edge to nowhere", [{ op: "addEdge", edge: edge("a", "x") }], "patch_conflict", "no_node"],
    [
      "an edge that is there",
      [{ op: "addEdge", edge: { to: "b", from: "a" } }],
      "patch_conflict",
      "edge_exists",
    ],
    [
      "an edge that is not there",
      [{ op: "removeEdge", edge: edge("a", "c") }],
      "patch_conflict",
      "no_edge",
    ],
  ])("refuse %s", (_, operations, code, reason) => {
    expect(reasonOf(operations)).toMatchObject({ code, reason });
  });

  it("say which of the operations given it was, though each became several (NP4)", () => {
    const operations = [
      { op: "removeNode", id: "b" },
      { op: "setNode", id: "a", at: "/x/y", value: 1 },
    ];
    expect(reasonOf(operations)).toMatchObject({ operation: 1, path: "/nodes/a/x/y" });
  });

  it("refuse what is no graph", () => {
    for (const graph of [
      null,
      [],
      {},
      { nodes: {} },
      { nodes: [], edges: [] },
      { nodes: {}, edges: {} },
    ]) {
      expect(reasonOf([], graph)).toMatchObject({ code: "patch_conflict", reason: "not_a_graph" });
    }
  });

  it("never leave an edge without its ends, whatever is patched, and are always undone", () => {
    const id = fc.constantFrom("a", "b", "c", "d", "e");
    const ends = fc.tuple(id, id).map(([from, to]) => edge(from, to));
    const operation = fc.oneof(
      fc.record({ op: fc.constant("addNode"), id, node: fc.constant({ kind: "task" }) }),
      fc.record({ op: fc.constant("removeNode"), id }),
      fc.record({ op: fc.constant("setNode"), id, at: fc.constant("/x"), value: fc.nat() }),
      fc.record({ op: fc.constantFrom("addEdge", "addEdge", "removeEdge"), edge: ends }),
    );
    let applied = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40, size: "max" }), (operations) => {
        let graph: Json = GRAPH;
        for (const each of operations) {
          if (reasonOf([each], graph) !== "applied") continue;
          applied += 1;
          const { result, inverse } = applyNodePatch(graph, [each]);
          expect(revertPatch(result, inverse).result).toEqual(graph);
          graph = result;
          const { nodes, edges } = graph as {
            nodes: object;
            edges: { from: string; to: string }[];
          };
          for (const { from, to } of edges) {
            expect([Object.hasOwn(nodes, from), Object.hasOwn(nodes, to)]).toEqual([true, true]);
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(applied).toBeGreaterThan(500);
  });
});
