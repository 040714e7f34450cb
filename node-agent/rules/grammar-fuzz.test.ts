// Whatever a grammar can write, its schema accepts (G1): by random walks over grammars of random schemas,
// with ajv as the other reader. More of them: SCHEMAS=50000 vitest run node-agent/rules/grammar-fuzz.test.ts

import { GantryError } from "@gantry/shared/base/errors.ts";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileGrammar } from "./json-schema-grammar.ts";
import { anySchema, formatChecks } from "./any-schema.test.support.ts";
import { makeSampler } from "./grammar-sampler.test.support.ts";

const SCHEMAS = Number(process.env["SCHEMAS"] ?? 300);
const TEXTS = 4;

/** Undefined for a schema that is refused. */
function grammarOf(schema: object): string | undefined {
  try {
    return compileGrammar(schema);
  } catch (error) {
    if (error instanceof GantryError && typeof error.details["pointer"] === "string")
      return undefined;
    throw error;
  }
}

interface Fault {
  readonly text: string;
  readonly errors: unknown;
}

function faultsOf(schema: object, texts: readonly string[]): readonly Fault[] {
  const accepts = new Ajv2020({ strict: false, formats: formatChecks }).compile(schema);
  return texts.flatMap((text): readonly Fault[] => {
    try {
      if (accepts(JSON.parse(text))) return [];
      return [
        {
          text,
          errors: accepts.errors?.map(({ message, instancePath }) => `${instancePath} ${message}`),
        },
      ];
    } catch (error) {
      return [{ text, errors: String(error) }];
    }
  });
}

describe("random walks over grammars", () => {
  it(`${SCHEMAS} schemas: every text is accepted by its schema`, { timeout: 3_600_000 }, () => {
    let compiled = 0;
    fc.assert(
      fc.property(anySchema, fc.integer(), (schema, seed) => {
        const grammar = grammarOf(schema);
        if (grammar === undefined) return;
        compiled += 1;
        const sampler = makeSampler(grammar);
        const random = seededRandom(seed);
        const texts = Array.from({ length: TEXTS }, () => sampler.sample(random, 300));
        expect(faultsOf(schema, texts)).toEqual([]);
      }),
      { numRuns: SCHEMAS, seed: 20_261_121 },
    );
    expect(compiled).toBeGreaterThan(SCHEMAS / 2);
  });

  it.each([
    [
      {
        allOf: [
          { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
          { properties: { a: { minimum: 3 }, b: { const: 1 } } },
        ],
      },
    ],
    [{ type: "string", minLength: 2, maxLength: 5, pattern: "^[a-z]+$" }],
    [{ type: "integer", multipleOf: 15, minimum: -100, maximum: 100 }],
    [{ type: "integer", multipleOf: 1_000 }],
    [{ type: "number", multipleOf: 0.25, minimum: -1, maximum: 1 }],
    [{ type: "array", items: { enum: ["x", "y", "z"] }, uniqueItems: true, minItems: 2 }],
    [
      {
        type: "object",
        propertyNames: { maxLength: 3 },
        additionalProperties: { type: "null" },
        minProperties: 1,
      },
    ],
    [
      {
        type: "object",
        patternProperties: { "^x-[a-z]{1,3}$": { type: "boolean" } },
        additionalProperties: false,
      },
    ],
    [{ $ref: "#/$defs/a", maximum: 5, $defs: { a: { type: "integer", minimum: 3 } } }],
    [
      {
        type: "object",
        properties: { k: { enum: ["a", "b"] } },
        required: ["k"],
        anyOf: [
          { properties: { k: { const: "a" }, n: { type: "integer" } } },
          { properties: { k: { const: "b" } } },
        ],
      },
    ],
    [{ type: "string", format: "email", maxLength: 80 }],
    [{ type: "integer", format: "uint8" }],
    [{ allOf: [{ type: "number", multipleOf: 0.5, minimum: 0, maximum: 2 }, { type: "integer" }] }],
    [{ type: "integer", multipleOf: 0.75, minimum: -9, maximum: 9 }],
    [
      {
        anyOf: [{ const: 1 }],
        allOf: [{ type: "integer" }, { enum: [1, 2, "x"] }],
      },
    ],
  ])("upholds %j", (schema) => {
    const sampler = makeSampler(compileGrammar(schema));
    const random = seededRandom(7);
    const texts = Array.from({ length: 300 }, () => sampler.sample(random, 200));
    expect(faultsOf(schema, texts)).toEqual([]);
  });
});
