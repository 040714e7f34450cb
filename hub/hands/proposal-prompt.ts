// What a model is told, and the form that its answer is bound to, when it is to make a patch of a wish.

export const PROPOSAL_RULES = `You change running workflows. You are given a graph, the states of its nodes and a wish of a person.
Answer with one JSON object and nothing else:
{"kind":"patch","operations":[...]} or {"kind":"question","question":"...","choices":["..."]}.
Operations, applied in order:
{"op":"addNode","id":"ID","node":{"type":"...",...}}
{"op":"removeNode","id":"ID"} (its edges go with it)
{"op":"setNode","id":"ID","at":"/member","value":...}
{"op":"addEdge","edge":{"from":"ID","to":"ID"}}
{"op":"removeEdge","edge":{"from":"ID","to":"ID"}} (as it stands in the graph)
Types of nodes: timer {delayMs}, approval {question}, http {method,url}, agent {prompt}, task {capability}.
Rules: change only what the wish asks for. Nodes that are not pending cannot be changed, nor edges that lead to them; add a node after them instead.
A new node needs an edge from the node it comes after. Use only capabilities that are listed. No cycles.
If the wish may mean several nodes, or something is missing, ask a question and offer choices; never guess.`;

const text = { type: "string" } as const;
const object = (properties: Readonly<Record<string, unknown>>): object => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const of = (value: string): object => ({ const: value });

const NODE = {
  oneOf: [
    object({ type: of("timer"), delayMs: { type: "integer" } }),
    object({ type: of("approval"), question: text }),
    object({
      type: of("http"),
      method: { enum: ["GET", "POST", "PUT", "PATCH", "DELETE"] },
      url: text,
    }),
    object({ type: of("agent"), prompt: text }),
    object({ type: of("task"), capability: text }),
  ],
};

const EDGE = {
  oneOf: [object({ from: text, to: text }), object({ from: text, to: text, on: text })],
};

const OPERATION = {
  oneOf: [
    object({ op: of("addNode"), id: text, node: NODE }),
    object({ op: of("removeNode"), id: text }),
    object({
      op: of("setNode"),
      id: text,
      at: text,
      value: { type: ["string", "number", "boolean", "null"] },
    }),
    object({ op: of("addEdge"), edge: EDGE }),
    object({ op: of("removeEdge"), edge: EDGE }),
  ],
};

/** JSON Schema, of the part that grammars of models know. */
export const PROPOSAL_FORM = {
  oneOf: [
    object({ kind: of("patch"), operations: { type: "array", items: OPERATION } }),
    object({ kind: of("question"), question: text, choices: { type: "array", items: text } }),
  ],
};
