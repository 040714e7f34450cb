import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { describe, expect, it } from "vitest";
import {
  countStates,
  countWords,
  nextOf,
  operationWords,
  patchMarks,
  standingPatches,
  topNodes,
  topOf,
} from "./run-graph.ts";
import type { RunPatch } from "./views.ts";

type Node = RunView["nodes"][number];

const node = (place: string, state: Node["state"], more: Partial<Node> = {}): Node => ({
  place,
  type: "function",
  state,
  attempt: 1,
  ...more,
});

const runOf = (nodes: readonly Node[], edges: readonly string[] = []): RunView =>
  ({
    id: "run_1",
    state: "running",
    nodes,
    edges: edges.map((text) => {
      const [from, to] = text.split(">");
      return { from, to };
    }),
  }) as unknown as RunView; // what these functions read of a run

const patch = (number: number, operations: readonly unknown[], reverts?: number): RunPatch => ({
  number,
  by: "mara",
  reason: "",
  at: "2026-11-21T12:00:00Z",
  operations: [...operations],
  ...(reverts === undefined ? {} : { reverts }),
});

describe("a run as a graph", () => {
  it.each([
    ["fetch", "fetch"],
    ["each[3]/step", "each"],
    ["each[3]/in.ner[0]/step", "each"],
  ])("N1: the place %s is in the node %s", (place, top) => {
    expect(topOf(place)).toBe(top);
  });

  it("N1: what is in a map is folded into it, with its counts", () => {
    const tops = topNodes(
      runOf([
        node("each", "waiting", { type: "map" }),
        node("each[0]/a", "done"),
        node("each[0]/b", "running"),
        node("each[1]/a", "failed"),
        node("each[1]/b", "skipped"),
        node("after", "pending"),
      ]),
      [],
    );
    expect(tops.map(({ id }) => id)).toEqual(["each", "after"]);
    expect(tops[0]?.inside).toMatchObject({ items: 2 });
    expect(countWords(tops[0]?.inside?.counts ?? {})).toBe(
      "1 failed, 1 running, 1 done, 1 skipped",
    );
    expect(tops[1]?.inside).toBeUndefined();
  });

  it("N1: of a map that is over the output tells how many items it had", () => {
    const [top] = topNodes(runOf([node("each", "done", { type: "map", output: [1, 2, 3] })]), []);
    expect(top?.inside?.items).toBe(3);
  });

  it("what runs next: whose turn it is, what falls due, then what waits only for what is under way", () => {
    const later = { type: "approval", dueAt: "2026-11-21T13:00:00Z" };
    const run = runOf(
      [
        node("done", "done"),
        node("busy", "running"),
        node("ask", "waiting", later),
        node("timer", "waiting", { type: "timer", dueAt: "2026-11-21T12:00:00Z" }),
        node("turn", "ready"),
        node("next", "pending"),
        node("far", "pending"),
        node("undo", "pending"),
      ],
      ["done>next", "busy>next", "ask>next", "next>far", "busy>far"],
    );
    expect(nextOf(run)).toEqual([
      { kind: "ready", id: "turn" },
      { kind: "due", id: "timer", at: "2026-11-21T12:00:00Z", isAsking: false },
      { kind: "due", id: "ask", at: "2026-11-21T13:00:00Z", isAsking: true },
      { kind: "after", id: "next", after: ["busy", "ask"] },
    ]);
    expect(nextOf({ ...run, state: "cancelled" })).toEqual([]);
  });

  it("counts states", () => {
    expect(countStates([node("a", "done"), node("b", "done")])).toEqual({ done: 2 });
    expect(countWords({})).toBe("");
  });
});

describe("patches of a run", () => {
  const adds = patch(1, [
    { op: "test", path: "/nodes/other", value: {} },
    { op: "addNode", id: "mail", node: {} },
    { op: "addEdge", edge: { from: "a", to: "mail" } },
  ]);
  const changes = patch(2, [
    { op: "replace", path: "/nodes/a/timeoutMs", value: 5 },
    { op: "add", path: "/edges/-", value: { from: "mail", to: "b", on: "done" } },
  ]);

  it("mark the nodes and edges that they made or changed, whichever way they name them", () => {
    const { nodes, edges } = patchMarks([adds, changes]);
    expect([...nodes]).toEqual([
      ["mail", [1]],
      ["a", [2]],
    ]);
    expect([...edges]).toEqual(["a>mail", "mail>b"]);
  });

  it("N2: one that was taken back marks nothing; taken back again, the first one stands", () => {
    const back = patch(3, [{ op: "removeNode", id: "mail" }], 1);
    expect([...patchMarks([adds, changes, back]).nodes.keys()]).toEqual(["a"]);
    expect([...standingPatches([adds, changes, back])]).toEqual([2, 3]);
    const again = patch(4, [{ op: "addNode", id: "mail", node: {} }], 3);
    expect([...patchMarks([adds, changes, back, again]).nodes.keys()]).toEqual(["mail", "a"]);
    expect([...standingPatches([adds, changes, back, again])]).toEqual([1, 2, 4]);
  });

  it("are told in words", () => {
    expect(operationWords([...adds.operations, ...changes.operations])).toEqual([
      "adds mail",
      "adds the edge a → mail",
      "changes a",
      "adds the edge mail → b",
    ]);
    expect(operationWords([{ op: "replace", path: "/output", value: 1 }, "nonsense"])).toEqual([
      "replace /output",
    ]);
  });
});
