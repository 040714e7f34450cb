// Binds an answer to tools: words first, or none, then calls whose arguments fit their schemas. The
// grammar holds from the first CALL_OPEN on; before it the model writes at its full speed.
//
// TA1. The arguments of a call to a strict tool are accepted by its schema; one whose schema cannot be
//      upheld is refused with its JSON pointer.
// TA2. The schema of a tool that is not strict binds where it can; else any object is taken, as
//      OpenAI does: most clients send such schemas and check arguments by themselves.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { CALL_CLOSE, CALL_OPEN, readToolText } from "@gantry/shared/contract/tool-text.ts";
import { makeGrammarRules } from "../rules/grammar-rules.ts";
import { literal } from "../rules/grammar-text.ts";
import { compileGrammar, compileInto } from "../rules/json-schema-grammar.ts";
import type { BoundAnswer } from "./bound-answer.ts";
import { compileCheck } from "./json-answer.ts";

export interface OfferedTool {
  readonly name: string;
  /** JSON Schema of an object; undefined: any object. */
  readonly parameters?: unknown;
  readonly isStrict: boolean;
}

/** Of one answer; the grammar allows no more. */
const CALLS_MAX = 16;
const ANY_OBJECT = { type: "object" };

/** Throws bad_request (TA1), with `details.param` naming the tool. */
export function toolAnswer(
  tools: readonly OfferedTool[],
  mustCall: boolean,
  hasParallelCalls: boolean,
): BoundAnswer {
  const bound = tools.map((tool, index) => ({ name: tool.name, ...upheld(tool, index) }));
  const checks = new Map(bound.map(({ name, accepts }) => [name, accepts]));
  return {
    bounds: { calls: { grammar: grammarOf(bound, hasParallelCalls), mustCall } },
    faultIn(text) {
      const { calls } = readToolText(text);
      if (mustCall && calls.length === 0) return "it calls no tool";
      for (const call of calls) {
        const fault = faultOf(call.arguments, checks.get(call.name));
        if (fault !== undefined) return `the call of ${call.name}: ${fault}`;
      }
      return undefined;
    },
  };
}

interface Upheld {
  readonly schema: unknown;
  readonly accepts: (value: unknown) => boolean;
}

function upheld({ name, parameters, isStrict }: OfferedTool, index: number): Upheld {
  if (parameters === undefined) return { schema: ANY_OBJECT, accepts: isObject };
  try {
    const accepts = compileCheck(parameters);
    const asObject = withType(parameters);
    compileGrammar(asObject); // in rules of its own: what fails half-way leaves nothing behind
    return { schema: asObject, accepts };
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    if (!isStrict) return { schema: ANY_OBJECT, accepts: isObject }; // TA2
    const param = `tools.${index}.function.parameters`;
    throw new GantryError("bad_request", `The tool ${name}: ${error.message}`, {
      details: { ...error.details, param },
    });
  }
}

/** Arguments are an object, whether the schema says so or not. */
const withType = (schema: unknown): unknown =>
  isObject(schema) && schema["type"] === undefined && schema["properties"] === undefined
    ? { type: "object", ...schema }
    : schema;

function grammarOf(
  tools: readonly { readonly name: string; readonly schema: unknown }[],
  hasParallelCalls: boolean,
): string {
  const rules = makeGrammarRules();
  const calls = tools.map(({ name, schema }) => {
    const head = literal(`{"name": ${JSON.stringify(name)}, "arguments": `);
    return `${head} ${compileInto(rules, schema)} "}"`;
  });
  const space = '"\\n"?';
  const call = rules.add(`${space} (${calls.join(" | ")}) ${space} ${literal(CALL_CLOSE)}`);
  const more = `(${space} ${literal(CALL_OPEN)} ${call}){0,${CALLS_MAX - 1}}`;
  return [`root ::= ${call}${hasParallelCalls ? ` ${more}` : ""}`, ...rules.lines()].join("\n");
}

function faultOf(
  text: string,
  accepts: ((value: unknown) => boolean) | undefined,
): string | undefined {
  if (accepts === undefined) return "there is no such tool";
  try {
    return accepts(JSON.parse(text)) ? undefined : "its schema refuses the arguments";
  } catch {
    return "its arguments are not JSON";
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
