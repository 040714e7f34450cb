import { GantryError } from "@gantry/shared/base/errors.ts";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { forkLlama } from "../adapters/llama-process.ts";
import { type Model, startModel } from "./infer.ts";
import { jsonAnswer } from "./json-answer.ts";
import type { Generation } from "./llama-protocol.ts";
import { hasModelFiles, modelFile } from "./model-files.ts";

const never = new AbortController().signal;

const leaf: fc.Arbitrary<object> = fc.oneof(
  fc.constant({ type: "boolean" }),
  fc.constant({ type: "null" }),
  fc.constant({ type: "number" }),
  fc.constant({ type: "string", format: "date-time" }),
  fc.constantFrom("^[a-z]{2,4}-\\d+$", "^(yes|no)$", "^[^x]{1,3}$").map((pattern) => ({
    type: "string",
    pattern,
  })),
  fc.tuple(fc.nat(4), fc.nat(6)).map(([min, more]) => ({
    type: "string",
    minLength: min,
    maxLength: min + more,
  })),
  fc.tuple(fc.integer({ min: -300, max: 300 }), fc.nat(500)).map(([minimum, span]) => ({
    type: "integer",
    minimum,
    maximum: minimum + span,
  })),
  fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: 1, max: 9 })).map(([low, span]) => ({
    type: "number",
    minimum: low + 0.5,
    exclusiveMaximum: low + span + 0.75,
  })),
  fc
    .uniqueArray(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), {
      minLength: 1,
      maxLength: 3,
    })
    .map((values) => ({ enum: values })),
);

const { schema } = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, depthSize: "small" },
    leaf,
    fc
      .tuple(
        fc.dictionary(fc.string({ maxLength: 5 }), tie("schema"), { maxKeys: 4 }),
        fc.boolean(),
      )
      .map(([properties, isClosed]) => ({
        type: "object",
        properties,
        required: Object.keys(properties).filter((_, index) => index % 2 === 0),
        additionalProperties: !isClosed || Object.keys(properties).length === 0,
      })),
    fc.tuple(tie("schema"), fc.nat(2), fc.nat(2)).map(([items, minItems, more]) => ({
      type: "array",
      items,
      minItems,
      maxItems: minItems + more,
    })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((anyOf) => ({ anyOf })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((prefixItems) => ({
      type: "array",
      prefixItems,
      items: false,
      minItems: prefixItems.length - 1,
    })),
  ),
}));

const tool = (name: string, argument: object) => ({
  type: "object",
  properties: { name: { const: name }, arguments: argument },
  required: ["name", "arguments"],
  additionalProperties: false,
});
it("refuses a schema that is not one, before any model runs", () => {
  expect(() => jsonAnswer({ type: "object", required: [1] })).toThrow(GantryError);
});

it("finds what the grammar could not know", () => {
  const answer = jsonAnswer({ type: "integer", minimum: 3 });
  expect([answer.faultIn("4"), answer.faultIn("2"), answer.faultIn("{")]).toEqual([
    undefined,
    "the schema refuses it",
    "it is not JSON",
  ]);
});

describe.skipIf(!hasModelFiles)(
  "answers bound to a schema (needs ../shared/models)",
  { timeout: 60_000 },
  () => {
    let model: Model;
    let seed = 0;

    beforeAll(async () => {
      model = await startModel(
        {
          path: modelFile("tiny-random.gguf"),
          name: "tiny",
          slots: 2,
          contextTokens: 2_048,
          threads: 1,
        },
        {
          clock: systemClock,
          random: seededRandom(1),
          log: silentLogger,
          fork: (onMessage) => forkLlama({ environment: {} }, onMessage),
        },
        never,
      );
    });
    afterAll(() => model.close());

    async function answerTo(jsonSchema: unknown, maxTokens = 300) {
      const request = {
        requestId: "r",
        messages: [{ role: "user" as const, content: "json" }],
        jsonSchema,
        maxTokens,
        temperature: 1,
        seed: (seed += 1),
      };
      return model.generate(request, () => {}, never);
    }

    it("a model of random weights writes only what the schema accepts", async () => {
      let whole = 0;
      let garbled = 0;
      await fc.assert(
        fc.asyncProperty(schema, async (jsonSchema) => {
          const answer = await answerTo(jsonSchema).catch((error: unknown) => error);
          if (answer instanceof GantryError && answer.message.endsWith("bytes that are no text")) {
            garbled += 1; // only an untrained model: see REPLACEMENT in json-answer.ts
            return;
          }
          if (answer instanceof Error) throw answer;
          const { text, finishReason } = answer as Generation;
          if (finishReason === "length") return; // the tokens ran out in the middle
          whole += 1;
          expect([finishReason, jsonAnswer(jsonSchema).faultIn(text)]).toEqual(["stop", undefined]);
        }),
        { seed: 1, numRuns: 150 },
      );
      expect(whole).toBeGreaterThan(100);
      expect(garbled).toBeLessThan(8);
    });

    it("upholds a recursive schema", async () => {
      const tree = {
        $defs: {
          node: {
            type: "object",
            properties: { v: { type: "integer" }, next: { $ref: "#/$defs/node" } },
            required: ["v"],
            additionalProperties: false,
          },
        },
        $ref: "#/$defs/node",
      };
      const faults: unknown[] = [];
      for (let round = 0; round < 5; round += 1) {
        const { text, finishReason } = await answerTo(tree);
        if (finishReason === "stop") faults.push(jsonAnswer(tree).faultIn(text));
      }
      expect(faults.length).toBeGreaterThan(0);
      expect(faults.every((fault) => fault === undefined)).toBe(true);
    });

    it("picks exactly one of the tools, with its own arguments", async () => {
      const schema = {
        oneOf: [
          tool("heat", {
            type: "object",
            properties: { c: { type: "integer", minimum: 0, maximum: 250 } },
            required: ["c"],
          }),
          tool("home", { type: "object", additionalProperties: false }),
        ],
      };
      const names = new Set<unknown>();
      for (let round = 0; round < 12; round += 1) {
        const { text, finishReason } = await answerTo(schema);
        expect(finishReason).toBe("stop");
        const call = JSON.parse(text) as { name: string };
        names.add(call.name);
        expect(jsonAnswer(schema).faultIn(text)).toBe(undefined);
      }
      expect([...names].every((name) => name === "heat" || name === "home")).toBe(true);
    });
  },
);
