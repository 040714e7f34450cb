// Common wishes in English, made into operations without a model:
//
//   add WHAT at the end | at the beginning | before NODE | after NODE | between NODE and NODE
//   remove NODE · skip NODE · retry NODE N times · connect NODE to NODE · disconnect NODE from NODE
//   change FIELD of NODE to VALUE
//
// SN1. Nothing is guessed: where words fit several nodes or none, it asks back and offers what there is.
// SN2. What comes out is judged like any patch; this only writes down what was said.
// SN3. What is none of these forms is `unknown`, not an error: a model may know.

import type { Edge, Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { isSame, type JsonObject } from "../../json-value.ts";
import type { GraphOperation } from "../patch-types.ts";
import { ask, findNode, firstOf, type Found, lastOf } from "./names.ts";
import { newNode } from "./new-nodes.ts";
import { countOf, valueFor } from "./values.ts";

export type Reading =
  | { readonly kind: "patch"; readonly operations: readonly GraphOperation[] }
  | Extract<Found, { kind: "question" }>
  | { readonly kind: "unknown" };

export interface SentenceContext {
  readonly graph: Graph;
  /** What machines offer now. */
  readonly capabilities: readonly string[];
}

/** O(nodes x sentence). The caller bounds both. */
export function readSentence(context: SentenceContext, sentence: string): Reading {
  const text = sentence
    .trim()
    .replace(/^(?:please|can you|could you)\s+/i, "")
    .replace(/[.!?]+$/, "")
    .replaceAll(/\s+/g, " ");
  for (const [form, read] of FORMS) {
    const match = form.exec(text);
    if (match !== null)
      return read(
        context,
        match.slice(1).map((each) => each ?? ""),
      );
  }
  return { kind: "unknown" };
}

type Read = (context: SentenceContext, words: readonly string[]) => Reading;

const ADD = "(?:add|insert|put|append)";
const FORMS: readonly (readonly [RegExp, Read])[] = [
  [
    new RegExp(
      `^${ADD} (.+?) (?:at|to|as) the (?:very )?(end|last step|beginning|start|first step)$`,
      "i",
    ),
    addAtEdge,
  ],
  [new RegExp(`^${ADD} (.+?) between (.+?) and (.+)$`, "i"), addBetween],
  [new RegExp(`^${ADD} (.+) (before|after) (.+)$`, "i"), addBeside],
  [
    /^(?:retry|repeat) (.+?) (?:up to )?(once|twice|\S+ times?)(?: (?:on|if|when) (?:it )?fail(?:s|ure)?)?$/i,
    retry,
  ],
  [/^skip (.+)$/i, skip],
  [/^(?:remove|delete|drop|take out) (.+)$/i, remove],
  [/^(?:change|set|update) (?:the )?(\S+|\S+ \S+) (?:of|in|for|on) (.+?) to (.+)$/i, change],
  [/^(?:connect|link) (.+?) (?:to|with) (.+)$/i, connect],
  [/^(?:disconnect|unlink) (.+?) from (.+)$/i, disconnect],
];

// ── adding ──────────────────────────────────────────────────────────────────────────────────────

function addAtEdge(context: SentenceContext, [what = "", where = ""]: readonly string[]): Reading {
  const { graph } = context;
  const isEnd = /end|last/i.test(where);
  const ends = isEnd ? lastOf(graph) : firstOf(graph);
  const [only] = ends;
  const side = isEnd ? "after" : "before";
  if (only === undefined)
    return ask(`Nothing is there. ${side} which node?`, Object.keys(graph.nodes));
  if (ends.length > 1)
    return ask(
      `The run ${isEnd ? "ends" : "begins"} with several nodes. ${isEnd ? "After" : "Before"} which one? Say it as in "add ... ${side} ${only}".`,
      ends,
    );
  return addBeside(context, [what, side, only]);
}

function addBeside(
  context: SentenceContext,
  [what = "", side = "", words = ""]: readonly string[],
): Reading {
  const { graph } = context;
  const found = findNode(graph, words);
  if (found.kind === "question") return found;
  const made = newNode(what, graph, context.capabilities);
  if (made.kind !== "new") return made;
  const { id } = found;
  const add = addOf(made);
  const isAfter = side.toLowerCase() === "after";
  const moved = graph.edges.filter((edge) =>
    isAfter ? edge.from === id && isOnward(edge) : edge.to === id,
  );
  const entry = isAfter ? { from: id, to: made.id, ...labelOf(moved) } : { from: made.id, to: id };
  return patch(
    add,
    ...moved.map(removeEdge),
    addEdge(entry),
    ...moved.map((edge) =>
      addEdge(isAfter ? { from: made.id, to: edge.to } : { ...edge, to: made.id }),
    ),
  );
}

/** What is taken when all goes well: failures, rejections and branches lead where they led. */
const isOnward = ({ on = "done" }: Edge): boolean => on === "done" || on === "approved";

/** Of an approval whose edges say so. */
const labelOf = (edges: readonly Edge[]): { on?: string } =>
  edges.some(({ on }) => on === "approved") ? { on: "approved" } : {};

function addBetween(
  context: SentenceContext,
  [what = "", before = "", after = ""]: readonly string[],
): Reading {
  const { graph } = context;
  const [from, to] = [findNode(graph, before), findNode(graph, after)];
  if (from.kind === "question") return from;
  if (to.kind === "question") return to;
  const edges = graph.edges.filter((edge) => edge.from === from.id && edge.to === to.id);
  const [edge] = edges;
  if (edge === undefined || edges.length > 1)
    return ask(
      `There is ${edges.length === 0 ? "no edge" : "more than one edge"} from "${from.id}" to "${to.id}". Say before or after which node.`,
      [from.id, to.id],
    );
  const made = newNode(what, graph, context.capabilities);
  if (made.kind !== "new") return made;
  return patch(
    addOf(made),
    removeEdge(edge),
    addEdge({ ...edge, to: made.id }),
    addEdge({ from: made.id, to: to.id }),
  );
}

// ── changing ────────────────────────────────────────────────────────────────────────────────────

/** What came before it leads on to what came after it. */
function remove({ graph }: SentenceContext, [words = ""]: readonly string[]): Reading {
  const found = findNode(graph, words);
  if (found.kind === "question") return found;
  const { id } = found;
  const before = graph.edges.filter((edge) => edge.to === id);
  const after = graph.edges.filter((edge) => edge.from === id && isOnward(edge));
  const bridges = before.flatMap((edge) => after.map(({ to }) => ({ ...edge, to })));
  const fresh = bridges.filter(
    (bridge, at) =>
      !graph.edges.some((edge) => same(edge, bridge)) &&
      bridges.findIndex((other) => same(other, bridge)) === at,
  );
  return patch({ op: "removeNode", id }, ...fresh.map(addEdge));
}

/** It stays where it is and gives null, so that what reads it can go on. */
function skip({ graph }: SentenceContext, [words = ""]: readonly string[]): Reading {
  const found = findNode(graph, words);
  if (found.kind === "question") return found;
  const { id } = found;
  const node = graph.nodes[id];
  if (node?.type === "branch") {
    const ways = [
      ...node.cases.map(({ take }) => take),
      ...(node.otherwise === undefined ? [] : [node.otherwise]),
    ];
    return ask(
      `"${id}" decides where the run goes on, so it cannot be skipped. Which way? Say it as in "change otherwise of ${id} to WAY".`,
      ways,
    );
  }
  const title = `skipped: ${node?.title ?? id}`.slice(0, 200);
  const value = { type: "function", function: "value", with: { value: null }, title };
  const lost = graph.edges.filter(
    (edge) => edge.from === id && !isOnward(edge) && edge.on !== "always",
  );
  const yes = graph.edges.filter((edge) => edge.from === id && edge.on === "approved");
  return patch(
    { op: "setNode", id, value },
    ...[...lost, ...yes].map(removeEdge),
    ...yes.map(({ from, to }) => addEdge({ from, to })),
  );
}

/** The first try is one more. */
function retry({ graph }: SentenceContext, [words = "", times = ""]: readonly string[]): Reading {
  const found = findNode(graph, words);
  if (found.kind === "question") return found;
  const count = countOf(times.replace(/ times?$/i, ""));
  if (count === undefined || count < 1 || count > 99)
    return ask(`How often is "${times.slice(0, 40)}"? Say a number from 1 to 99.`, []);
  const { retry: before } = graph.nodes[found.id] ?? {};
  const value = { ...before, attempts: count + 1 };
  return patch({ op: "setNode", id: found.id, at: "/retry", value });
}

const FIELDS: Readonly<Record<string, string>> = {
  timeout: "timeoutMs",
  "time limit": "timeoutMs",
  delay: "delayMs",
  duration: "delayMs",
  address: "url",
  name: "title",
  text: "prompt",
  people: "people",
};

function change(
  { graph }: SentenceContext,
  [given = "", words = "", text = ""]: readonly string[],
): Reading {
  const found = findNode(graph, words);
  if (found.kind === "question") return found;
  const node = graph.nodes[found.id];
  const field = fieldOf(node, given);
  if (field === undefined)
    return ask(
      `Which field of "${found.id}" is "${given.slice(0, 60)}"?`,
      Object.keys(node ?? {}).filter((name) => name !== "type"),
    );
  const at = `/${field
    .split(".")
    .map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1"))
    .join("/")}`;
  return patch({ op: "setNode", id: found.id, at, value: valueFor(field, text) });
}

/** A member that it has, or may have; `with.NAME`, also by NAME alone. */
function fieldOf(node: WorkflowNode | undefined, given: string): string | undefined {
  const name = given.trim();
  const [first = ""] = name.split(".");
  if (node === undefined) return undefined;
  if (Object.hasOwn(node, first)) return name;
  const values = "with" in node ? node.with : {};
  if (Object.hasOwn(values, name)) return `with.${name}`;
  const known =
    FIELDS[name.toLowerCase()] ?? OPEN.find((each) => each.toLowerCase() === name.toLowerCase());
  if (known === undefined) return undefined;
  const isOwn = Object.hasOwn(node, known) || OPEN.includes(known);
  return isOwn ? known : undefined;
}

/** Every node may have them. */
const OPEN = ["title", "timeoutMs", "otherwise"];

function connect({ graph }: SentenceContext, [one = "", other = ""]: readonly string[]): Reading {
  const [from, to] = [findNode(graph, one), findNode(graph, other)];
  if (from.kind === "question") return from;
  if (to.kind === "question") return to;
  return patch(addEdge({ from: from.id, to: to.id }));
}

function disconnect(
  { graph }: SentenceContext,
  [one = "", other = ""]: readonly string[],
): Reading {
  const [first, second] = [findNode(graph, one), findNode(graph, other)];
  if (first.kind === "question") return first;
  if (second.kind === "question") return second;
  const ends = [first.id, second.id];
  const edges = graph.edges.filter(({ from, to }) => ends.includes(from) && ends.includes(to));
  return edges.length === 0
    ? ask(`"${first.id}" and "${second.id}" are not connected.`, ends)
    : patch(...edges.map(removeEdge));
}

// ── operations ──────────────────────────────────────────────────────────────────────────────────

const patch = (...operations: readonly GraphOperation[]): Reading => ({
  kind: "patch",
  operations,
});

const addOf = ({ id, node }: { id: string; node: JsonObject }): GraphOperation => ({
  op: "addNode",
  id,
  node,
});

const jsonOf = ({ from, to, on }: Edge): JsonObject => ({
  from,
  to,
  ...(on === undefined ? {} : { on }),
});

const same = (a: Edge, b: Edge): boolean => isSame(jsonOf(a), jsonOf(b));
const addEdge = (edge: Edge): GraphOperation => ({ op: "addEdge", edge: jsonOf(edge) });
const removeEdge = (edge: Edge): GraphOperation => ({ op: "removeEdge", edge: jsonOf(edge) });
