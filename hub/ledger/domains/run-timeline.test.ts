import { expect, it } from "vitest";
import type { TimelineRow } from "@gantry/shared/contract/run-rows.ts";
import { advanced, graph, http, kept, runOf, started } from "../testing/flows.ts";
import { type LedgerRig, makeLedgerRig } from "../testing/rig.ts";

const RULES = { hosts: ["outside.test:80"], agentHosts: [], agentCapabilities: [], hazardous: [] };

const timeline = (rig: LedgerRig): readonly TimelineRow[] =>
  Array.from({ length: runOf(rig).entries }, (_, at) =>
    rig.rows.get("timeline", `run_1/${at}`),
  ).flatMap((row) => (row === undefined ? [] : [row]));

const told = (rig: LedgerRig): readonly string[] =>
  timeline(rig).flatMap(({ items }) =>
    items.map(({ what, place }) => (place === undefined ? what : `${what} ${place}`)),
  );

it("[A7] [A28] a timeline has each node's begin and end, questions, answers and patches in order, and which version of the graph did it", () => {
  const rig = makeLedgerRig();
  rig.act(
    kept(
      graph({ a: http(), ask: { type: "approval", question: "go on?" }, b: http() }, [
        "a>ask",
        "ask>b",
      ]),
    ),
  );
  rig.act(started());
  rig.act(advanced(["run_1", "done", "a", 1, { ok: true }]));
  rig.act({
    type: "runPatched",
    run: "run_1",
    by: { kind: "person", role: "admin" },
    operations: [
      { op: "addNode", id: "c", node: http() },
      { op: "addEdge", edge: { from: "b", to: "c" } },
    ],
    reason: "one more",
    rules: RULES,
  });
  const ticket = runOf(rig).tickets["ask"] ?? "";
  rig.act(
    { type: "ticketDecided", ticket, approve: true, reason: "fine", role: "admin" },
    { actor: "eve" },
  );
  rig.act(advanced(["run_1", "failed", "b", 1, { code: "timeout", message: "late" }, null]));
  expect(told(rig)).toEqual([
    "started",
    "begun a",
    "finished a",
    "asked ask",
    "patched",
    "approved ask",
    "begun b",
    "failed b",
    "failed",
  ]);
  const rows = timeline(rig);
  expect(rows.map(({ position }) => position)).toEqual(
    rows.map(({ position }) => position).toSorted((x, y) => x - y),
  );
  // Base, then base with one patch: A28.
  expect(rows.map(({ revision = 0 }) => revision)).toEqual([0, 0, 1, 1, 1]);
});

it("a retry is told as begun again, with its number", () => {
  const rig = makeLedgerRig();
  rig.act(kept(graph({ a: http({ retry: { attempts: 2 } }) })));
  rig.act(started());
  const atMs = rig.rows.get("run", "run_1")?.createdAtMs ?? 0;
  rig.act(advanced(["run_1", "failed", "a", 1, { code: "timeout", message: "late" }, atMs + 5]));
  rig.at(5);
  rig.act(advanced(["run_1", "due", "a", atMs + 5]));
  const begun = timeline(rig).flatMap(({ items }) => items.filter(({ what }) => what === "begun"));
  expect(begun.map(({ attempt }) => attempt)).toEqual([1, 2]);
});
