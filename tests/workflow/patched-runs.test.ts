// Patches on runs of the real engine: what the patches' room accepts, the engine takes.

import { between, type Random, seededRandom } from "@gantry/shared/base/prng.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { describe, expect, it } from "vitest";
import { compile, tryCompile } from "../../hub/workflow/compile.ts";
import { advance, start } from "../../hub/workflow/engine.ts";
import {
  type Effect,
  type Fact,
  isRunOver,
  type RunState,
} from "../../hub/workflow/engine-types.ts";
import { owed } from "../../hub/workflow/owed.ts";
import { checkOperations } from "../../hub/workflow/patches/author-layer.ts";
import { changesBetween } from "../../hub/workflow/patches/changes.ts";
import { historyFaults } from "../../hub/workflow/patches/history-rule.ts";
import { judgePatch, makeGraph } from "../../hub/workflow/patches/judge.ts";
import { patchPolicy } from "../../hub/workflow/patches/patch-policy.ts";
import type {
  AppliedPatch,
  Author,
  GraphOperation,
  PatchedRun,
} from "../../hub/workflow/patches/patch-types.ts";
import { judgeSecurity } from "../../hub/workflow/patches/security-rule.ts";
import { spawnFaults } from "../../hub/workflow/patches/spawn-rule.ts";
import { frozenFaults } from "../../hub/workflow/patching.ts";
import type { Plan } from "../../hub/workflow/plan.ts";
import { nodesOf } from "../../hub/workflow/view.ts";

const NOW = 1_700_000_000_000;
const ADA: Author = { kind: "person", name: "ada", role: "maker" };
const POLICY = patchPolicy({ hosts: [], agentHosts: [], agentCapabilities: [], hazardous: [] });
const task = (): object => ({ type: "task", capability: "any" });
const chain = (): Graph =>
  compile({
    nodes: { a: task(), b: task(), c: task() },
    edges: [
      { from: "a", to: "b" },
      { from: "b", to: "c" },
    ],
  }).graph;

/** The run as the patches' room sees it. */
function seen(
  plan: Plan,
  run: RunState,
  base: Graph,
  patches: readonly AppliedPatch[],
): PatchedRun {
  const states = new Map(nodesOf(plan, run).map(({ place, state }) => [place, state]));
  return {
    base,
    patches,
    graph: plan.graph,
    isOver: isRunOver(run.state),
    stateOf: (id) => states.get(id),
  };
}

const finish = (effect: Extract<Effect, { kind: "dispatch" }>): Fact => ({
  kind: "finished",
  place: effect.place,
  attempt: effect.attempt,
  output: effect.place,
});
const dispatches = (plan: Plan, run: RunState): readonly Extract<Effect, { kind: "dispatch" }>[] =>
  owed(plan, run).filter((effect) => effect.kind === "dispatch");

describe("a run whose graph changes under it", () => {
  it("[A71] [A6] a node added in the middle runs; a node that has passed is refused by name", () => {
    const base = chain();
    let plan = compile(base);
    let { run } = start(plan, "run", {}, NOW);
    const [a] = dispatches(plan, run);
    if (a === undefined) throw new Error("nothing runs");
    ({ run } = advance(plan, run, finish(a), NOW));
    const judge = (operations: unknown): ReturnType<typeof judgePatch> =>
      judgePatch(
        seen(plan, run, base, []),
        { author: ADA, baseRevision: 0, operations, reason: "one more" },
        { id: "p1", atMs: NOW, policy: POLICY },
      );
    const late = judge([{ op: "setNode", id: "a", at: "/title", value: "too late" }]);
    expect(late).toMatchObject({
      kind: "refused",
      faults: [{ code: "node_passed", pointer: "/nodes/a" }],
    });
    const verdict = judge([
      { op: "addNode", id: "extra", node: { ...task(), with: { after: "${nodes.a.output}" } } },
      { op: "addEdge", edge: { from: "a", to: "extra" } },
    ]);
    if (verdict.kind !== "accepted") throw new Error(JSON.stringify(verdict));
    const { effects, run: patched } = advance(
      plan,
      run,
      { kind: "patched", plan: verdict.plan, revision: 1 },
      NOW,
    );
    expect(effects).toContainEqual(
      expect.objectContaining({
        kind: "dispatch",
        place: "extra",
        values: { with: { after: "a" } },
      }),
    );
    plan = verdict.plan;
    run = patched;
    while (!isRunOver(run.state)) {
      const [next] = dispatches(plan, run);
      if (next === undefined) throw new Error("stuck");
      ({ run } = advance(plan, run, finish(next), NOW));
    }
    expect(run).toMatchObject({ state: "done", revision: 1, output: { c: "c", extra: "extra" } });
  });

  it("[A12] what is accepted compiles, is taken by the engine, and the run ends once", () => {
    const tally = { accepted: 0, refused: 0, frozen: 0 };
    for (let seed = 1; seed <= 800; seed += 1) patchAtRandom(seededRandom(seed), tally);
    expect(tally.accepted).toBeGreaterThan(200);
    expect(tally.refused).toBeGreaterThan(200);
    expect(tally.frozen).toBeGreaterThan(50);
  });
});

const IDS = ["a", "b", "c", "d", "e"];
const pick = (random: Random, ids: readonly string[]): string =>
  ids[between(random, 0, ids.length - 1)] ?? "a";

function randomOperation(random: Random): unknown {
  const edge = { from: pick(random, IDS), to: pick(random, IDS) };
  const draw = random();
  if (draw < 0.3) return { op: "addNode", id: pick(random, IDS), node: task() };
  if (draw < 0.4) return { op: "removeNode", id: pick(random, IDS) };
  if (draw < 0.6)
    return {
      op: "setNode",
      id: pick(random, IDS),
      at: "/title",
      value: `t${between(random, 0, 9)}`,
    };
  return draw < 0.85 ? { op: "addEdge", edge } : { op: "removeEdge", edge };
}

function patchAtRandom(
  random: Random,
  tally: { accepted: number; refused: number; frozen: number },
): void {
  const base = chain();
  let plan = compile(base);
  let { run } = start(plan, "run", {}, NOW);
  let patches: readonly AppliedPatch[] = [];
  let endings = 0;
  for (let step = 0; step < 200 && !isRunOver(run.state); step += 1) {
    if (random() < 0.7 && step < 30) {
      const operations = Array.from({ length: between(random, 1, 2) }, () =>
        randomOperation(random),
      );
      const state = seen(plan, run, base, patches);
      const draft = { author: ADA, baseRevision: patches.length, operations, reason: "chance" };
      const verdict = judgePatch(state, draft, {
        id: `p${patches.length}`,
        atMs: NOW,
        policy: POLICY,
      });
      if (verdict.kind !== "accepted") {
        tally.refused += 1;
        const codes = verdict.faults.map(({ code }) => code);
        if (
          codes.some((code) =>
            ["node_passed", "node_dispatched", "edge_into_passed", "edge_decided"].includes(code),
          )
        )
          tally.frozen += 1;
        continue;
      }
      tally.accepted += 1;
      if ("faults" in tryCompile(verdict.graph)) throw new Error("accepted, and does not compile");
      const [frozen] = frozenFaults(plan, run, verdict.plan);
      if (frozen !== undefined) throw new Error(`accepted, and the engine says: ${frozen.message}`);
      patches = [...patches, verdict.patch];
      const taken = advance(
        plan,
        run,
        { kind: "patched", plan: verdict.plan, revision: patches.length },
        NOW,
      );
      if (taken.stale !== undefined)
        throw new Error(`accepted, and the engine says: ${taken.stale}`);
      ({ run } = taken);
      plan = verdict.plan;
      endings += taken.effects.filter(({ kind }) => kind === "ended").length;
      continue;
    }
    const owing = dispatches(plan, run);
    const effect = owing[between(random, 0, owing.length - 1)];
    if (effect === undefined) throw new Error("stuck");
    const after = advance(plan, run, finish(effect), NOW);
    ({ run } = after);
    endings += after.effects.filter(({ kind }) => kind === "ended").length;
  }
  expect([run.state, endings]).toEqual(["done", 1]);
}

describe("[A84] three layers, each of which stops what the other two let pass", () => {
  const plan = compile(chain());
  const { run } = start(plan, "run", {}, NOW);
  const state = seen(plan, run, plan.graph, []);
  const stops = (operations: readonly unknown[]): readonly string[] => {
    const author = checkOperations(operations, "a test");
    const given = operations as readonly GraphOperation[]; // each is one
    const hub = makeGraph(plan.graph, given);
    const after = hub.kind === "graph" ? hub.graph : plan.graph;
    const changes = changesBetween(plan.graph, after);
    const security = [
      ...historyFaults(state, changes),
      ...spawnFaults(state, ADA, changes, after),
      ...judgeSecurity({
        run: state,
        author: ADA,
        approvedBy: undefined,
        policy: POLICY,
        changes,
        after,
      }).refused,
    ];
    return [
      ...(author.kind === "faults" ? ["author"] : []),
      ...(hub.kind === "faults" ? ["hub"] : []),
      ...(security.length > 0 ? ["security"] : []),
    ];
  };

  it.each([
    [
      "author",
      "an edge by its place",
      [
        { op: "test", path: "/edges/1", value: { from: "b", to: "c" } },
        { op: "add", path: "/nodes/d", value: task() },
      ],
    ],
    ["hub", "a circle", [{ op: "addEdge", edge: { from: "c", to: "b" } }]],
    [
      "security",
      "a host that is not listed",
      [{ op: "addNode", id: "d", node: { type: "http", url: "https://evil.example.com/" } }],
    ],
    ["security", "a node that runs", [{ op: "setNode", id: "a", at: "/title", value: "x" }]],
  ])("the layer of %s stops %s", (layer, _title, operations) => {
    expect(stops(operations)).toEqual([layer]);
  });
});
