// What a workflow comes to if nothing ever cuts it short: each node once, after those before it. Slow,
// plain and without time, so that two graphs can be compared whatever the order of the world's answers.
//
// EV1. It shares with the hub the reading of expressions and the functions; not the engine.
// EV2. A graph fails if a node in it fails that nothing goes on from; all else goes on to its end all
//      the same, and its effects count.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import type { Edge, Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { bind } from "../../../hub/workflow/cel/evaluate.ts";
import { CelFault } from "../../../hub/workflow/cel/fault.ts";
import type { Node } from "../../../hub/workflow/cel/ast.ts";
import { parseCel } from "../../../hub/workflow/cel/parse.ts";
import { asText } from "../../../hub/workflow/cel/library.ts";
import type { Env, Read } from "../../../hub/workflow/cel/read.ts";
import { callBuiltIn } from "../../../hub/workflow/function-calls.ts";
import { FUNCTIONS } from "../../../hub/workflow/functions.ts";
import { isArray, isObject, type Json, type JsonObject } from "../../../hub/workflow/json-value.ts";
import { valuesIn } from "../../../hub/workflow/node-values.ts";
import { shapeOf } from "../../../hub/workflow/structure.ts";
import { bare, partsOf } from "../../../hub/workflow/template.ts";

/** How a node comes out that the world does. Null: it fails. */
export type World = (
  node: WorkflowNode,
  place: string,
  values: JsonObject,
) => { readonly output: Json } | null;

export interface Came {
  readonly state: "done" | "failed";
  readonly output: Json;
  /** What the world was asked that is not pure: place and values. In no order. */
  readonly effects: readonly string[];
  /** How often the world was asked at all. */
  readonly calls: number;
  /** Graphs that failed, bodies too: the engine cuts them short, so there the order counts. */
  readonly failures: number;
}

interface End {
  readonly state: "done" | "failed" | "skipped";
  readonly output: Json;
  readonly take: string;
}

interface Sight {
  readonly ends: ReadonlyMap<string, End>;
  readonly vars: JsonObject;
  readonly around: Sight | null;
}

interface Run {
  readonly inputs: JsonObject;
  readonly world: World;
  readonly nowMs: number;
  readonly effects: string[];
  calls: number;
  failures: number;
}

const SKIPPED: End = { state: "skipped", output: null, take: "" };
const FAILED: End = { state: "failed", output: null, take: "" };
const done = (output: Json, take = ""): End => ({ state: "done", output, take });

export function evaluate(graph: Graph, inputs: JsonObject, world: World, nowMs: number): Came {
  const run: Run = { inputs, world, nowMs, effects: [], calls: 0, failures: 0 };
  const { state, output } = ofGraph(run, graph, "", {}, null);
  return {
    state: state === "done" ? "done" : "failed",
    output: state === "done" ? output : null,
    effects: run.effects.toSorted(),
    calls: run.calls,
    failures: run.failures,
  };
}

function ofGraph(
  run: Run,
  graph: Graph,
  prefix: string,
  vars: JsonObject,
  around: Sight | null,
): End {
  const shaped = shapeOf(graph);
  if (shaped.kind === "cycle") throw new Error("a cycle");
  const undo = new Set(Object.values(graph.nodes).map((node) => node.undo));
  const ends = new Map<string, End>();
  const sight: Sight = { ends, vars, around };
  let hasFailed = false;
  for (const id of shaped.shape.ids) {
    const node = graph.nodes[id];
    if (node === undefined || undo.has(id)) continue;
    const outs = graph.edges.filter(({ from }) => from === id);
    const end = ofNode(run, graph, id, node, prefix + id, sight);
    ends.set(id, end);
    const isHandled = outs.some(({ on }) => on === "failed" || on === "always");
    if (end.state === "failed" && !isHandled) hasFailed = true;
  }
  const end = hasFailed ? FAILED : guarded(() => done(outputOf(run, graph, undo, sight)));
  if (end.state === "failed") run.failures += 1;
  return end;
}

function outputOf(
  run: Run,
  graph: Graph,
  undo: ReadonlySet<string | undefined>,
  sight: Sight,
): Json {
  if (graph.output !== undefined) return fill(run, graph.output, sight);
  const last = Object.keys(graph.nodes).filter(
    (id) => !undo.has(id) && !graph.edges.some(({ from }) => from === id),
  );
  return Object.fromEntries(last.map((id) => [id, sight.ends.get(id)?.output ?? null]));
}

function guarded(act: () => End): End {
  try {
    return act();
  } catch (error) {
    if (error instanceof CelFault) return FAILED;
    throw error;
  }
}

function isTaken(edge: Edge, source: WorkflowNode | undefined, end: End | undefined): boolean {
  const on = edge.on ?? (source?.type === "approval" ? "approved" : "done");
  if (end === undefined) return false;
  if (on === "always") return true;
  if (on === "done" || on === "failed" || on === "skipped") return end.state === on;
  return end.state === "done" && end.take === on;
}

function ofNode(
  run: Run,
  graph: Graph,
  id: string,
  node: WorkflowNode,
  place: string,
  sight: Sight,
): End {
  const ins = graph.edges.filter(({ to }) => to === id);
  const taken = ins.filter((edge) =>
    isTaken(edge, graph.nodes[edge.from], sight.ends.get(edge.from)),
  );
  const isAny = node.type === "join" || node.needs === "any";
  const begins = isAny ? taken.length > 0 || ins.length === 0 : taken.length === ins.length;
  if (!begins) return SKIPPED;
  if (node.type === "join") return done({ taken: taken.map(({ from }) => from) });
  return guarded(() => begun(run, graph, id, node, place, sight));
}

function begun(
  run: Run,
  graph: Graph,
  id: string,
  node: WorkflowNode,
  place: string,
  sight: Sight,
): End {
  const values = fill(run, valuesIn(node), sight) as JsonObject; // an object stays one
  switch (node.type) {
    case "function": {
      const builtIn = FUNCTIONS.get(node.function);
      if (builtIn === undefined) throw new Error("an unknown function");
      return done(callBuiltIn(builtIn, (values["with"] ?? {}) as JsonObject, { left: 50_000 }));
    }
    case "branch": {
      const found = node.cases.find(({ when }) => read(run, when, sight) === true);
      const take = found?.take ?? node.otherwise ?? "";
      return done({ take: take === "" ? null : take }, take);
    }
    case "artifact": {
      const output = {
        name: values["name"] ?? null,
        mediaType: node.mediaType,
        value: values["value"] ?? null,
      };
      run.effects.push(canonicalJson([place, output]));
      return done(output);
    }
    case "timer":
      run.effects.push(canonicalJson([place, node.delayMs]));
      return done({ dueMs: run.nowMs + (node.delayMs ?? 0) });
    case "approval": {
      run.effects.push(canonicalJson([place, values]));
      const said = run.world(node, place, values);
      const isHandled = graph.edges.some(
        ({ from, on }) => from === id && (on === "rejected" || on === "always"),
      );
      if (said !== null) return done(said.output, "approved");
      return isHandled
        ? done({ approved: false, by: ["eve"], reason: "no", timedOut: false }, "rejected")
        : FAILED;
    }
    case "map":
      return ofMap(run, node, place, sight);
    case "loop":
      return ofLoop(run, node, place, sight);
    case "http":
    case "agent":
    case "task":
    case "document":
    case "subworkflow": {
      run.calls += 1;
      if (node.effect !== "pure") run.effects.push(canonicalJson([place, values]));
      const said = run.world(node, place, values);
      return said === null ? FAILED : done(said.output);
    }
    case "join":
      throw new Error("joins are done where their edges are");
  }
}

function ofMap(
  run: Run,
  node: Extract<WorkflowNode, { type: "map" }>,
  place: string,
  sight: Sight,
): End {
  const items = read(run, node.over, sight);
  if (!isArray(items)) return FAILED;
  const ends = items.map((item, index) =>
    ofGraph(run, node.body, `${place}[${index}]/`, { item, index }, sight),
  );
  const failures = ends.filter(({ state }) => state === "failed").length;
  if (failures > node.tolerate) return FAILED;
  return done(ends.map(({ state, output }) => (state === "failed" ? { error: "some" } : output)));
}

function ofLoop(
  run: Run,
  node: Extract<WorkflowNode, { type: "loop" }>,
  place: string,
  sight: Sight,
): End {
  let state = node.start === undefined ? null : fill(run, node.start, sight);
  for (let round = 0; ; round += 1) {
    const vars = { state, round };
    const goes = read(run, node.while, { ends: new Map(), vars, around: sight });
    if (goes !== true) return done(state);
    if (round >= node.maxRounds) return FAILED;
    const end = ofGraph(run, node.body, `${place}[${round}]/`, vars, sight);
    if (end.state === "failed") return FAILED;
    state = end.output;
  }
}

// ── expressions (EV1) ───────────────────────────────────────────────────────────────────────────

function fill(run: Run, value: Json, sight: Sight): Json {
  if (typeof value === "string") {
    if (!value.includes("${")) return value;
    const parts = partsOf(value);
    const [first] = parts;
    if (parts.length === 1 && first?.isExpression === true) return read(run, first.text, sight);
    return parts
      .map(({ isExpression, text }) =>
        isExpression ? asText(read(run, text, sight), { left: 50_000 }) : text,
      )
      .join("");
  }
  if (isArray(value)) return value.map((item) => fill(run, item, sight));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, fill(run, member, sight)]),
  );
}

function read(run: Run, text: string, sight: Sight): Json {
  const expression = bind<Env>(parseCel(bare(text)), {
    name: (name) => nameIn(run, name, sight),
    path: (node) => nodeIn(node, sight),
  });
  return expression({ fuel: { left: 50_000 }, locals: [] });
}

function nameIn(run: Run, name: string, sight: Sight): Read<Env> | undefined {
  if (name === "inputs") return () => run.inputs;
  for (let here: Sight | null = sight; here !== null; here = here.around) {
    const value = here.vars[name];
    if (value !== undefined) return () => value;
  }
  return undefined;
}

/** nodes.ID.output, .state. */
function nodeIn(node: Node, sight: Sight): Read<Env> | undefined {
  const field = stepIn(node);
  const owner = field === undefined ? undefined : stepIn(field.of);
  if (field === undefined || owner?.of.kind !== "name" || owner.of.name !== "nodes")
    return undefined;
  for (let here: Sight | null = sight; here !== null; here = here.around) {
    const end = here.ends.get(owner.name);
    if (end !== undefined) return () => (field.name === "state" ? end.state : end.output);
  }
  throw new Error(`${owner.name} is read before it is there`);
}

function stepIn(node: Node): { readonly of: Node; readonly name: string } | undefined {
  if (node.kind === "member") return { of: node.of, name: node.name };
  if (node.kind !== "index" || node.key.kind !== "literal") return undefined;
  return typeof node.key.value === "string" ? { of: node.of, name: node.key.value } : undefined;
}
