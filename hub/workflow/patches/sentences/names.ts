// Which node of a graph a few words mean. Never guessed: where two fit, both are offered.

import type { Graph } from "@gantry/shared/contract/workflow.ts";

export type Found =
  | { readonly kind: "node"; readonly id: string }
  | { readonly kind: "question"; readonly question: string; readonly choices: readonly string[] };

/** More of them help nobody. */
export const CHOICES_MAX = 20;

/** `send-mail_2` and "Send mail 2" are the same words. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/["'`“”‘’]/g, "")
    .replaceAll(/[\s._-]+/g, " ")
    .trim();

const FILLERS = /^(?:the|a|an|node|step|task) |(?: node| step| task)$/g;

/** "the node fetch" is "fetch"; what is left of "the step" alone stays. */
function withoutFillers(text: string): string {
  const less = text.replaceAll(FILLERS, "").trim();
  return less === text || less === "" ? text : withoutFillers(less);
}

export function findNode(graph: Graph, words: string): Found {
  const ids = Object.keys(graph.nodes);
  const given = words.trim().replaceAll(/^["'`]|["'`]$/g, "");
  if (Object.hasOwn(graph.nodes, given)) return { kind: "node", id: given };
  const wanted = plain(given);
  const bare = withoutFillers(wanted);
  const place = placeOf(graph, bare);
  const namesOf = (id: string): readonly string[] => {
    const title = graph.nodes[id]?.title;
    return title === undefined ? [plain(id)] : [plain(id), plain(title)];
  };
  const tests: readonly ((name: string) => boolean)[] = [
    (name) => name === wanted,
    (name) => name === bare,
    (name) => ` ${name} `.includes(` ${bare} `),
    (name) => name.includes(bare),
  ];
  const found =
    place ??
    tests
      .map((test) => ids.filter((id) => namesOf(id).some(test)))
      .find((each) => each.length > 0) ??
    [];
  const [only] = found;
  if (only !== undefined && found.length === 1) return { kind: "node", id: only };
  const shown = given.slice(0, 80);
  return found.length === 0
    ? ask(`There is no node "${shown}". Which one do you mean?`, ids)
    : ask(`"${shown}" may be several nodes. Which one do you mean?`, found);
}

/** Nodes that begin or end the graph, where the words say so. */
function placeOf(graph: Graph, words: string): readonly string[] | undefined {
  if (words === "first" || words === "beginning" || words === "start") return firstOf(graph);
  if (words === "last" || words === "end") return lastOf(graph);
  return undefined;
}

const undone = (graph: Graph): ReadonlySet<string> =>
  new Set(Object.values(graph.nodes).flatMap(({ undo }) => (undo === undefined ? [] : [undo])));

/** Nodes that no edge leaves. */
export function lastOf(graph: Graph): readonly string[] {
  const left = new Set(graph.edges.map(({ from }) => from));
  return Object.keys(graph.nodes).filter((id) => !left.has(id) && !undone(graph).has(id));
}

/** Nodes that no edge enters. */
export function firstOf(graph: Graph): readonly string[] {
  const entered = new Set(graph.edges.map(({ to }) => to));
  return Object.keys(graph.nodes).filter((id) => !entered.has(id) && !undone(graph).has(id));
}

export const ask = (
  question: string,
  choices: readonly string[],
): Extract<Found, { kind: "question" }> => ({
  kind: "question",
  question,
  choices: choices.slice(0, CHOICES_MAX),
});
