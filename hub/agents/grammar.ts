// The one JSON schema that a model's call must follow: a union of {tool: NAME, arguments}. The node makes a
// grammar of it, so that even the smallest model gives a call that can be read.

import type { LoopTool } from "./tool.ts";

type Json = Readonly<Record<string, unknown>>;

/** Longer bounds make grammars of many rules and bind nothing that matters. */
const BOUND_MAX = 200;
const ITEMS_MAX = 16;
const TEXT_MAX = 200;
const DEPTH_MAX = 6;
/** Values of one tool's schema; what is beyond them is a text, which the arguments' own check refuses. */
const VALUES_MAX = 300;

export const ANSWER_TOOL = "answer";

/** `isAnswerOnly`: there is no step left to take. */
export function callSchema(tools: readonly LoopTool[], isAnswerOnly: boolean): Json {
  const answer = callOf(ANSWER_TOOL, {
    type: "object",
    properties: { text: { type: "string", maxLength: BOUND_MAX * 4 } },
    required: ["text"],
    additionalProperties: false,
  });
  if (isAnswerOnly) return answer;
  const calls = tools.map(({ name, inputSchema }) => callOf(name, simple(inputSchema, 0)));
  return { anyOf: [answer, ...calls] };
}

const callOf = (name: string, schema: Json): Json => ({
  type: "object",
  properties: { tool: { const: name }, arguments: schema },
  required: ["tool", "arguments"],
  additionalProperties: false,
});

/**
 * The part of a schema that every grammar can uphold. What it leaves out is checked when the arguments are
 * read: by us for tools of the house, by its server for others.
 */
export function simple(schema: unknown, depth: number, budget = { left: VALUES_MAX }): Json {
  budget.left -= 1;
  if (!isRecord(schema) || depth > DEPTH_MAX || budget.left < 0) return anyText;
  const { type, enum: values, const: value } = schema;
  if (value !== undefined && isPlain(value)) return { const: value };
  if (Array.isArray(values)) {
    const kept = [...new Set(values.filter(isPlain))].slice(0, BOUND_MAX);
    if (kept.length > 0) return { enum: kept };
  }
  const union = schema["anyOf"] ?? schema["oneOf"];
  if (type === undefined && Array.isArray(union) && union.length > 0)
    return { anyOf: union.slice(0, ITEMS_MAX).map((one) => simple(one, depth + 1, budget)) };
  switch (type) {
    case "object":
      return simpleObject(schema, depth, budget);
    case "array":
      return { type, maxItems: ITEMS_MAX, items: simple(schema["items"], depth + 1, budget) };
    case "string":
      return { type, maxLength: boundOf(schema["maxLength"]) ?? TEXT_MAX };
    case "integer":
    case "number":
    case "boolean":
    case "null":
      return { type };
    default:
      return anyText;
  }
}

function simpleObject(schema: Json, depth: number, budget: { left: number }): Json {
  const given = isRecord(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  const properties = Object.fromEntries(
    given.slice(0, BOUND_MAX).map(([name, of]) => [name, simple(of, depth + 1, budget)]),
  );
  if (given.length === 0 && isRecord(schema["additionalProperties"])) return FREE;
  const names = Array.isArray(schema["required"]) ? schema["required"] : [];
  const required = [...new Set(names)].filter(
    (name): name is string => typeof name === "string" && Object.hasOwn(properties, name),
  );
  return { type: "object", properties, required, additionalProperties: false };
}

/** An object whose members have names of their own, as arguments of a command. */
const FREE: Json = {
  type: "object",
  maxProperties: 8,
  additionalProperties: {
    anyOf: [{ type: "string", maxLength: TEXT_MAX }, { type: "number" }, { type: "boolean" }],
  },
};

const isRecord = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isPlain = (value: unknown): value is string | number | boolean =>
  (typeof value === "string" && value.length <= BOUND_MAX) ||
  (typeof value === "number" && Number.isSafeInteger(value)) ||
  typeof value === "boolean";
const boundOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= BOUND_MAX
    ? value
    : undefined;

const anyText: Json = { type: "string", maxLength: TEXT_MAX };

export interface ModelCall {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Undefined: it is not a call. Never throws. */
export function readCall(text: string): ModelCall | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { tool, arguments: given } = value as Record<string, unknown>;
  if (typeof tool !== "string" || typeof given !== "object" || given === null) return undefined;
  if (Array.isArray(given)) return undefined;
  return { tool, arguments: given as Record<string, unknown> };
}
