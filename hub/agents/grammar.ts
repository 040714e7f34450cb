// The one JSON schema that a model's call must follow: a union of {tool: NAME, arguments}. The node makes a
// grammar of it, so that even the smallest model gives a call that can be read.

import type { LoopTool } from "./tool.ts";

type Json = Readonly<Record<string, unknown>>;

/** Told by the grammar. What is left out here is checked when the arguments are read. */
const KEPT = new Set([
  "type",
  "properties",
  "required",
  "items",
  "enum",
  "const",
  "anyOf",
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
]);
/** Longer bounds make grammars of many rules and bind nothing that matters. */
const BOUND_MAX = 200;
const BOUNDS = new Set(["minItems", "maxItems", "minLength", "maxLength"]);
const TEXT_MAX = 200;
const DEPTH_MAX = 6;

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

/** The part of a schema that every grammar can uphold; it accepts no less than the schema does. */
export function simple(schema: unknown, depth: number): Json {
  if (typeof schema !== "object" || schema === null || depth > DEPTH_MAX) return anyText;
  const given = schema as Json;
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (!KEPT.has(key)) continue;
    if (BOUNDS.has(key) && (typeof value !== "number" || value > BOUND_MAX)) continue;
    kept[key] = value;
  }
  const { type } = given;
  if (type === "object") {
    const properties = Object.entries((given["properties"] ?? {}) as Json);
    kept["properties"] = Object.fromEntries(
      properties.map(([name, of]) => [name, simple(of, depth + 1)]),
    );
    kept["additionalProperties"] = false;
    return kept;
  }
  if (type === "array") return { ...kept, maxItems: 16, items: simple(given["items"], depth + 1) };
  if (type === "string" && kept["enum"] === undefined && kept["const"] === undefined)
    return { ...kept, maxLength: kept["maxLength"] ?? TEXT_MAX };
  const union = given["anyOf"] ?? given["oneOf"];
  if (Array.isArray(union)) return { anyOf: union.map((one) => simple(one, depth + 1)) };
  return type === undefined && kept["enum"] === undefined && kept["const"] === undefined
    ? anyText
    : kept;
}

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
