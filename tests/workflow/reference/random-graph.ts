// Random workflows for the property tests: small graphs with every kind of node, edge and policy. The
// expressions are of the few forms that reference.ts reads (RI2).

import { between, type Random } from "@gantry/shared/base/prng.ts";

export interface Recipe {
  /** Joins that do not wait for all: their output depends on who was first. */
  readonly races: boolean;
  readonly depthMax: number;
}

interface Draft {
  readonly nodes: Record<string, Record<string, unknown>>;
  readonly edges: Record<string, unknown>[];
  output?: unknown;
}

const chance = (random: Random, share: number): boolean => random() < share;

const pick = <T>(random: Random, items: readonly T[]): T => {
  const item = items[between(random, 0, items.length - 1)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
};

export function randomGraph(random: Random, recipe: Recipe, depth = 0): Draft {
  const count = depth === 0 ? between(random, 1, 7) : between(random, 1, 3);
  const graph: Draft = { nodes: {}, edges: [] };
  for (let at = 0; at < count; at += 1) addNode(random, recipe, depth, graph, `n${at}`);
  const flow = Object.keys(graph.nodes).filter((id) => !id.endsWith("-undo"));
  if (depth > 0 || chance(random, 0.5)) graph.output = `\${nodes.${pick(random, flow)}.output}`;
  return graph;
}

function addNode(random: Random, recipe: Recipe, depth: number, graph: Draft, id: string): void {
  const earlier = Object.keys(graph.nodes).filter((other) => !other.endsWith("-undo"));
  const before = earlier.filter(() => chance(random, 0.45)).slice(-4);
  const tasks = before.filter((other) => graph.nodes[other]?.["type"] === "task");
  const isRace = recipe.races && tasks.length > 1 && chance(random, 0.3);
  const from = isRace ? tasks : before;
  const node = isRace
    ? { type: "join", count: between(random, 1, tasks.length) }
    : randomNode(random, recipe, depth, from);
  if (node["type"] !== "join" && chance(random, 0.25)) node["needs"] = "any";
  graph.nodes[id] = node;
  for (const other of from) {
    const on = isRace ? undefined : label(random, graph.nodes[other] ?? {});
    graph.edges.push({ from: other, to: id, ...(on === undefined ? {} : { on }) });
  }
  if (node["type"] === "task" && chance(random, 0.2)) addUndo(random, graph, id, node);
}

function addUndo(random: Random, graph: Draft, id: string, node: Record<string, unknown>): void {
  node["undo"] = `${id}-undo`;
  graph.nodes[`${id}-undo`] = chance(random, 0.3)
    ? { type: "function", function: "sum", with: { of: [1] } }
    : {
        type: "task",
        capability: "undo",
        with: { done: `\${nodes.${id}.output}` },
        ...policy(random),
      };
}

function label(random: Random, source: Record<string, unknown>): string | undefined {
  const draw = random();
  if (source["type"] === "branch") return draw < 0.8 ? pick(random, ["high", "low"]) : "always";
  if (source["type"] === "approval" && draw < 0.4) return pick(random, ["approved", "rejected"]);
  if (draw < 0.72) return undefined;
  return pick(random, ["failed", "always", "skipped", "done"]);
}

function policy(random: Random): Record<string, unknown> {
  if (chance(random, 0.2)) return { effect: "once" };
  return chance(random, 0.5) ? { retry: { attempts: between(random, 1, 3) } } : {};
}

function reads(random: Random, depth: number, from: readonly string[]): readonly string[] {
  const names = from.map((id) => `\${nodes.${id}.output}`);
  if (depth > 0 && chance(random, 0.5)) names.push("${item}", "${index}");
  if (chance(random, 0.3)) names.push("${inputs.part}");
  return names.filter(() => chance(random, 0.6));
}

function randomNode(
  random: Random,
  recipe: Recipe,
  depth: number,
  from: readonly string[],
): Record<string, unknown> {
  const draw = random();
  const inBody = depth > 0 ? [] : from; // bodies are of maps and loops both: item is not always there
  const values = reads(random, 0, from);
  if (draw < 0.48) return { type: "task", capability: "any", with: { values }, ...policy(random) };
  if (draw < 0.58) return { type: "function", function: "sum", with: { of: [1, ...values] } };
  if (draw < 0.65 && from.length > 0) {
    const when = `nodes.${pick(random, from)}.output > ${between(random, 0, 9)}`;
    return { type: "branch", cases: [{ when, take: "high" }], otherwise: "low" };
  }
  if (draw < 0.7) return { type: "join" };
  if (draw < 0.75) return approval(random);
  if (draw < 0.79) return { type: "timer", delayMs: between(random, 1, 3) * 1_000 };
  if (draw < 0.82) return { type: "artifact", name: "notes", value: { values } };
  if (draw < 0.85) return { type: "subworkflow", workflow: "other", with: { values } };
  if (depth >= recipe.depthMax) return { type: "task", capability: "any", with: { inBody } };
  return draw < 0.93 ? map(random, recipe, depth) : loop(random, recipe, depth);
}

function approval(random: Random): Record<string, unknown> {
  return {
    type: "approval",
    question: "go on?",
    approvals: between(random, 1, 2),
    waitMs: 5_000,
    onTimeout: pick(random, ["approve", "reject", "fail"]),
    ...(chance(random, 0.4) ? { escalateTo: "admin" } : {}),
  };
}

function map(random: Random, recipe: Recipe, depth: number): Record<string, unknown> {
  const items = Array.from({ length: between(random, 0, 4) }, (_, at) => at * 10);
  return {
    type: "map",
    over: chance(random, 0.3) ? "inputs.list" : JSON.stringify(items),
    body: withVars(random, randomGraph(random, recipe, depth + 1), ["item", "index"]),
    maxParallel: between(random, 1, 3),
    tolerate: pick(random, [0, 0, 1, 2]),
  };
}

function loop(random: Random, recipe: Recipe, depth: number): Record<string, unknown> {
  return {
    type: "loop",
    start: 0,
    while: `round < ${between(random, 0, 3)}`,
    body: withVars(random, randomGraph(random, recipe, depth + 1), ["state", "round"]),
    maxRounds: between(random, 2, 3),
  };
}

/** Some nodes of a body read what only it sees. */
function withVars(random: Random, graph: Draft, vars: readonly string[]): Draft {
  for (const [id, node] of Object.entries(graph.nodes)) {
    if (id.endsWith("-undo")) continue;
    const seen = vars.filter(() => chance(random, 0.4)).map((name) => `\${${name}}`);
    if (node["type"] === "task") node["with"] = { ...(node["with"] as object), seen };
    const { of } = (node["with"] ?? {}) as { readonly of?: readonly unknown[] };
    if (node["type"] === "function" && of !== undefined) node["with"] = { of: [...of, ...seen] };
  }
  return graph;
}
