// Random workflows that an optimizer finds something in: twins, constant branches, filters after maps,
// work that does not change in loops, pure calls in a row; and among them effects of every kind.

import { between, type Random } from "@gantry/shared/base/prng.ts";

type Draft = Record<string, unknown>;
interface GraphDraft {
  inputs?: unknown;
  readonly nodes: Record<string, Draft>;
  readonly edges: Draft[];
  output?: unknown;
}

const chance = (random: Random, share: number): boolean => random() < share;
function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[between(random, 0, items.length - 1)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

export const INPUTS = {
  n: 3,
  text: "gear",
  parts: [
    { kind: "gear", n: 1 },
    { kind: "bolt", n: 5 },
    { kind: "gear", n: 9 },
    { n: 2 },
    "odd one",
    { kind: "gear", n: "many" },
  ],
  stock: [
    { kind: "gear", n: 1 },
    { kind: "bolt", n: 5 },
    { kind: "gear", n: 9 },
    { kind: "bolt", n: 2 },
  ],
};

const DECLARED = {
  n: { type: "number" },
  text: { type: "string" },
  parts: { type: "list" },
  stock: { type: "list" },
};

export function randomWorkflow(random: Random): GraphDraft {
  const graph = randomBody(random, 0, between(random, 4, 11));
  if (chance(random, 0.7)) graph.inputs = DECLARED;
  return graph;
}

function randomBody(random: Random, depth: number, count: number): GraphDraft {
  const graph: GraphDraft = { nodes: {}, edges: [] };
  for (let at = 0; at < count; at += 1) addNode(random, graph, depth, `n${depth}${at}`);
  const flow = flowOf(graph);
  const draw = random();
  if (draw < 0.35)
    graph.output = Object.fromEntries(
      flow.filter(() => chance(random, 0.5)).map((id) => [id, `\${nodes.${id}.output}`]),
    );
  else if (draw < 0.5) graph.output = `\${nodes.${pick(random, flow)}.output}`;
  return graph;
}

const flowOf = (graph: GraphDraft): readonly string[] =>
  Object.keys(graph.nodes).filter((id) => !id.endsWith("-undo"));

function addNode(random: Random, graph: GraphDraft, depth: number, id: string): void {
  const earlier = flowOf(graph);
  const twin = chance(random, 0.3) && earlier.length > 0 ? pick(random, earlier) : undefined;
  if (twin !== undefined && graph.nodes[twin]?.["undo"] === undefined) {
    graph.nodes[id] = {
      ...structuredClone(graph.nodes[twin]),
      ...(chance(random, 0.2) ? { title: id } : {}),
    };
    const isSame = chance(random, 0.7);
    const copied = graph.edges.filter(
      ({ from, to }) => to === twin && (isSame || isRead(graph.nodes[twin], String(from))),
    );
    const more = isSame
      ? []
      : earlier.filter(
          (from) => chance(random, 0.3) && !copied.some((edge) => edge["from"] === from),
        );
    for (const edge of copied) graph.edges.push({ ...edge, to: id });
    for (const from of more.slice(-2)) graph.edges.push({ from, to: id });
    return;
  }
  const isRow = chance(random, 0.35);
  const before = isRow ? earlier.slice(-1) : earlier.filter(() => chance(random, 0.35)).slice(-3);
  const filtered = before.find((other) => graph.nodes[other]?.["type"] === "map");
  const node =
    filtered !== undefined && chance(random, 0.7)
      ? filter(random, filtered)
      : randomNode(random, depth, before);
  if (node["type"] !== "join" && chance(random, 0.08)) node["needs"] = "any";
  graph.nodes[id] = node;
  for (const from of before) {
    const on = labelOf(random, graph.nodes[from] ?? {});
    graph.edges.push({ from, to: id, ...(on === undefined ? {} : { on }) });
  }
  if (node["type"] === "task" && node["effect"] !== "pure" && chance(random, 0.1)) {
    node["undo"] = `${id}-undo`;
    graph.nodes[`${id}-undo`] = { type: "task", capability: "undo" };
  }
}

const isRead = (node: Draft | undefined, id: string): boolean =>
  JSON.stringify(node).includes(`nodes.${id}.`);

function labelOf(random: Random, source: Draft): string | undefined {
  if (source["type"] === "branch")
    return chance(random, 0.9) ? pick(random, ["yes", "no"]) : "always";
  if (source["type"] === "approval" && chance(random, 0.3))
    return pick(random, ["approved", "rejected"]);
  return chance(random, 0.85)
    ? undefined
    : pick(random, ["failed", "always", "skipped", "skipped", "done"]);
}

function readsOf(random: Random, before: readonly string[], depth: number): readonly string[] {
  const names = before.filter(() => chance(random, 0.4)).map((id) => `\${nodes.${id}.output}`);
  if (chance(random, 0.3)) names.push("${inputs.n}");
  if (depth > 0 && chance(random, 0.1)) names.push("${inputs.text}");
  return names;
}

function randomNode(random: Random, depth: number, before: readonly string[]): Draft {
  const values = readsOf(random, before, depth);
  const draw = random();
  if (draw < 0.18) return randomFunction(random, before, values);
  if (draw < 0.43) return pureCall(random, values);
  if (draw < 0.6) return effect(random, values);
  if (draw < 0.74) return branch(random, before);
  if (draw < 0.78) return { type: "join" };
  if (draw < 0.81) return { type: "approval", question: "go on?" };
  if (draw < 0.84) return { type: "timer", delayMs: between(random, 1, 3) * 1_000 };
  if (draw < 0.87) return { type: "artifact", name: "notes", value: { values } };
  if (depth >= 2) return pureCall(random, values);
  return draw < 0.97 ? map(random, depth) : loop(random, depth);
}

function randomFunction(
  random: Random,
  before: readonly string[],
  values: readonly string[],
): Draft {
  const last = before.at(-1);
  return {
    type: "function",
    ...pick(random, [
      { function: "sum", with: { of: [1, 2] } },
      { function: "sum", with: { of: [1, ...values] } }, // fails if one is no number
      { function: "object", with: { values } },
      { function: "sha256", with: { value: "constant" } },
      { function: "json", with: { value: values } },
      { function: "value", with: { value: { values } } },
      ...(last === undefined
        ? []
        : [
            {
              function: "get",
              with: { from: `\${nodes.${last}.output}`, path: ["n"], otherwise: 0 },
            },
          ]),
    ]),
  };
}

function pureCall(random: Random, values: readonly string[]): Draft {
  const draw = random();
  if (draw < 0.6) {
    const path = pick(random, [
      "a",
      "a",
      "b",
      "${inputs.text}",
      ...values.map((value) => `x?v=${value}`),
    ]);
    return { type: "http", url: `https://api.example.org/${path}`, effect: "pure" };
  }
  if (draw < 0.8) return { type: "http", url: "https://api.example.org/a" }; // idempotent, not pure
  return { type: "task", capability: "embed", with: { values }, effect: "pure" };
}

const effect = (random: Random, values: readonly string[]): Draft =>
  pick(random, [
    { type: "http", method: "POST", url: "https://api.example.org/a", body: { values } },
    { type: "task", capability: "print", with: { values }, effect: "once" },
    { type: "task", capability: "any", with: { values } },
    { type: "function", function: "object", with: { values }, effect: "idempotent" },
    { type: "subworkflow", workflow: "other", with: { values } },
    { type: "agent", prompt: "think" },
  ]);

function branch(random: Random, before: readonly string[]): Draft {
  const last = before.at(-1);
  const whens = ["true", "false", "1 < 2", "size('ab') == 3", "inputs.n > 2", "1 / 0 > 2"];
  if (last !== undefined) whens.push(`get(nodes.${last}.output, "n", 0) > 4`);
  return {
    type: "branch",
    cases: [{ when: pick(random, whens), take: "yes" }],
    otherwise: "no",
  };
}

function map(random: Random, depth: number): Draft {
  const body = randomBody(random, depth + 1, between(random, 1, 3));
  if (chance(random, 0.6)) makePure(body, random);
  if (chance(random, 0.7))
    body.output = pick(random, [
      "${item}",
      { part: "${item}", all: "${item.n}" },
      { part: "${item}", no: 1 },
    ]);
  for (const node of Object.values(body.nodes)) addVars(random, node, ["item", "index"]);
  return {
    type: "map",
    over: pick(random, [
      "inputs.stock",
      "inputs.stock",
      "inputs.stock",
      "inputs.parts",
      "[1, 2, 3]",
      "inputs.text",
    ]),
    body,
    tolerate: pick(random, [0, 0, 0, 1]),
  };
}

function makePure(body: GraphDraft, random: Random): void {
  for (const [id, node] of Object.entries(body.nodes)) {
    if (["function", "http", "task"].includes(String(node["type"]))) {
      delete node["undo"];
      node["effect"] = "pure";
    } else
      body.nodes[id] = {
        type: "function",
        function: "sha256",
        with: { value: pick(random, ["x", "y"]) },
      };
    delete body.nodes[`${id}-undo`];
  }
  for (const edge of body.edges) delete edge["on"];
}

function loop(random: Random, depth: number): Draft {
  const body = randomBody(random, depth + 1, between(random, 1, 3));
  for (const node of Object.values(body.nodes)) addVars(random, node, ["state", "round"]);
  return {
    type: "loop",
    start: 0,
    while: pick(random, ["round < 2", "round < 0", "round < 3"]),
    maxRounds: between(random, 2, 3),
    body,
  };
}

function addVars(random: Random, node: Draft, vars: readonly string[]): void {
  const seen = vars.filter(() => chance(random, 0.3)).map((name) => `\${${name}}`);
  const given = node["with"] as { readonly values?: readonly unknown[] } | undefined;
  if (given?.values !== undefined) node["with"] = { ...given, values: [...given.values, ...seen] };
}

function filter(random: Random, map: string): Draft {
  const test = pick(random, [
    'v.part.kind == "gear"',
    'v.part.kind != "gear"',
    "v.part.n > 3",
    'v.part.kind == "gear" && v.part.n < 5',
    'v.part.kind == "bolt" || v.all >= 2',
    'v.kind == "gear"',
    "v.n <= 2",
    "v == 2",
    "v.no == 1",
    "size(v) > 1",
  ]);
  return {
    type: "function",
    function: "value",
    with: { value: `\${nodes.${map}.output.filter(v, ${test})}` },
  };
}
