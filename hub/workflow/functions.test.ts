import { expect, test } from "vitest";
import { CelFault } from "./cel/fault.ts";
import { callBuiltIn, misfits } from "./function-calls.ts";
import { FUNCTIONS } from "./functions.ts";
import type { Json, JsonObject } from "./json-value.ts";

function call(name: string, given: JsonObject, left = 50_000): Json {
  const builtIn = FUNCTIONS.get(name);
  if (builtIn === undefined) throw new Error(`there is no ${name}`);
  expect(misfits(builtIn, Object.keys(given))).toEqual({ missing: [], unknown: [] });
  try {
    return callBuiltIn(builtIn, given, { left });
  } catch (error) {
    if (error instanceof CelFault) return error.code;
    throw error;
  }
}

const EXAMPLES: readonly (readonly [string, JsonObject, Json])[] = [
  ["value", { value: [1] }, [1]],
  ["object", { a: 1, b: 2 }, { a: 1, b: 2 }],
  ["get", { from: { a: [{ b: 5 }] }, path: ["a", "0", "b"] }, 5],
  ["get", { from: { a: 1 }, path: ["constructor"], otherwise: 9 }, 9],
  ["merge", { objects: [{ a: 1, b: 1 }, { b: 2 }] }, { a: 1, b: 2 }],
  ["merge", { objects: [1] }, "cel_type"],
  ["pick", { from: { a: 1, b: 2 }, keys: ["b", "z"] }, { b: 2 }],
  ["omit", { from: { a: 1, b: 2 }, keys: ["b"] }, { a: 1 }],
  ["template", { text: "as it is" }, "as it is"],
  ["template", { text: { b: 1, a: 2 } }, '{"a":2,"b":1}'],
  ["concat", { lists: [[1], [2, 3]] }, [1, 2, 3]],
  ["sum", { of: [1, 2.5] }, 3.5],
  ["sum", { of: [] }, 0],
  ["sum", { of: ["1"] }, "cel_type"],
  ["sum", { of: [1e308, 1e308] }, "cel_overflow"],
  ["average", { of: [1, 2] }, 1.5],
  ["average", { of: [] }, null],
  ["min", { of: [3, 1] }, 1],
  ["max", { of: [3, 1] }, 3],
  ["max", { of: [] }, "cel_out_of_bounds"],
  ["count", { of: [3, 1] }, 2],
  ["sort", { of: [3, 1, 2] }, [1, 2, 3]],
  [
    "sort",
    { of: [{ n: 2, x: 1 }, { n: 1 }, { n: 2, x: 2 }], by: "n" },
    [{ n: 1 }, { n: 2, x: 1 }, { n: 2, x: 2 }],
  ],
  ["sort", { of: [1, "a"] }, "cel_type"],
  ["reverse", { of: [1, 2] }, [2, 1]],
  ["unique", { of: [1, { a: 1 }, 1, { a: 1 }] }, [1, { a: 1 }]],
  ["flatten", { of: [[1], 2, [[3]]] }, [1, 2, [3]]],
  ["slice", { of: [1, 2, 3], from: 1 }, [2, 3]],
  ["slice", { of: [1, 2, 3], to: -1 }, [1, 2]],
  ["chunk", { of: [1, 2, 3], size: 2 }, [[1, 2], [3]]],
  ["chunk", { of: [1], size: 0 }, "cel_out_of_bounds"],
  [
    "group",
    { of: [{ k: "a", n: 1 }, { k: "b" }, { k: "a" }], by: "k" },
    { a: [{ k: "a", n: 1 }, { k: "a" }], b: [{ k: "b" }] },
  ],
  ["split", { text: "a,b", at: "," }, ["a", "b"]],
  ["join_text", { texts: ["a", 1, true], between: "-" }, "a-1-true"],
  ["replace", { text: "a.b.c", from: ".", to: "" }, "abc"],
  ["json", { value: { b: 1, a: "x" } }, '{"a":"x","b":1}'],
  ["json", { value: "x" }, '"x"'],
  ["parse", { text: '{"a":[1]}' }, { a: [1] }],
  ["parse", { text: "{" }, "cel_type"],
  ["parse", { text: "[".repeat(100) + "]".repeat(100) }, "cel_type"],
  ["base64", { text: "Grüße" }, "R3LDvMOfZQ=="],
  ["from_base64", { text: "R3LDvMOfZQ==" }, "Grüße"],
  ["from_base64", { text: "/w==" }, "cel_type"],
  // sha256 of "abc": FIPS 180-2, appendix B.1.
  ["sha256", { value: "abc" }, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "time_parts",
    { time: "2024-02-29T23:30:00+01:00" },
    {
      ms: 1_709_245_800_000,
      iso: "2024-02-29T22:30:00.000Z",
      year: 2024,
      month: 2,
      day: 29,
      hour: 22,
      minute: 30,
      second: 0,
      weekday: 4,
    },
  ],
  ["time_parts", { time: "2024-02-29T23:30:00" }, "cel_type"],
  ["time_parts", { time: 1e300 }, "cel_type"],
];

test.each(EXAMPLES)("%s of %j", (name, given, expected) => {
  expect(call(name, given)).toEqual(expected);
});

test("every function has an example", () => {
  const shown = new Set(EXAMPLES.map(([name]) => name));
  expect([...FUNCTIONS.keys()].filter((name) => !shown.has(name))).toEqual([]);
});

test("every function stops when its fuel is spent", () => {
  const long = Array.from({ length: 500 }, (_, at) => at);
  expect(call("sum", { of: long }, 100)).toBe("cel_too_costly");
  expect(call("sort", { of: long }, 100)).toBe("cel_too_costly");
  expect(call("unique", { of: long }, 50_000)).toBe("cel_too_costly");
  expect(call("concat", { lists: [long, long] }, 600)).toBe("cel_too_costly");
  expect(call("json", { value: [long, long, long] }, 1_000)).toBe("cel_too_costly");
  expect(call("sha256", { value: "x".repeat(100_000) }, 1_000)).toBe("cel_too_costly");
});
