import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { diff } from "./json-diff.ts";
import { CASES } from "./json-patch.cases.ts";
import { applyPatch, type JsonOperation, type Patched, revertPatch } from "./json-patch.ts";
import { formatPointer, parsePointer } from "./json-pointer.ts";
import { isSame, type Json } from "./json-value.ts";
import { naivePatch, naiveSame } from "./testing/naive-patch.ts";

const parse = (text: string): Json => JSON.parse(text) as Json;

type Outcome =
  | { readonly kind: "patched"; readonly patched: Patched }
  | { readonly kind: "refused"; readonly error: unknown };
function outcomeOf(document: Json, patch: unknown): Outcome {
  try {
    return { kind: "patched", patched: applyPatch(document, patch) };
  } catch (error) {
    return { kind: "refused", error };
  }
}
const detailsOf = (outcome: Outcome): unknown =>
  outcome.kind === "refused" && outcome.error instanceof GantryError
    ? { code: outcome.error.code, ...outcome.error.details }
    : outcome;

/** Freezes all of it: whoever writes to it throws. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) frozen(member);
    Object.freeze(value);
  }
  return value;
}

describe("JSON patches, case by case", () => {
  it("has at least a hundred cases, each with its own title", () => {
    expect(new Set(CASES.map(({ title }) => title)).size).toBe(CASES.length);
    expect(CASES.length).toBeGreaterThan(100);
  });

  it.each(CASES.filter(({ outcome }) => "result" in outcome))(
    "$title",
    ({ document, patch, outcome }) => {
      const before = frozen(parse(document));
      const { result, inverse } = applyPatch(before, frozen(parse(patch)));
      expect(JSON.stringify(before)).toBe(JSON.stringify(parse(document)));
      expect("result" in outcome && isSame(result, parse(outcome.result))).toBe(true);
      expect(isSame(revertPatch(frozen(result), frozen(inverse)).result, before)).toBe(true);
      expect(naiveSame(naivePatch(before, parse(patch)), result)).toBe(true);
    },
  );

  it.each(CASES.filter(({ outcome }) => "reason" in outcome))(
    "refused: $title",
    ({ document, patch, outcome }) => {
      const before = frozen(parse(document));
      const { reason, at } = outcome as { readonly reason: string; readonly at?: number }; // as filtered
      const details = detailsOf(outcomeOf(before, frozen(parse(patch))));
      expect(details).toMatchObject(at === undefined ? { reason } : { reason, operation: at });
      expect(naivePatch(before, parse(patch))).toBeUndefined();
    },
  );

  it("leaves no trace on prototypes", () => {
    for (const { document, patch } of CASES) outcomeOf(parse(document), parse(patch));
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

const nested = (depth: number): Json => {
  let value: Json = 0;
  for (let at = 0; at < depth; at += 1) value = [value];
  return value;
};

const steps = (count: number): JsonOperation[] =>
  Array.from({ length: count }, (_, at) => ({ op: "add", path: `/${at}`, value: at }));

describe("a patch's bounds", () => {
  it("are on its operations, on the depth and on the weight of the result", () => {
    expect(Object.keys(applyPatch({}, steps(LIMIT.patchOperations.max)).result ?? {})).toHaveLength(
      LIMIT.patchOperations.max,
    );
    const many = detailsOf(outcomeOf({}, steps(LIMIT.patchOperations.max + 1)));
    expect(many).toEqual({ code: "too_large", reason: "too_many_operations" });

    const { max } = LIMIT.documentDepth;
    const add = (depth: number) => [{ op: "add", path: "/a", value: nested(depth) }];
    expect(outcomeOf({}, add(max - 1)).kind).toBe("patched");
    const deep = { code: "too_large", reason: "too_deep", operation: 0 };
    expect(detailsOf(outcomeOf({}, add(max)))).toMatchObject(deep);
    expect(detailsOf(outcomeOf({}, add(100_000)))).toMatchObject(deep);
    expect(detailsOf(outcomeOf(nested(max + 1), []))).toMatchObject(deep);

    const value = "x".repeat(LIMIT.documentWeight.max);
    const heavy = detailsOf(outcomeOf({}, [{ op: "add", path: "/a", value }]));
    expect(heavy).toMatchObject({ code: "too_large", reason: "too_heavy", path: "/a" });
  });

  it("stop a patch that doubles the document again and again", () => {
    const doubling = Array.from({ length: 500 }, (_, at) => [
      { op: "copy", from: "/a", path: "/b" },
      { op: "add", path: "/a", value: {} },
      { op: "copy", from: "/b", path: "/a/x" },
      { op: "copy", from: "/b", path: `/a/y${at}` },
    ]).flat();
    const wide = Array.from({ length: 40 }, () => ({ op: "copy", from: "", path: "/-" }));
    for (const [document, patch] of [
      [{ a: ["some text"] }, doubling],
      [["some text"], wide],
    ] as const) {
      const found = detailsOf(outcomeOf(document, patch));
      expect(found).toMatchObject({ code: "too_large" });
    }
  });

  it("refuse what is no JSON, and a circle", () => {
    const circle: unknown[] = [];
    circle.push(circle);
    const reasons = [undefined, Number.NaN, Infinity, 1n, () => 1, circle].map((value) => {
      const { reason } = detailsOf(outcomeOf([], [{ op: "add", path: "/0", value: [value] }])) as {
        readonly reason?: string;
      };
      return reason;
    });
    expect(reasons).toEqual([...Array.from({ length: 5 }, () => "not_json"), "too_deep"]);
  });

  it("tell in the message and the details which operation it was, where, and why", () => {
    const patch = [
      { op: "add", path: "/a", value: 1 },
      { op: "remove", path: "/b~1c/0" },
    ];
    const refused = outcomeOf({}, patch);
    expect(detailsOf(refused)).toEqual({
      code: "patch_conflict",
      reason: "not_found",
      operation: 1,
      path: "/b~1c/0",
    });
  });
});

// ── properties ──────────────────────────────────────────────────────────────────────────────────

const key = fc.constantFrom("a", "b", "0", "1", "-", "", "a/b", "~", "__proto__", "constructor");
const document = fc.letrec<{ json: Json; object: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom<Json>(null, true, 0, 1, "", "x"),
    fc.array(tie("json"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc
    .array(fc.tuple(key, tie("json")), { maxLength: 4 })
    .map((members) => Object.fromEntries(members)), // defines members, `__proto__` too
})).json;

/** Paths to everything in it, and to some places that are not. */
function pathsIn(value: Json, path: readonly string[] = []): string[] {
  const here = [formatPointer(path)];
  if (typeof value !== "object" || value === null) return here;
  const inner = Object.entries(value).flatMap(([name, member]) => pathsIn(member, [...path, name]));
  return [...here, ...inner, ...["-", "a", "9", "01"].map((end) => formatPointer([...path, end]))];
}

/** Each operation is drawn over what the ones before it have left, so that most of them fit. */
const story = fc.tuple(
  document,
  fc.array(
    fc.tuple(
      fc.constantFrom("add", "remove", "replace", "move", "copy", "test"),
      fc.nat(),
      fc.nat(),
      document,
    ),
    { maxLength: 12 },
  ),
);

function patchOf([start, draws]: readonly [
  Json,
  readonly (readonly [string, number, number, Json])[],
]): {
  readonly fitting: JsonOperation[];
  readonly all: JsonOperation[];
} {
  const fitting: JsonOperation[] = [];
  const all: JsonOperation[] = [];
  let now = start;
  for (const [op, to, from, value] of draws) {
    const paths = pathsIn(now);
    const path = paths[to % paths.length] ?? "";
    const source = paths[from % paths.length] ?? "";
    const step = { op, path, from: source, value: op === "test" ? now : value } as JsonOperation; // one of them
    all.push(step);
    const after = naivePatch(now, [step]);
    if (after === undefined) continue;
    fitting.push(step);
    now = after;
  }
  return { fitting, all };
}

describe("JSON patches in general", () => {
  it("do what a naive account of the RFC does, refuse what it refuses, and change nothing they are given", () => {
    let patchedCount = 0;
    fc.assert(
      fc.property(story, (given) => {
        const [start] = given;
        frozen(start);
        const { fitting, all } = patchOf(given);
        for (const patch of [fitting, all]) {
          const naive = naivePatch(start, patch);
          const found = outcomeOf(start, frozen(patch));
          expect(found.kind).toBe(naive === undefined ? "refused" : "patched");
          if (found.kind === "refused") continue;
          patchedCount += patch.length > 2 ? 1 : 0;
          const { result, inverse } = found.patched;
          const text = JSON.stringify(inverse);
          frozen(result);
          const back = revertPatch(result, frozen(inverse)).result;
          const again = revertPatch(result, parse(text) as unknown as JsonOperation[]).result;
          const isRight =
            naiveSame(naive, result) && naiveSame(start, back) && naiveSame(start, again);
          if (!isRight)
            throw new Error(JSON.stringify({ start, patch, result, naive, inverse, back }));
        }
      }),
      { numRuns: 3_000 },
    );
    expect(patchedCount).toBeGreaterThan(500);
  });

  it("fuzz: no JSON whatever as a patch throws anything but the stable codes", () => {
    const loose = fc.record(
      {
        op: fc.oneof(
          fc.constantFrom("add", "remove", "replace", "move", "copy", "test"),
          fc.jsonValue(),
        ),
        path: fc.oneof(
          fc.string(),
          fc.string().map((text) => `/${text}`),
          fc.jsonValue(),
        ),
        from: fc.oneof(fc.constantFrom("", "/a", "/0"), fc.jsonValue()),
        value: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const codes = new Set(["bad_patch", "patch_conflict", "too_large"]);
    fc.assert(
      fc.property(fc.jsonValue(), fc.oneof(fc.jsonValue(), fc.array(loose)), (start, patch) => {
        const found = outcomeOf(start as Json, patch);
        const { code } = detailsOf(found) as { readonly code?: string };
        expect(found.kind === "patched" || codes.has(code ?? "")).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it("keep their inverse apart from what later operations write (JP4, JP5)", () => {
    const cases: [Json, JsonOperation[]][] = [
      [
        { a: { x: 1 }, b: 2 },
        [
          { op: "replace", path: "/a/x", value: 2 }, // from here on /a is written in place
          { op: "move", from: "/a", path: "/b" },
          { op: "add", path: "/b/y", value: 3 },
        ],
      ],
      [{ a: [5, { z: 0 }, { x: 1 }] }, [{ op: "move", from: "/a/0", path: "/a/1/x" }]],
    ];
    for (const [start, patch] of cases) {
      const { result, inverse } = applyPatch(start, patch);
      expect(result).toEqual(naivePatch(start, patch));
      expect(revertPatch(result, inverse).result).toEqual(start);
    }
  });

  it("share with the document what they did not touch", () => {
    const start = { a: { b: [1] }, c: { d: [2] } };
    const { result } = applyPatch(start, [{ op: "replace", path: "/a/b/0", value: 5 }]);
    expect((result as typeof start).c).toBe(start.c);
    expect((result as typeof start).a).not.toBe(start.a);
  });

  it("a difference gives the other document, nothing for the same one, and never more than the whole", () => {
    fc.assert(
      fc.property(story, (given) => {
        const [start] = given;
        const after = naivePatch(start, patchOf(given).fitting) ?? null;
        for (const [from, to] of [
          [start, after],
          [after, start],
          [start, given[1][0]?.[3] ?? null],
        ] as const) {
          const patch = diff(from, to);
          expect(naiveSame(applyPatch(from, patch).result, to)).toBe(true);
          expect(patch.length === 0).toBe(isSame(from, to));
          const whole = JSON.stringify([{ op: "replace", path: "", value: to }]);
          expect(JSON.stringify(patch).length).toBeLessThanOrEqual(Math.max(2, whole.length));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("a difference is small: one operation for one change in a long list or a large object", () => {
    const items = Array.from({ length: 200 }, (_, at) => ({ id: `n${at}`, kind: "task" }));
    const [head, tail] = [items.slice(0, 90), items.slice(91)];
    const extra = { id: "new", kind: "http" };
    expect(diff(items, [...head, ...tail])).toEqual([{ op: "remove", path: "/90" }]);
    expect(diff(items, [...head, extra, ...items.slice(90)])).toEqual([
      { op: "add", path: "/90", value: extra },
    ]);
    expect(diff(items, [...head, { id: "n90", kind: "http" }, ...tail])).toEqual([
      { op: "replace", path: "/90/kind", value: "http" },
    ]);
    expect(diff({ nodes: items, x: 1 }, { nodes: items, x: 2 })).toEqual([
      { op: "replace", path: "/x", value: 2 },
    ]);
    const far = diff(
      items,
      items.map((_, at) => at),
    );
    expect(far).toMatchObject([{ op: "replace", path: "" }]);
    expect(applyPatch(items, diff(items, items.toReversed())).result).toEqual(items.toReversed());
  });

  it("pointers: what is formatted is read back, whatever the keys", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), key)), (tokens) => {
        expect(parsePointer(formatPointer(tokens))).toEqual(tokens);
      }),
    );
  });
});
