// Schemas by chance, of every keyword that the compiler knows: many are refused, as they should be.

import fc from "fast-check";

const name = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom("a", "b", "c", "id"));
const counts = (max: number): fc.Arbitrary<readonly [number, number]> =>
  fc.tuple(fc.nat(max), fc.nat(max)).map(([min, more]) => [min, min + more]);

const PATTERNS = [
  "^[a-z]{2,4}-\\d+$",
  "^(yes|no)$",
  "^[^x]{1,3}$",
  "^\\w*$",
  "^a?(b|cd)+e$",
  '^"\\\\[\\s\\S]?$',
  "^(?:\\d{1,3}\\.){3}\\d{1,3}$",
] as const;
const FORMATS = [
  "date",
  "time",
  "date-time",
  "uuid",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uri",
  "duration",
] as const;

const text: fc.Arbitrary<object> = fc.oneof(
  fc.constant({}),
  counts(6).map(([minLength, maxLength]) => ({ minLength, maxLength })),
  fc.constantFrom(...PATTERNS).map((pattern) => ({ pattern })),
  fc
    .tuple(fc.constantFrom(...PATTERNS), counts(12))
    .map(([pattern, [minLength, maxLength]]) => ({ pattern, minLength, maxLength })),
  fc.constantFrom(...FORMATS).map((format) => ({ format })),
);

const whole: fc.Arbitrary<object> = fc.oneof(
  fc.constant({}),
  fc
    .tuple(fc.integer({ min: -3_000, max: 3_000 }), fc.nat(5_000))
    .map(([minimum, span]) => ({ minimum, maximum: minimum + span })),
  fc.integer({ min: -20, max: 20 }).map((exclusiveMinimum) => ({ exclusiveMinimum })),
  fc.integer({ min: 1, max: 120 }).map((multipleOf) => ({ multipleOf })),
  fc
    .tuple(
      fc.constantFrom(1, 2, 3, 5, 7, 10, 25, 100),
      fc.integer({ min: -500, max: 500 }),
      fc.nat(900),
    )
    .map(([multipleOf, minimum, span]) => ({ multipleOf, minimum, maximum: minimum + span })),
  fc.constantFrom("int8", "uint8", "int32", "int64").map((format) => ({ format })),
);

const fraction: fc.Arbitrary<object> = fc.oneof(
  fc.constant({}),
  fc
    .tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: 1, max: 9 }))
    .map(([low, span]) => ({ minimum: low + 0.5, exclusiveMaximum: low + span + 0.75 })),
  fc
    .tuple(fc.constantFrom(0.5, 0.25, 2, 10), fc.integer({ min: -9, max: 9 }), fc.nat(20))
    .map(([multipleOf, minimum, span]) => ({ multipleOf, minimum, maximum: minimum + span })),
);

const typed = (type: string, of: fc.Arbitrary<object>): fc.Arbitrary<object> =>
  of.map((more) => ({ type, ...more }));

const values = fc.uniqueArray(
  fc.oneof(fc.string({ maxLength: 6 }), fc.integer(), fc.constant(null), fc.boolean()),
  {
    minLength: 1,
    maxLength: 5,
    selector: (value) => JSON.stringify(value),
  },
);

const leaf: fc.Arbitrary<object> = fc.oneof(
  fc.constantFrom({ type: "boolean" }, { type: "null" }, { type: ["string", "null"] }),
  typed("string", text),
  typed("integer", whole),
  typed("number", fraction),
  values.map((list) => ({ enum: list })),
  fc.oneof(fc.string({ maxLength: 5 }), fc.integer()).map((value) => ({ const: value })),
);

interface Tied {
  readonly schema: object;
}

/** A schema whose references, if it has any, are to `#/$defs/a`. */
export const anySchema: fc.Arbitrary<object> = fc
  .letrec<Tied>((tie) => {
    const some = tie("schema");
    const properties = fc.dictionary(name, some, { maxKeys: 4 });
    const object = fc
      .tuple(properties, fc.constantFrom(undefined, false, true, { type: "integer" }), fc.nat(3))
      .map(([of, additionalProperties, every]) => ({
        type: "object",
        properties: of,
        required: Object.keys(of).filter((_, index) => index % (every + 1) === 0),
        ...(additionalProperties === undefined ? {} : { additionalProperties }),
      }));
    const map = fc.oneof(
      fc.tuple(some, counts(2)).map(([of, [, maxProperties]]) => ({
        type: "object",
        additionalProperties: of,
        maxProperties,
      })),
      fc
        .tuple(fc.constantFrom(...PATTERNS), some, fc.nat(1))
        .map(([pattern, of, minProperties]) => ({
          type: "object",
          patternProperties: { [pattern]: of },
          additionalProperties: false,
          minProperties,
        })),
      fc.tuple(text, some).map(([propertyNames, of]) => ({
        type: "object",
        propertyNames,
        additionalProperties: of,
      })),
    );
    const array = fc.oneof(
      fc.tuple(some, counts(2)).map(([items, [minItems, maxItems]]) => ({
        type: "array",
        items,
        minItems,
        maxItems,
      })),
      fc
        .tuple(fc.array(some, { minLength: 1, maxLength: 3 }), fc.boolean())
        .map(([prefixItems, isOpen]) => ({
          type: "array",
          prefixItems,
          items: isOpen ? { type: "boolean" } : false,
          minItems: prefixItems.length - 1,
          maxItems: prefixItems.length + 1,
        })),
      fc.tuple(values, counts(3)).map(([list, [minItems, maxItems]]) => ({
        type: "array",
        items: { enum: list },
        uniqueItems: true,
        minItems,
        maxItems,
      })),
    );
    const joined = fc.oneof(
      fc.array(some, { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
      fc.array(some, { minLength: 1, maxLength: 2 }).map((oneOf) => ({ oneOf })),
      fc.array(fc.oneof(object, some), { minLength: 1, maxLength: 3 }).map((allOf) => ({ allOf })),
      fc.tuple(object, object).map(([base, more]) => ({ ...base, allOf: [more] })),
      fc
        .tuple(object, fc.array(object, { minLength: 1, maxLength: 2 }))
        .map(([base, anyOf]) => ({ ...base, anyOf })),
      fc.tuple(typed("integer", whole), typed("integer", whole)).map((allOf) => ({ allOf })),
      fc.tuple(typed("string", text), typed("string", text)).map((allOf) => ({ allOf })),
    );
    return {
      schema: fc.oneof(
        { maxDepth: 3, depthSize: "small" },
        leaf,
        object,
        map,
        array,
        joined,
        fc.constant({ $ref: "#/$defs/a" }),
      ),
    };
  })
  .schema.chain((schema) => leaf.map((a) => ({ ...schema, $defs: { a } })));

const FORMAT_OF: Readonly<Record<(typeof FORMATS)[number], RegExp>> = {
  date: /^\d{4}-\d{2}-\d{2}$/,
  time: /^\d{2}:\d{2}:\d{2}Z$/,
  "date-time": /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  email: /^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$/,
  hostname: /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/,
  ipv4: /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/,
  ipv6: /^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}$/,
  uri: /^https?:\/\/[^\s/]+(\/[^\s/]*)*$/,
  duration: /^P(\d+[DWMY]|T\d+[HMS])$/,
};

/** For ajv, as `formats`: another reading of them than the compiler's. */
export const formatChecks = {
  ...FORMAT_OF,
  date: (text: string) => FORMAT_OF.date.test(text) && !Number.isNaN(Date.parse(text)),
  "date-time": (text: string) =>
    FORMAT_OF["date-time"].test(text) && !Number.isNaN(Date.parse(text)),
  uri: (text: string) => FORMAT_OF.uri.test(text) && URL.canParse(text),
  int8: true as const,
  uint8: true as const,
  int32: true as const,
  int64: true as const,
};
