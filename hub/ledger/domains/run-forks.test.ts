import { expect, it } from "vitest";
import { nodesOf } from "../../workflow/view.ts";
import { owed } from "../../workflow/owed.ts";
import { advanced, graph, http, kept, runOf, started, value } from "../testing/flows.ts";
import { type LedgerRig, makeLedgerRig } from "../testing/rig.ts";
import { planOf } from "./plans.ts";

const FLOW = graph(
  {
    a: http({ undo: "sorry" }),
    sorry: http(),
    each: { type: "map", over: "[1, 2]", body: graph({ step: http() }) },
    b: http(),
    sum: value("${nodes.a.output + nodes.b.output}"),
  },
  ["a>each", "each>b", "b>sum"],
);

/** A run that is done: a gave 1, b gave 2. */
function done(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(kept(FLOW));
  rig.act(started());
  rig.act(advanced(["run_1", "done", "a", 1, 1]));
  rig.act(
    advanced(["run_1", "done", "each[0]/step", 1, 10], ["run_1", "done", "each[1]/step", 1, 11]),
  );
  rig.act(advanced(["run_1", "done", "b", 1, 2]));
  expect(runOf(rig).state.state).toBe("done");
  return rig;
}
const fork = (mode: string, from: readonly string[]): object => ({
  run: "run_2",
  replayOf: { run: "run_1", mode, from },
});
const stateOf = (rig: LedgerRig, id = "run_2"): Record<string, string> => {
  const { state } = runOf(rig, id);
  return Object.fromEntries(
    nodesOf(planOf(rig.rows, state.graph), state).map((node) => [node.place, node.state]),
  );
};
const keysOf = (rig: LedgerRig): readonly string[] => {
  const { state } = runOf(rig, "run_2");
  return owed(planOf(rig.rows, state.graph), state).flatMap((effect) =>
    effect.kind === "dispatch" ? [effect.idempotencyKey] : [],
  );
};

it("begins at the node, with what came before as it was, and leaves the other run alone (RF1, RF2)", () => {
  const rig = done();
  const before = runOf(rig);
  rig.act(started(fork("live", ["b"])));
  expect(stateOf(rig)).toMatchObject({ a: "done", each: "done", b: "ready", sum: "pending" });
  expect(keysOf(rig)).toHaveLength(1);
  expect(keysOf(rig)[0]).toContain("run_2");
  rig.act(advanced(["run_2", "done", "b", 2, 40]));
  expect(runOf(rig, "run_2")).toMatchObject({
    forkOf: { run: "run_1", from: ["b"] },
    state: { state: "done", output: { sum: 41 } },
  });
  expect(runOf(rig)).toEqual(before);
});

it("undoes nothing of what the other run did, when it fails (RF1)", () => {
  const rig = done();
  rig.act(started(fork("live", ["b"])));
  const fault = { code: "timeout", message: "late" };
  rig.act(advanced(["run_2", "failed", "b", 2, fault, null]));
  expect(runOf(rig, "run_2").state.state).toBe("failed");
  expect(stateOf(rig)["sorry"]).not.toBe("done");
});

it("begins at several nodes at once, with all that comes after each", () => {
  const rig = done();
  rig.act(started(fork("freeze", ["each", "b"])));
  expect(stateOf(rig)).toMatchObject({ a: "done", b: "pending", "each[0]/step": "ready" });
  expect(runOf(rig, "run_2").replayOf).toEqual({
    run: "run_1",
    mode: "freeze",
    from: ["each", "b"],
  });
});

it("is refused for a node that is not there, an undo node, and a run that is not over; and writes nothing", () => {
  const rig = done();
  const hash = rig.stateHash();
  expect(rig.refuse(started(fork("live", ["nowhere"])))).toBe("not_found");
  expect(rig.refuse(started(fork("live", ["sorry"])))).toBe("conflict");
  expect(rig.stateHash()).toBe(hash);
  rig.act(started(fork("live", ["b"])));
  const third = { run: "run_3", replayOf: { run: "run_2", mode: "live", from: ["b"] } };
  expect(rig.refuse(started(third))).toBe("conflict");
});

it("has the patches of the run that it comes from in its base", () => {
  const rig = makeLedgerRig();
  rig.act(kept(FLOW));
  rig.act(started());
  const operations = [
    { op: "addNode", id: "tell", node: value(3) },
    { op: "addEdge", edge: { from: "sum", to: "tell" } },
  ];
  const rules = { hosts: ["*"], agentHosts: [], agentCapabilities: [], hazardous: [] };
  const by = { kind: "person" as const, role: "maker" as const };
  rig.act({ type: "runPatched", run: "run_1", by, operations, reason: "why", rules });
  rig.act({ type: "runCancelled", run: "run_1", reason: "enough" });
  rig.act(started(fork("live", ["a"])));
  expect(runOf(rig, "run_2")).toMatchObject({
    definition: runOf(rig).state.graph,
    state: { revision: 0 },
  });
  expect(stateOf(rig)).toMatchObject({ a: "ready", tell: "pending" });
});
