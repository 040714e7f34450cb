import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileGrammar } from "../../node-agent/rules/json-schema-grammar.ts";
import { HOUSE_TOOLS } from "./catalogue.ts";
import { callSchema, readCall, simple } from "./grammar.ts";
import type { LoopTool } from "./tool.ts";

const tool = (inputSchema: LoopTool["inputSchema"]): LoopTool => ({
  name: "other.tool",
  title: "tool",
  description: "tool",
  inputSchema,
  hazardClass: "none",
  effect: "once",
  role: "viewer",
  isDestructive: false,
  isIdempotent: false,
  isOpenWorld: true,
});

/** Schemas as servers write them, with keywords that no grammar of ours knows, and nonsense. */
const anySchema: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    fc.jsonValue({ maxDepth: 1 }), // the first one is what it ends with at its depth
    fc.record(
      {
        type: fc.constantFrom(
          "string",
          "number",
          "integer",
          "boolean",
          "null",
          "array",
          "object",
          ["string", "null"],
          "file",
          7,
        ),
        properties: fc.dictionary(fc.string({ maxLength: 8 }), tie("schema"), { maxKeys: 2 }),
        required: fc.array(fc.string({ maxLength: 8 }), { maxLength: 3 }),
        items: tie("schema"),
        enum: fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 }),
        const: fc.jsonValue({ maxDepth: 1 }),
        anyOf: fc.array(tie("schema"), { maxLength: 3 }),
        oneOf: fc.array(tie("schema"), { maxLength: 3 }),
        allOf: fc.array(fc.constant({}), { maxLength: 2 }),
        not: fc.constant({}),
        $ref: fc.constantFrom("#/$defs/a", "https://x/y", "#"),
        pattern: fc.constantFrom("^a+$", "(?<x>.)\\1", "["),
        format: fc.constant("date-time"),
        minimum: fc.oneof(fc.integer(), fc.double()),
        maximum: fc.oneof(fc.integer(), fc.string({ maxLength: 3 })),
        minLength: fc.integer({ min: -5, max: 500 }),
        maxLength: fc.integer({ min: -5, max: 500 }),
        minItems: fc.integer({ min: -1, max: 300 }),
        maxItems: fc.integer({ min: -1, max: 300 }),
        additionalProperties: fc.boolean(),
        description: fc.string(),
      },
      { requiredKeys: [] },
    ),
  ),
})).schema;

describe("the schema of a call", () => {
  it("of all tools of the house becomes a grammar, and accepts calls as they are meant", () => {
    const schema = callSchema(HOUSE_TOOLS, false);
    expect(compileGrammar(schema).length).toBeGreaterThan(1_000);
    const accepts = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    expect(accepts({ tool: "answer", arguments: { text: "done" } })).toBe(true);
    expect(accepts({ tool: "print_again", arguments: { print: "prt_1" } })).toBe(true);
    const args = { command: "light", args: { on: true } };
    expect(accepts({ tool: "command_run", arguments: args })).toBe(true);
    expect(accepts({ tool: "confirm", arguments: {} })).toBe(false);
    expect(accepts({ tool: "answer", arguments: {}, more: 1 })).toBe(false);
  });

  it("becomes a grammar whatever another server calls a schema", () => {
    fc.assert(
      fc.property(anySchema, (schema) => {
        const given =
          typeof schema === "object" && schema !== null && !Array.isArray(schema) ? schema : {};
        expect(() =>
          compileGrammar(callSchema([tool({ ...given, type: "object" })], false)),
        ).not.toThrow();
        expect(() => compileGrammar(simple(schema, 0))).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });

  it("is read from any text without a fault", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const call = readCall(text);
        expect(call === undefined || typeof call.tool === "string").toBe(true);
      }),
    );
    expect(readCall('{"tool":"x","arguments":[1]}')).toBeUndefined();
    expect(readCall('{"tool":"x","arguments":{"a":1}}')).toEqual({
      tool: "x",
      arguments: { a: 1 },
    });
  });
});
