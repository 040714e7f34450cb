import { expect, test } from "vitest";
import type { Json, JsonObject } from "../json-value.ts";
import { bind } from "./evaluate.ts";
import { CelFault } from "./fault.ts";
import { parseCel } from "./parse.ts";
import type { Env } from "./read.ts";

const NAMES: JsonObject = {
  n: 7,
  s: "Gantry",
  list: [3, 1, 2],
  empty: [],
  map: { a: 1, "b-c": { d: null }, __proto__x: 2 },
  yes: true,
  big: Array.from({ length: 1_000 }, (_, at) => at),
};

function evaluate(text: string, left = 50_000): Json {
  const scope = {
    name: (name: string) =>
      Object.hasOwn(NAMES, name) ? (_env: Env): Json => NAMES[name] ?? null : undefined,
  };
  return bind(parseCel(text), scope)({ fuel: { left }, locals: [] });
}

function codeOf(text: string, left?: number): string {
  try {
    return `value ${JSON.stringify(evaluate(text, left))}`;
  } catch (error) {
    if (error instanceof CelFault) return error.code;
    throw error;
  }
}

test.each<readonly [string, Json]>([
  ["1 + 2 * 3", 7],
  ["(1 + 2) * 3", 9],
  ["7 / 2", 3.5],
  ["int(7 / 2)", 3],
  ["-7 % 3", -1],
  ["2 - 1 - 1", 0],
  ["0x1F", 31],
  ["1e3 == 1000", true],
  ["!yes || n > 6 && n < 8", true],
  ["n == 7 ? 'seven' : 'other'", "seven"],
  ["true ? (false ? 1 : 2) : 3", 2],
  ["'a' + \"b\" + r'\\n'", "ab\\n"],
  ["'\\u00e9\\x41\\n'", "éA\n"],
  ["'''two\nlines'''", "two\nlines"],
  ["list[1]", 1],
  ["map.a", 1],
  ["map['b-c'].d", null],
  ["has(map.a) && !has(map.z)", true],
  ["2 in list", true],
  ["'a' in map", true],
  ["list + [4]", [3, 1, 2, 4]],
  ["[1, [2]] == [1, [2]]", true],
  ["{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", true],
  ["list.map(x, x * 2)", [6, 2, 4]],
  ["list.map(x, x > 1, x * 2)", [6, 4]],
  ["list.filter(x, x > 1)", [3, 2]],
  ["list.all(x, x > 0)", true],
  ["list.exists(x, x == 9)", false],
  ["list.exists_one(x, x == 3)", true],
  ["empty.all(x, x / 0 > 1)", true],
  ["[0, 1].exists(x, 1 / x == 1)", true],
  ["list.map(x, list.filter(y, y < x))", [[1, 2], [], [1]]],
  ["map.exists(k, k == 'a')", true],
  ["size(s) + size(list)", 9],
  ["s.contains('ant') && s.startsWith('G') && s.endsWith('y')", true],
  ["s.upperAscii() + s.substring(0, 2)", "GANTRYGa"],
  ["'a,b'.split(',').join('-')", "a-b"],
  ["'aXbX'.replace('X', '')", "ab"],
  ["max(list) - min(1, 2)", 2],
  ["sort(list)", [1, 2, 3]],
  ["get(map, 'z', 5)", 5],
  ["string({'b': 1, 'a': [true]})", '{"a":[true],"b":1}'],
  ["type(1) + type('') + type([]) + type({}) + type(null)", "numberstringlistmapnull"],
  ["yes || 1 / 0 > 1", true],
  ["1 / 0 > 1 || yes", true],
  ["1 / 0 > 1 && false", false],
  ["n // a comment", 7],
])("%s", (text, value) => {
  expect(evaluate(text)).toEqual(value);
});

test.each([
  ["1 +", "cel_syntax"],
  ["(1", "cel_syntax"],
  ["1 2", "cel_syntax"],
  ["'open", "cel_syntax"],
  ["'\\q'", "cel_syntax"],
  ["a.1", "cel_syntax"],
  ["12u", "cel_syntax"],
  ["#", "cel_syntax"],
  ["for", "cel_syntax"],
  ["list.map(x)", "cel_syntax"],
  ["size()", "cel_syntax"],
  ["has(n)", "cel_syntax"],
  ["1e999", "cel_overflow"],
  ["1e308 * 10", "cel_overflow"],
  ["process", "cel_unknown_name"],
  ["globalThis", "cel_unknown_name"],
  ["constructor", "cel_unknown_name"],
  ["x", "cel_unknown_name"],
  ["list.map(x, x) + [x]", "cel_unknown_name"],
  ["eval('1')", "cel_unknown_function"],
  ["s.matches('(a+)+')", "cel_unknown_function"],
  ["s.constructor('x')", "cel_unknown_function"],
  ["map.constructor", "cel_no_such_member"],
  ["map.__proto__", "cel_no_such_member"],
  ["map['toString']", "cel_no_such_member"],
  ["list[3]", "cel_out_of_bounds"],
  ["list[-1]", "cel_out_of_bounds"],
  ["list['length']", "cel_type"],
  ["list.length", "cel_type"],
  ["1 + 'a'", "cel_type"],
  ["n && true", "cel_type"],
  ["1 < 'a'", "cel_type"],
  ["null.a", "cel_type"],
  ["1 / 0", "cel_divide_by_zero"],
  ["1 % 0", "cel_divide_by_zero"],
  ["double('1x')", "cel_type"],
  [`${"(".repeat(100)}1${")".repeat(100)}`, "cel_too_large"],
  [`${"!".repeat(9_000)}true`, "cel_too_large"],
  [Array.from({ length: 3_000 }, () => "1").join("+"), "cel_too_large"],
  ["1 ".repeat(6_000), "cel_too_large"],
])("%.60s is refused with %s", (text, code) => {
  expect(codeOf(text)).toBe(code);
});

test.each([
  ["nested macros", "big.map(a, big.map(b, big.map(c, a + b + c)))"],
  ["a wide search", "big.all(a, big.exists(b, big.all(c, c < 2000)))"],
  ["doubling text", `'0123456789abcdef'${".replace('', 'xxxxxxxxxxxxxxxx')".repeat(20)}`],
  ["pairs of lists", "big.map(a, big + big + big)"],
  ["deep equality", "big.all(a, [big + []] == [big + []])"],
  ["text of text", "string(big.map(a, string(big.map(b, s))))"],
  ["failing sides", "big.all(a, big.all(b, 1 / 0 > 1) || big.all(c, c < 2000))"],
])("a bomb ends where its fuel does: %s", (_name, text) => {
  expect(codeOf(text)).toBe("cel_too_costly");
  expect(codeOf(text, 5_000)).toBe("cel_too_costly");
});

test("a left-leaning chain as long as is allowed can be evaluated", () => {
  const text = Array.from({ length: 900 }, () => "1").join("+");
  expect(evaluate(text)).toBe(900);
});
