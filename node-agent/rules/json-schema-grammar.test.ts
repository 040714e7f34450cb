import { GantryError } from "@gantry/shared/base/errors.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { integerGrammar, numberGrammar } from "./grammar-number.ts";
import { patternGrammar, PatternRefused } from "./grammar-pattern.ts";
import { compileGrammar } from "./json-schema-grammar.ts";

/** The pointer of a refusal, or what else came. */
function refusalOf(schema: unknown): unknown {
  try {
    return compileGrammar(schema);
  } catch (error) {
    return error instanceof GantryError && error.code === "bad_request"
      ? error.details["pointer"]
      : error;
  }
}

/** Grammars of one line, without rules, read as a regular expression: the same language. */
const asRegExp = (grammar: string): RegExp => {
  const literals = grammar.replaceAll(/"([^"]*)"/g, (_, text: string) => text.replace(".", "\\."));
  return new RegExp(`^(?:${literals.replaceAll(" ", "")})$`);
};

describe("numbers", () => {
  it("writes exactly the whole numbers of a range", () => {
    const range = fc.tuple(fc.integer({ min: -2_500, max: 2_500 }), fc.nat({ max: 3_000 }));
    fc.assert(
      fc.property(range, fc.integer({ min: -9_999, max: 9_999 }), ([low, span], probe) => {
        const regExp = asRegExp(integerGrammar({ minimum: low, maximum: low + span }) ?? "");
        const edges = [low - 1, low, low + span, low + span + 1, probe];
        for (const value of edges) {
          expect([value, regExp.test(String(value))]).toEqual([
            value,
            value >= low && value <= low + span,
          ]);
        }
      }),
    );
  });

  it("keeps numbers with a fraction within their bounds", () => {
    const bound = fc.double({ min: -300, max: 300, noNaN: true });
    fc.assert(
      fc.property(bound, bound, bound, (a, b, probe) => {
        const [minimum, maximum] = [Math.min(a, b), Math.max(a, b)];
        const grammar = numberGrammar({ minimum, maximum });
        if (grammar === undefined) return; // narrower than one whole number: refused
        const text = probe.toFixed(3).replace(/\.?0+$/, "");
        const accepted = asRegExp(grammar).test(text);
        expect(accepted && (Number(text) < minimum || Number(text) > maximum)).toBe(false);
      }),
    );
  });

  it.each([
    [{ minimum: 0, maximum: 1 }, ["0", "1", "0.5"], ["1.5", "-0.5", "2"]],
    [{ exclusiveMinimum: 0 }, ["0.1", "1", "999"], ["0", "-1"]],
    [{ exclusiveMaximum: 10 }, ["9", "9.9", "-20.5"], ["10", "10.5"]],
    [{ minimum: -2, maximum: -1 }, ["-1", "-2", "-1.5"], ["-2.5", "-0.5", "1"]],
  ])("%o takes and refuses what it should", (bounds, taken, refused) => {
    const regExp = asRegExp(numberGrammar(bounds) ?? "");
    expect(taken.filter((text) => !regExp.test(text))).toEqual([]);
    expect(refused.filter((text) => regExp.test(text))).toEqual([]);
  });

  it("never lets a whole number carry an exponent", () => {
    expect(asRegExp(integerGrammar({}) ?? "").test("67e667")).toBe(false);
  });
});

describe("patterns", () => {
  it.each(["^a|b$", "abc", "^(?=x)a$", "^\\bfoo$", "^(a)\\1$", "^a+?$", "^a{5000}$", "^[z-a]$"])(
    "refuses %s",
    (pattern) => {
      expect(() => patternGrammar(pattern)).toThrow(PatternRefused);
    },
  );

  it("escapes what JSON escapes", () => {
    expect(patternGrammar('^a"\\\\b$')).toBe('"a" "\\x5c\\x22" "\\x5c\\x5c" "b"');
  });
});

describe("refusals name the JSON pointer", () => {
  it.each([
    [{ type: "string", not: {} }, "/not"],
    [{ properties: { "a/b": { uniqueItems: true } } }, "/properties/a~1b/uniqueItems"],
    [{ type: "array", items: { allOf: [{ not: {} }, {}] } }, "/items/not"],
    [{ allOf: [{ type: "string" }, { type: "integer" }] }, ""],
    [{ allOf: [{ pattern: "^a$" }, { pattern: "^b$" }] }, "/pattern"],
    [{ type: "integer", multipleOf: 7, minimum: 0, maximum: 1_000_000 }, "/multipleOf"],
    [{ type: "number", multipleOf: 0.01 }, "/multipleOf"],
    [{ type: "string", format: "regex" }, "/format"],
    [{ type: "string", format: "uuid", maxLength: 10 }, "/format"],
    [{ type: "string", pattern: "^abc$", maxLength: 2 }, "/pattern"],
    [{ type: "object", minProperties: 2 }, "/minProperties"],
    [
      { type: "object", properties: { a: true }, propertyNames: { maxLength: 3 } },
      "/propertyNames",
    ],
    [{ type: "object", patternProperties: { "^a$": true, "^b$": true } }, "/patternProperties"],
    [
      {
        allOf: [
          { type: "object", patternProperties: { "^a$": true }, additionalProperties: false },
          { type: "object", additionalProperties: { type: "number" } },
        ],
      },
      "/patternProperties",
    ],
    [{ type: "object", if: {} }, "/if"],
    [{ type: "object", dependentRequired: { a: ["b"] } }, "/dependentRequired"],
    [{ type: "array", contains: {} }, "/contains"],
    [{ type: "string", pattern: "x" }, "/pattern"],
    [{ type: "thing" }, "/type"],
    [{ type: "integer", minimum: 5, maximum: 4 }, ""],
    [{ $ref: "#/$defs/none" }, "/$ref"],
    [{ $ref: "#" }, "/$ref"],
    [
      { $defs: { a: { anyOf: [{ $ref: "#/$defs/a" }] } }, $ref: "#/$defs/a" },
      "/$defs/a/anyOf/0/$ref",
    ],
    [{ oneOf: [{ type: "integer" }, { type: "number" }] }, "/oneOf"],
    [{ required: ["x"], additionalProperties: false }, "/required"],
    [{ enum: [] }, "/enum"],
    [{ type: "string", enum: [1] }, ""],
    [{ minItems: 3, items: false, prefixItems: [{}] }, "/minItems"],
    [false, ""],
    ["text", ""],
  ])("%j -> %s", (schema, pointer) => {
    expect(refusalOf(schema)).toBe(pointer);
  });

  it("bounds the size of a schema", () => {
    const properties = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`k${i}`, {}]));
    expect(refusalOf({ properties })).toMatch(/^\/properties\//);
  });
});

it("writes optional members so that commas stand only between members", () => {
  const grammar = compileGrammar({
    type: "object",
    properties: { a: { type: "null" }, b: { type: "null" } },
    required: ["b"],
  });
  expect(grammar).toContain("root ::= ");
  expect(grammar).toMatchInlineSnapshot(`
    "root ::= r4
    r0 ::= ""
    r1 ::= "," " "? "\\x22b\\x22:" " "? "null" r0
    r2 ::= "\\x22b\\x22:" " "? "null" r0
    r3 ::= "\\x22a\\x22:" " "? "null" r1 | r2
    r4 ::= "{" r3 "}""
  `);
});
