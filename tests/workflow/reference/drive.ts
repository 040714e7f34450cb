// Drives one run of the real engine with facts in a random order, as the world would, and looks at it
// after each one.
//
// DR1. What a node comes to depends on the seed, its place and the attempt only, never on the order.

import { between, type Random, seededRandom } from "@gantry/shared/base/prng.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { expect } from "vitest";
import { compile } from "../../../hub/workflow/compile.ts";
import { advance, start } from "../../../hub/workflow/engine.ts";
import {
  type Advanced,
  type Effect,
  type Fact,
  isRunOver,
  type RunState,
} from "../../../hub/workflow/engine-types.ts";
import type { Json } from "../../../hub/workflow/json-value.ts";
import { owed } from "../../../hub/workflow/owed.ts";
import { frozenFaults } from "../../../hub/workflow/patching.ts";
import type { Plan } from "../../../hub/workflow/plan.ts";
import { nodesOf } from "../../../hub/workflow/view.ts";

export const NOW = 1_700_000_000_000;
export const INPUTS = { part: 3, list: [7, 8] };

export interface Way {
  /** Pauses, cancels, and facts that are late, doubled or about nothing. */
  readonly unrest: boolean;
  /** How often the run goes through its JSON, as it does at a crash: 0 to 1. */
  readonly crashes: number;
  /** Nodes that are put into the graph while it runs, after others that may be over or not. */
  readonly patches?: boolean;
}

export interface Driven {
  readonly plan: Plan;
  readonly run: RunState;
  /** Facts the engine was told, without stale words to the whole run. */
  readonly log: readonly Fact[];
  readonly endings: number;
  /** What patches brought, with their position in the log. */
  readonly added: ReadonlyMap<string, number>;
}

const STEPS_MAX = 3_000;

export function drive(graph: unknown, outcomes: number, order: number, way: Way): Driven {
  const random = seededRandom(order);
  let plan = compile(graph);
  const added = new Map<string, number>();
  const begun = start(plan, "run", INPUTS, NOW);
  let { run } = begun;
  let endings = endingsIn(begun);
  const log: Fact[] = [];
  let owing = owed(plan, run);
  for (let step = 0; step < STEPS_MAX && !isRunOver(run.state); step += 1) {
    if (random() < way.crashes) run = JSON.parse(JSON.stringify(run)) as RunState; // a RunState's own
    const patched = way.patches === true && random() < 0.1 ? patchOf(plan, run, random) : undefined;
    const fact = patched ?? nextFact(plan, run, owing, log, outcomes, random, way);
    const after = advance(plan, run, fact, NOW);
    const isToAll = ["paused", "resumed", "cancelled", "continued", "patched"].includes(fact.kind);
    if (after.stale !== undefined) expect(after.run).toBe(run);
    if (after.stale === undefined || !isToAll) log.push(fact);
    if (fact.kind === "patched" && after.stale === undefined) {
      for (const { id } of fact.plan.root.nodes) {
        if (!plan.root.indexOf.has(id)) added.set(id, log.length);
      }
      plan = fact.plan;
    }
    const owingAfter = owed(plan, after.run);
    checkEffects(after, owing, owingAfter, fact);
    endings += endingsIn(after);
    run = after.run;
    owing = owingAfter;
  }
  return { plan, run, log, endings, added };
}

/** One more node, after some of those that are there. */
function patchOf(plan: Plan, run: RunState, random: Random): Fact | undefined {
  const flow = plan.root.nodes.filter(({ isUndo }) => !isUndo);
  const before = flow.filter(() => random() < 0.3).slice(0, 3);
  const id = `p${run.revision}`;
  const values = before.map((node) => `\${nodes.${node.id}.output}`);
  const node =
    random() < 0.7
      ? { type: "task", capability: "any", with: { values } }
      : { type: "function", function: "sum", with: { of: [1, ...values] } };
  const on = (): object => (random() < 0.7 ? {} : { on: random() < 0.5 ? "failed" : "always" });
  const next = compile({
    ...plan.graph,
    nodes: { ...plan.graph.nodes, [id]: node },
    edges: [...plan.graph.edges, ...before.map((other) => ({ from: other.id, to: id, ...on() }))],
  });
  const faults = frozenFaults(plan, run, next);
  if (faults.length > 0) throw new Error(`a new node is refused: ${JSON.stringify(faults)}`);
  return { kind: "patched", plan: next, revision: run.revision + 1 };
}

const endingsIn = ({ effects }: Advanced): number =>
  effects.filter(({ kind }) => kind === "ended").length;

const name = (effect: Effect): string => JSON.stringify({ ...effect, begun: undefined });

/** EN3: what is owed anew was told, and what was told is owed, unless it was called back at once. */
function checkEffects(
  { effects, stale }: Advanced,
  before: readonly Effect[],
  after: readonly Effect[],
  fact: Fact,
): void {
  if (stale !== undefined) return;
  const [known, now] = [new Set(before.map(name)), new Set(after.map(name))];
  const told = new Set(effects.map(name));
  for (const effect of now) {
    if (!known.has(effect) && !told.has(effect)) throw new Error(`owed and not told: ${effect}`);
  }
  if (fact.kind === "paused") return;
  const stopped = new Set(effects.flatMap((e) => (e.kind === "stop" ? [e.place] : [])));
  for (const effect of effects) {
    if (effect.kind === "stop" || effect.kind === "ended" || effect.kind === "continue") continue;
    if (!now.has(name(effect)) && !stopped.has(effect.place)) {
      throw new Error(`told and not owed: ${name(effect)}`);
    }
  }
}

function nextFact(
  plan: Plan,
  run: RunState,
  owing: readonly Effect[],
  log: readonly Fact[],
  outcomes: number,
  random: Random,
  way: Way,
): Fact {
  if (way.unrest) {
    const draw = random();
    if (draw < 0.03) return { kind: "paused" };
    if (draw < 0.035) return { kind: "cancelled", reason: "enough" };
    if (draw < 0.1 && log.length > 0) return noise(log, random);
  }
  if (run.state === "paused" && (random() < 0.3 || owing.length === 0)) return { kind: "resumed" };
  const unknown = nodesOf(plan, run).filter(({ state }) => state === "unknown");
  const at = between(random, 0, owing.length + unknown.length - 1);
  const effect = owing[at];
  if (effect !== undefined) return answer(effect, outcomes, log);
  const node = unknown[at - owing.length];
  if (node !== undefined) return resolution(node.place, node.attempt, outcomes);
  throw new Error(`stuck in ${run.state}: nothing is owed, and it is not over`); // EN5
}

/** A fact that came before, or nearly so. */
function noise(log: readonly Fact[], random: Random): Fact {
  const fact = log[between(random, 0, log.length - 1)] ?? { kind: "continued" };
  if (fact.kind === "cancelled") return { kind: "continued" };
  const draw = random();
  if ("attempt" in fact && draw < 0.3)
    return { ...fact, attempt: fact.attempt + between(random, -1, 1) };
  return "place" in fact && draw < 0.5 ? { ...fact, place: `${fact.place}[1]/nowhere` } : fact;
}

/** DR1: 0 to 99. */
const lot = (outcomes: number, place: string, attempt: number, what: string): number =>
  parseInt(sha256(`${outcomes}/${place}/${attempt}/${what}`).slice(0, 8), 16) % 100;

const FAULT = { code: "no_luck", message: "It did not work" };

function answer(effect: Effect, outcomes: number, log: readonly Fact[]): Fact {
  switch (effect.kind) {
    case "dispatch":
    case "child":
      return report(effect, outcomes);
    case "ticket":
      return vote(effect.place, effect.votes.length, outcomes);
    case "timer": {
      const { place, dueMs } = effect;
      const isVote = effect.why === "approval" && lot(outcomes, place, 0, "silence") < 60;
      return isVote
        ? vote(place, votesAt(log, place), outcomes)
        : { kind: "timerFired", place, dueMs };
    }
    case "continue":
      return { kind: "continued" };
    case "stop":
    case "ended":
      throw new Error(`${effect.kind} is never owed`);
  }
}

const votesAt = (log: readonly Fact[], place: string): number =>
  log.filter((fact) => fact.kind === "decided" && fact.place === place).length;

/** Silent ones are never voted on, so that it does not matter who is first. */
function vote(place: string, count: number, outcomes: number): Fact {
  if (lot(outcomes, place, 0, "silence") >= 60) {
    return { kind: "timerFired", place, dueMs: NOW + 5_000 };
  }
  const approve = lot(outcomes, place, count, "vote") < 70;
  return { kind: "decided", place, by: `person-${count}`, approve, reason: "because" };
}

function report(
  { place, attempt, begun }: Extract<Effect, { kind: "dispatch" | "child" }>,
  outcomes: number,
): Fact {
  if (!begun && lot(outcomes, place, attempt, "taken") < 60) {
    return { kind: "taken", place, attempt };
  }
  const draw = lot(outcomes, place, attempt, "end");
  if (draw < 8) return { kind: "lost", place, attempt };
  if (draw < 18) return { kind: "failed", place, attempt, fault: FAULT };
  if (draw < 30) return { kind: "failed", place, attempt, fault: FAULT, retryAtMs: NOW + 1_000 };
  const output: Json = draw < 40 ? { list: [draw] } : draw % 10;
  return { kind: "finished", place, attempt, output };
}

function resolution(place: string, attempt: number, outcomes: number): Fact {
  const draw = lot(outcomes, place, attempt, "resolved");
  const outcome =
    draw < 40
      ? ({ kind: "done", output: draw } as const)
      : draw < 60
        ? ({ kind: "failed", fault: FAULT } as const)
        : ({ kind: "again" } as const);
  return { kind: "resolved", place, outcome };
}
