// The optimizer against what it must not change, on random workflows with effects in them.
// SIM_BUDGET_S gives it more of them; 10,000 took about a minute on a machine at rest.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { expect, test } from "vitest";
import { compile, tryCompile } from "../../../hub/workflow/compile.ts";
import { advance, start } from "../../../hub/workflow/engine.ts";
import { type Effect, type Fact, isRunOver } from "../../../hub/workflow/engine-types.ts";
import { isArray, isObject, type Json } from "../../../hub/workflow/json-value.ts";
import { isEffectFree } from "../../../hub/workflow/optimizer/certain.ts";
import { optimize } from "../../../hub/workflow/optimizer/optimize.ts";
import { PASSES } from "../../../hub/workflow/optimizer/pass.ts";
import { reachedFrom, viewOf } from "../../../hub/workflow/optimizer/view.ts";
import { owed } from "../../../hub/workflow/owed.ts";
import { type Came, evaluate, type World } from "./evaluate.ts";
import { INPUTS, randomWorkflow } from "./random-workflow.ts";

const RUNS = 3_000;
const PINNED = 20_261_122;
const NOW = 1_700_000_000_000;
const budgetS = Number(process.env["SIM_BUDGET_S"] ?? 0) / 3;

/** A pure call comes out by what it is, everything else by its place as well. */
const worldOf =
  (seed: number, failures: number, pureFailures: number): World =>
  (node, place, values) => {
    const { title: _title, cache: _cache, ...what } = node;
    const isPure = node.effect === "pure";
    const key = canonicalJson([
      seed,
      isPure ? "" : place,
      isPure ? { ...what, body: null } : node.type,
      values,
    ]);
    const draw = parseInt(sha256(key).slice(0, 8), 16) % 1_000;
    if (draw < (isPure ? pureFailures : failures)) return null;
    if (node.type === "approval") {
      return { output: { approved: true, by: ["eve"], reason: "yes", timedOut: false } };
    }
    return {
      output: draw % 3 === 0 ? draw % 10 : { n: draw % 10, kind: draw % 2 === 0 ? "gear" : "bolt" },
    };
  };

/** Which nodes with effects must come after which, in every graph within. */
function orderOf(graph: Graph, prefix = ""): readonly string[] {
  const view = viewOf(graph, undefined);
  if (view === undefined) throw new Error("a cycle");
  return view.ids.flatMap((id) => {
    const node = view.node(id);
    const inner =
      node.type === "map" || node.type === "loop" ? orderOf(node.body, `${prefix}${id}/`) : [];
    if (isEffectFree(node)) return inner;
    const after = [...reachedFrom(view, id, "outs")].filter(
      (other) => !isEffectFree(view.node(other)),
    );
    return [...inner, `${prefix}${id}`, ...after.map((other) => `${prefix}${id} < ${other}`)];
  });
}

const byName = (lines: readonly string[]): readonly string[] => lines.toSorted();

/** The real engine, with the world's answers in a random order. */
function run(
  graph: Graph,
  world: World,
  order: number,
): { readonly state: string; readonly output: Json; readonly effects: readonly string[] } {
  const random = seededRandom(order);
  const plan = compile(graph);
  let { run: state } = start(plan, "run", INPUTS, NOW);
  const effects: string[] = [];
  for (let steps = 0; !isRunOver(state.state); steps += 1) {
    if (steps > 2_000) throw new Error("it does not end");
    const owing = owed(plan, state);
    const effect = owing[between(random, 0, owing.length - 1)];
    if (effect === undefined) throw new Error("stuck");
    const fact = answer(effect, world, effects);
    state = advance(plan, state, fact, NOW).run;
  }
  return { state: state.state, output: state.output, effects: effects.toSorted() };
}

function answer(effect: Effect, world: World, effects: string[]): Fact {
  switch (effect.kind) {
    case "dispatch": {
      const { place, attempt, node, values } = effect;
      if (node.effect !== "pure" && !effect.isUndo) effects.push(place);
      const said = world(node, place, values);
      if (said === null)
        return { kind: "failed", place, attempt, fault: { code: "no_luck", message: "" } };
      return { kind: "finished", place, attempt, output: said.output };
    }
    case "child": {
      const { place, attempt } = effect;
      effects.push(place);
      const said = world({ type: "subworkflow", workflow: "other", with: {} }, place, {
        with: effect.inputs,
      });
      if (said === null)
        return { kind: "failed", place, attempt, fault: { code: "no_luck", message: "" } };
      return { kind: "finished", place, attempt, output: said.output };
    }
    case "ticket": {
      const said = world(
        {
          type: "approval",
          question: "",
          role: "maker",
          approvals: 1,
          waitMs: 1,
          onTimeout: "reject",
        },
        effect.place,
        { question: effect.question },
      );
      return {
        kind: "decided",
        place: effect.place,
        by: "eve",
        approve: said !== null,
        reason: said === null ? "no" : "yes",
      };
    }
    case "timer":
      if (effect.why === "approval")
        return answer(
          {
            kind: "ticket",
            place: effect.place,
            question: "go on?",
            roles: [],
            people: [],
            approvals: 1,
            votes: [],
            escalated: false,
            dueMs: 0,
          },
          world,
          effects,
        );
      return { kind: "timerFired", place: effect.place, dueMs: effect.dueMs };
    case "continue":
      return { kind: "continued" };
    case "stop":
    case "ended":
      throw new Error(`${effect.kind} is never owed`);
  }
}

/** Which tolerated failure an item shows is the engine's word. */
function plain(value: Json): Json {
  if (isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  if (Object.keys(value).length === 1 && "error" in value) return { error: "some" };
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

interface Tally {
  graphs: number;
  changed: number;
  done: number;
  failed: number;
  withEffects: number;
  callsBefore: number;
  callsAfter: number;
  readonly passes: Map<string, number>;
}

function check(seed: number, tally: Tally): void {
  const random = seededRandom(seed);
  const made = tryCompile(randomWorkflow(random));
  if ("faults" in made) return;
  const { graph } = made.plan;
  const optimized = optimize(graph);
  expect(optimized.leftOut).toEqual([]); // OZ1
  tally.graphs += 1;
  for (const { pass } of optimized.steps) tally.passes.set(pass, (tally.passes.get(pass) ?? 0) + 1);
  expect(byName(orderOf(optimized.graph))).toEqual(byName(orderOf(graph))); // OP2
  const failures = pickFailures(seed);
  const isSparing = optimized.steps.some(({ pass }) => pass === "predicate-pushdown");
  const world = worldOf(seed, failures, isSparing ? 0 : failures); // OP3
  const [before, after] = [graph, optimized.graph].map((one) => evaluate(one, INPUTS, world, NOW));
  if (before === undefined || after === undefined) throw new Error("two in, two out");
  if (optimized.steps.length > 0) tally.changed += 1;
  expect(after.state).toBe(before.state);
  expect(after.output).toEqual(before.output);
  expect(after.effects).toEqual(before.effects); // OP2: as a multiset
  tally[before.state] += 1;
  tally.callsBefore += before.calls;
  tally.callsAfter += after.calls;
  if (before.effects.length > 0) tally.withEffects += 1;
  compareEngine(graph, optimized.graph, world, seed, before);
}

const pickFailures = (seed: number): number => (seed % 3 === 0 ? 0 : seed % 3 === 1 ? 30 : 200);

function compareEngine(
  graph: Graph,
  optimized: Graph,
  world: World,
  seed: number,
  came: Came,
): void {
  const [before, after] = [run(graph, world, seed + 1), run(optimized, world, seed + 2)];
  expect([before.state, after.state]).toEqual([came.state, came.state]);
  expect(plain(after.output)).toEqual(plain(came.output));
  expect(plain(before.output)).toEqual(plain(came.output));
  if (came.failures === 0) expect(after.effects).toEqual(before.effects);
}

test("[A19] an optimized workflow gives what the plain one gives, with the same effects in the same order", () => {
  const tally: Tally = {
    graphs: 0,
    changed: 0,
    done: 0,
    failed: 0,
    withEffects: 0,
    callsBefore: 0,
    callsAfter: 0,
    passes: new Map(),
  };
  const random = seededRandom(PINNED);
  const startedMs = performance.now();
  while (tally.graphs < RUNS || performance.now() - startedMs < budgetS * 1_000) {
    const seed = between(random, 0, 1_000_000_000);
    try {
      check(seed, tally);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  if (budgetS > 0)
    console.log(JSON.stringify({ ...tally, passes: Object.fromEntries(tally.passes) }));
  for (const pass of PASSES)
    expect([pass, (tally.passes.get(pass) ?? 0) > 10]).toEqual([pass, true]);
  expect(tally.done).toBeGreaterThan(RUNS / 5);
  expect(tally.failed).toBeGreaterThan(RUNS / 20);
  expect(tally.withEffects).toBeGreaterThan(RUNS / 4);
  expect(tally.callsAfter).toBeLessThan(tally.callsBefore);
}, 600_000);
