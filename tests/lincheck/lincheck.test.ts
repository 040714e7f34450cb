import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import { formatHistory, parseHistory, type Operation, type Status } from "./history.ts";
import type { RegisterOperation } from "./register.ts";
import { judge } from "./verdict.ts";

type Draft = Partial<Operation> & { readonly op: Operation["op"] };

/** `at` is [start, end]; without an end the operation was never answered. */
function asked(at: readonly [number, number?], draft: Draft): Operation {
  const [start, end] = at;
  const status: Status = end === undefined ? "unknown" : "ok";
  const base = { client: "c", key: "k", start, end: end ?? start, status };
  return { ...base, ...draft } as Operation;
}

const put = (at: readonly [number, number?], value: string): Operation =>
  asked(at, { op: "put", value });
const get = (at: readonly [number, number?], value?: string): Operation =>
  asked(at, { op: "get", value });
const cas = (
  at: readonly [number, number?],
  old: string | undefined,
  value: string,
  swapped?: boolean,
): Operation => asked(at, { op: "cas", old, value, swapped });
const del = (at: readonly [number, number?]): Operation => asked(at, { op: "del" });
const acquire = (at: readonly [number, number?], token?: number): Operation =>
  asked(at, { op: "acquire", token });

describe("histories that are linearizable", () => {
  it.each<[string, Operation[]]>([
    ["nothing happened", []],
    ["a read of nothing", [get([1, 2])]],
    ["a read beside a write may see it or not", [put([1, 9], "a"), get([2, 3]), get([4, 5], "a")]],
    [
      "writes beside each other in either order",
      [put([1, 9], "a"), put([2, 8], "b"), get([10, 11], "a")],
    ],
    [
      "an unanswered write that is seen much later",
      [put([1], "a"), get([5, 6]), get([50, 51], "a")],
    ],
    ["an unanswered write that never happens", [put([1], "a"), get([5, 6]), get([50, 51])]],
    [
      "a write of the value that is there, placed before another write",
      [put([1, 2], "v"), put([3, 8], "v"), put([4, 5], "w"), get([9, 10], "w")],
    ],
    [
      "a write of the value that is there, placed after another write",
      [put([1, 2], "v"), put([3, 10], "v"), put([4, 5], "w"), get([6, 7], "w"), get([11, 12], "v")],
    ],
    ["a cas chain", [put([1, 2], "a"), cas([3, 4], "a", "b", true), cas([5, 6], "a", "c", false)]],
    ["a cas that creates", [cas([1, 2], undefined, "a", true), get([3, 4], "a")]],
    [
      "a deleted key",
      [put([1, 2], "a"), del([3, 4]), get([5, 6]), put([7, 8], "b"), get([9, 9], "b")],
    ],
    [
      "an unanswered put that makes a cas fail",
      [put([1, 2], "a"), put([3], "z"), cas([4, 5], "a", "b", false)],
    ],
    [
      "tokens that grow",
      [acquire([1, 2], 4), acquire([3, 9], 6), acquire([4, 8], 5), acquire([10])],
    ],
    ["touching at one instant counts as overlap", [put([1, 5], "a"), get([5, 6])]],
  ])("%s", (_, history) => {
    expect(judge(history).kind).toBe("linearizable");
  });

  it("[K107] an operation that surely failed says nothing", () => {
    const history = [{ ...put([1, 2], "a"), status: "fail" } as Operation, get([3, 4])];
    expect(judge(history).kind).toBe("linearizable");
  });
});

describe("histories that are not", () => {
  it.each<[string, Operation[]]>([
    ["a stale read", [put([1, 2], "a"), put([3, 4], "b"), get([5, 6], "a")]],
    ["a lost write", [put([1, 2], "a"), get([3, 4])]],
    ["a value from nowhere", [get([1, 2], "a")]],
    ["a read that goes back", [put([1, 9], "a"), get([2, 3], "a"), get([4, 5])]],
    [
      "a cas done twice",
      [put([1, 2], "a"), cas([3, 4], "a", "b", true), cas([5, 6], "a", "c", true)],
    ],
    ["a cas refused though it fits", [put([1, 2], "a"), cas([3, 4], "a", "b", false)]],
    ["an unanswered write undone", [put([1], "a"), get([5, 6], "a"), get([7, 8])]],
    [
      "an unanswered write seen twice",
      [put([1], "a"), put([2, 3], "b"), get([4, 5], "a"), put([6, 7], "b"), get([8, 9], "a")],
    ],
    ["a deleted value that comes back", [put([1, 2], "a"), del([3, 4]), get([5, 6], "a")]],
    ["a failed write that is seen", [{ ...put([1, 2], "a"), status: "fail" }, get([3, 4], "a")]],
    ["a token that falls", [acquire([1, 2], 5), acquire([3, 4], 4)]],
    ["a token given twice", [acquire([1, 9], 5), acquire([3, 4], 5)]],
    [
      "a token that falls across others",
      [acquire([1, 2], 9), acquire([3, 4], 10), acquire([5, 6], 8)],
    ],
  ])("%s", (_, history) => {
    expect(judge(history).kind).toBe("broken");
  });

  it("names the answer and only the window around it", () => {
    const history: Operation[] = [];
    for (let n = 0; n < 200; n += 1) history.push(put([n * 10, n * 10 + 5], `v${n}`));
    history.push(get([2_000, 2_001], "v197"));
    const verdict = judge(history);
    expect(verdict.kind === "broken" ? verdict.words.split("\n") : verdict).toEqual([
      "no order explains: [2000, 2001] c get k -> v197",
      "before it the key could hold: a value that nobody asks for",
      "the window:",
      "  [1990, 1995] c put k = v199",
      "  [2000, 2001] c get k -> v197",
    ]);
  });
});

const line = (start: bigint, end: bigint): string =>
  JSON.stringify({
    client: "c",
    op: "del",
    key: "k",
    start: `${start}`,
    end: `${end}`,
    status: "ok",
  });

it("gives the same history back from its lines, with ns beyond 2^53 rebased exactly", () => {
  const history = [
    put([0, 5], "a"),
    cas([6, 7], "a", "b", true),
    acquire([8, 9], 3),
    get([1], "x"),
  ];
  expect(parseHistory(formatHistory(history))).toEqual(JSON.parse(JSON.stringify(history)));
  const epoch = 1_790_000_000_000_000_000n;
  const read = parseHistory(`${line(epoch + 1n, epoch + 3n)}\n${line(epoch + 2n, epoch + 4n)}\n`);
  expect(read.map(({ start, end }) => [start, end])).toEqual([
    [0, 2],
    [1, 3],
  ]);
});

it.each([
  ["no JSON", "{"],
  ["no such op", '{"op":"add","client":"c","key":"k","start":"1","end":"2","status":"ok"}'],
  [
    "a cas without its answer",
    '{"op":"cas","value":"v","client":"c","key":"k","start":"1","end":"2","status":"ok"}',
  ],
  ["no end", '{"op":"del","client":"c","key":"k","start":"1","status":"ok"}'],
])("refuses a line with %s", (_, line) => {
  expect(() => parseHistory(line)).toThrow(/line 1/);
});

/** Every order that respects time, tried one by one: slow, short, and surely right. */
function bruteForce(history: readonly RegisterOperation[]): boolean {
  const live = history.filter(({ status }) => status !== "fail");
  const visit = (left: readonly RegisterOperation[], value: string | undefined): boolean => {
    if (left.every(({ status }) => status === "unknown")) return true;
    return left.some((operation) => {
      const blocked = left.some((other) => other.status === "ok" && other.end < operation.start);
      if (blocked) return false;
      const rest = left.filter((other) => other !== operation);
      switch (operation.op) {
        case "put":
          return visit(rest, operation.value);
        case "del":
          return visit(rest, undefined);
        case "get":
          return operation.status === "unknown"
            ? visit(rest, value)
            : operation.value === value && visit(rest, value);
        case "cas": {
          const fits = operation.old === value;
          if (operation.status === "ok" && operation.swapped !== fits) return false;
          return visit(rest, fits ? operation.value : value);
        }
      }
    });
  };
  return visit(live, undefined);
}

const tinyOperation = fc
  .record({
    op: fc.constantFrom("put", "put", "get", "get", "cas", "del"),
    value: fc.constantFrom("a", "b"),
    seen: fc.constantFrom("a", "b", undefined),
    swapped: fc.boolean(),
    start: fc.integer({ min: 0, max: 12 }),
    length: fc.integer({ min: 0, max: 6 }),
    status: fc.constantFrom<Status>("ok", "ok", "ok", "ok", "unknown", "fail"),
  })
  .map(({ op, value, seen, swapped, start, length, status }): RegisterOperation => {
    const base = { client: "c", key: "k", start, end: start + length, status };
    if (op === "put") return { ...base, op, value };
    if (op === "del") return { ...base, op };
    if (op === "get") return { ...base, op, value: seen };
    return { ...base, op: "cas", old: seen, value, swapped };
  });

it("[K107] says what trying every order says, for random tiny histories", () => {
  const counts = { linearizable: 0, broken: 0, undecided: 0 };
  fc.assert(
    fc.property(fc.array(tinyOperation, { maxLength: 7 }), (history) => {
      const { kind } = judge(history);
      counts[kind] += 1;
      expect(kind).toBe(bruteForce(history) ? "linearizable" : "broken");
    }),
    { numRuns: 3_000 },
  );
  // A generator that makes only one kind would prove nothing.
  expect(Math.min(counts.linearizable, counts.broken)).toBeGreaterThan(300);
});

/** What clients of a true register see, some of them without an answer. */
export function trueHistory(options: {
  readonly seed: number;
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  readonly unknownShare: number;
}): Operation[] {
  const random = seededRandom(options.seed);
  const values = new Map<string, string>();
  const freeAt = Array.from({ length: options.clients }, () => 0);
  const history: Operation[] = [];
  const done: { readonly at: number; readonly run: () => void }[] = [];
  for (let n = 0; n < options.operations; n += 1) {
    const client = between(random, 0, options.clients - 1);
    const start = (freeAt[client] ?? 0) + between(random, 1, 20);
    const key = `k${between(random, 0, options.keys - 1)}`;
    const length = between(random, 1, 100);
    freeAt[client] = start + length;
    const base = { client: `c${client}`, key, start, end: start + length };
    const slot = history.push({ ...base, op: "del", status: "fail" }) - 1;
    const isUnknown = random() < options.unknownShare;
    const status: Status = isUnknown ? "unknown" : "ok";
    const happens = !isUnknown || random() < 0.5;
    const choice = random();
    const later = isUnknown && random() < 0.3 ? 500 : 0;
    const at = start + Math.floor(random() * length) + later;
    done.push({
      at,
      run: () => {
        const value = values.get(key);
        const next = `v${n}`;
        if (choice < 0.4) {
          history[slot] = { ...base, op: "put", value: next, status };
          if (happens) values.set(key, next);
        } else if (choice < 0.6) {
          const old = random() < 0.7 ? value : `v${n - 3}`;
          const swapped = old === value;
          history[slot] = { ...base, op: "cas", old, value: next, swapped, status };
          if (swapped && happens) values.set(key, next);
        } else if (choice < 0.62) {
          history[slot] = { ...base, op: "del", status };
          if (happens) values.delete(key);
        } else {
          history[slot] = { ...base, op: "get", value, status };
        }
      },
    });
  }
  for (const { run } of done.toSorted((a, b) => a.at - b.at)) run();
  return history;
}

it("[K107] judges 100,000 operations, with and without a lie in them", () => {
  const shape = { seed: 7, operations: 100_000, clients: 20, keys: 40, unknownShare: 0.002 };
  const history = trueHistory(shape);
  expect(judge(history)).toMatchObject({ kind: "linearizable", operations: 100_000, keys: 40 });
  const at = history.findIndex(
    ({ op, status, start }) => op === "get" && status === "ok" && start > 100_000,
  );
  history[at] = { ...history[at], value: "v1" } as Operation;
  expect(judge(history)).toMatchObject({ kind: "broken", key: history[at].key });
});

it("decides one hot key with more than a hundred unanswered writes", () => {
  const shape = { seed: 3, operations: 6_000, clients: 10, keys: 1, unknownShare: 0.02 };
  const history = trueHistory(shape);
  expect(history.filter(({ status }) => status === "unknown").length).toBeGreaterThan(100);
  expect(judge(history).kind).toBe("linearizable");
});

it("says so when it cannot tell within its bound", () => {
  const history: Operation[] = [];
  for (let n = 0; n < 14; n += 1) history.push(put([1, 100], `v${n % 7}`));
  for (let n = 0; n < 6; n += 1) history.push(get([101 + n * 2, 102 + n * 2], "v3"));
  const verdict = judge(history, { configurationsMax: 1_000 });
  expect(verdict.kind).toBe("undecided");
});
