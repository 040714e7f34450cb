import fc from "fast-check";
import { expect, test } from "vitest";
import type { Journal } from "../adapters/journal.ts";
import { entriesOf, type Entry, fold, makeMemory, makeTables } from "./memory.ts";

const name = fc.constantFrom("a", "b", "c");
const token = fc.integer({ min: 1, max: 9 });
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({ type: fc.constant("fence" as const), printer: name, token, job: name }),
  fc.record({
    type: fc.constant("accepted" as const),
    job: name,
    token,
    effect: fc.constantFrom("pure" as const, "once" as const),
  }),
  fc.record({ type: fc.constant("settled" as const), job: name, token, result: fc.nat() }),
  fc.record({ type: fc.constant("recorded" as const), job: name, token }),
  fc.record({ type: fc.constant("forgotten" as const), token }),
);

const tablesOf = (entries: readonly Entry[]) => {
  const tables = makeTables();
  for (const one of entries) fold(tables, one);
  return tables;
};

test("M2: tokens of printers and jobs only grow, in whatever order entries come", () => {
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const tables = makeTables();
      const highest = new Map<string, number>();
      for (const one of entries) {
        fold(tables, one);
        if (one.type !== "fence") continue;
        highest.set(one.printer, Math.max(highest.get(one.printer) ?? 0, one.token));
        expect(tables.fences.get(one.printer)?.token).toBe(highest.get(one.printer));
      }
    }),
  );
});

test("a compacted journal folds into the same tables", () => {
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const tables = tablesOf(entries);
      const again = tablesOf(entriesOf(tables));
      expect(again.fences).toEqual(tables.fences);
      expect([...again.jobs]).toEqual([...tables.jobs]);
      expect(again.forgottenToken).toBe(tables.forgottenToken);
    }),
  );
});

test("M3: recorded jobs are forgotten beyond a bound, open ones never", () => {
  const entries: Entry[] = Array.from({ length: 1_000 }, (_, index) => [
    { type: "accepted" as const, job: `job_${index}`, token: 1, effect: "once" as const },
    { type: "recorded" as const, job: `job_${index}`, token: 1 },
  ]).flat();
  const open: Entry = { type: "accepted", job: "open", token: 1, effect: "once" };
  const { jobs } = tablesOf([open, ...entries]);
  expect(jobs.size).toBe(257);
  expect(jobs.has("open")).toBe(true);
});

const recordedJobs = (effect: "once" | "pure", tokens: readonly number[]): Entry[] =>
  tokens.flatMap((token) => [
    { type: "accepted", job: `${effect}_${token}`, token, effect },
    { type: "recorded", job: `${effect}_${token}`, token },
  ]);

test("M4: the highest token of forgotten once-jobs stays, that of harmless ones does not", () => {
  const tokens = Array.from({ length: 300 }, (_, index) => index + 1);
  const later = recordedJobs(
    "pure",
    tokens.map((token) => token + 1_000),
  );
  const tables = tablesOf([...recordedJobs("once", tokens), ...later]);
  expect(tables.forgottenToken).toBe(300);
  expect([...tables.jobs.values()].every(({ effect }) => effect === "pure")).toBe(true);
});

test("M1: a write that fails leaves the fence up", async () => {
  const journal: Journal<Entry> = {
    sizeBytes: 0,
    append: () => Promise.reject(new Error("no disk")),
    rewrite: async () => {},
    close: async () => {},
  };
  const memory = makeMemory(makeTables(), journal);
  const keeping = memory.keep({ type: "fence", printer: "ender", token: 9, job: "prt_1" });
  await expect(keeping).rejects.toThrow("no disk");
  expect(memory.fenceOf("ender")).toEqual({ token: 9, job: "prt_1" });
});

test("the journal is compacted when it has grown, and not before", async () => {
  const lines: Entry[] = [];
  const rewrites: number[] = [];
  const journal: Journal<Entry> = {
    get sizeBytes() {
      return lines.length * 100_000;
    },
    append: async (one) => void lines.push(one),
    rewrite: async (entries) => {
      rewrites.push(entries().length);
      lines.splice(0, lines.length, ...entries());
    },
    close: async () => {},
  };
  const memory = makeMemory(makeTables(), journal);
  for (let token = 1; token <= 30; token += 1) {
    await memory.keep({ type: "fence", printer: "ender", token, job: "prt_1" });
  }
  expect(rewrites.length).toBeGreaterThan(1);
  expect(rewrites.every((count) => count === 1)).toBe(true);
  expect(lines.length).toBeLessThan(12);
});
