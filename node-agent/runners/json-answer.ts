// Binds an answer to a JSON schema: the grammar the model must follow, and the check afterwards.
// The grammar makes a wrong answer impossible; the check proves it, with another reader of schemas.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { compileGrammar } from "../rules/json-schema-grammar.ts";

export interface JsonAnswer {
  /** GBNF. */
  readonly grammar: string;
  /** What is wrong with `text`; undefined when the schema accepts it. */
  readonly faultIn: (text: string) => string | undefined;
}

// A grammar binds code points, and llama.cpp takes overlong UTF-8 for them; JavaScript shows each
// such byte as one of these, and a length may be passed. Only untrained models were seen to do it.
const REPLACEMENT = "\uFFFD";

/** Throws bad_request naming the JSON pointer of what cannot be compiled. About 1 ms. */
export function jsonAnswer(schema: unknown): JsonAnswer {
  const grammar = compileGrammar(schema);
  const accepts = compileCheck(schema);
  return {
    grammar,
    faultIn(text) {
      try {
        const value: unknown = JSON.parse(text);
        if (accepts(value)) return undefined;
        return text.includes(REPLACEMENT)
          ? "it holds bytes that are no text"
          : "the schema refuses it";
      } catch {
        return "it is not JSON";
      }
    },
  };
}

export function compileCheck(schema: unknown): (value: unknown) => boolean {
  try {
    // Not strict, no formats: compileGrammar has refused every keyword that it cannot uphold.
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(
      schema as object,
    );
    return (value) => validate(value);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new GantryError("bad_request", `The JSON schema is not valid: ${words}`, { cause });
  }
}
