// Binds an answer to a JSON schema: the grammar the model must follow, and the check afterwards.
// The grammar makes a wrong answer impossible; the check proves it, with another reader of schemas.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { compileGrammar } from "../rules/json-schema-grammar.ts";

export interface JsonAnswer {
  /** GBNF. */
  readonly grammar: string;
  /** What is wrong with `text`; undefined when the schema accepts it. */
  faultIn(text: string): string | undefined;
}

/** Throws bad_request naming the JSON pointer of what cannot be compiled. About 1 ms. */
export function jsonAnswer(schema: unknown): JsonAnswer {
  const grammar = compileGrammar(schema);
  const accepts = compileCheck(schema);
  return {
    grammar,
    faultIn(text) {
      try {
        const value: unknown = JSON.parse(text);
        return accepts(value) ? undefined : "the schema refuses it";
      } catch {
        return "it is not JSON";
      }
    },
  };
}

function compileCheck(schema: unknown): (value: unknown) => boolean {
  try {
    // Not strict: compileGrammar has refused every keyword that it does not know already.
    const validate = new Ajv2020({ strict: false }).compile(schema as object);
    return (value) => validate(value);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new GantryError("bad_request", `The JSON schema is not valid: ${words}`, { cause });
  }
}
