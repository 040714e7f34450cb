import { expect, test } from "vitest";
import fc from "fast-check";
import type { SchedulePolicy, ScheduleWhen } from "@gantry/shared/contract/schedules.ts";
import { makeCronCalendar } from "../adapters/cron-calendar.ts";
import { makeDueHeap } from "./due-heap.ts";
import { dueAtMs, jitterMs, nextStep, type Step } from "./plan.ts";

const calendar = makeCronCalendar();
const MINUTE = 60_000;
const policy = (facts: Partial<SchedulePolicy> = {}): SchedulePolicy => ({
  catchUp: "skip",
  catchUpMax: 10,
  overlap: "allow",
  jitterMs: 0,
  lateMs: MINUTE,
  ...facts,
});
const hourly: ScheduleWhen = { kind: "every", everyMs: 60 * MINUTE, anchorMs: 0 };
const row = (nextMs: number | undefined, facts: Partial<SchedulePolicy> = {}) => ({
  id: "sch_1",
  when: hourly,
  policy: policy(facts),
  state: "active" as const,
  nextMs,
});
const HOUR = 60 * MINUTE;

/** All steps from `row` on at one moment, as the leader takes them. */
function steps(facts: Partial<SchedulePolicy>, fromMs: number, nowMs: number): readonly Step[] {
  const taken: Step[] = [];
  let nextMs: number | undefined = fromMs;
  for (;;) {
    const step = nextStep(row(nextMs, facts), nowMs, calendar);
    if (step === undefined) return taken;
    taken.push(step);
    nextMs = step.nextMs;
  }
}
const fired = (taken: readonly Step[]): number[] =>
  taken.flatMap((step) => (step.kind === "fire" ? [step.plannedMs / HOUR] : []));

test("what is on time is fired, and nothing before its time", () => {
  expect(nextStep(row(HOUR), HOUR - 1, calendar)).toBeUndefined();
  expect(nextStep(row(HOUR), HOUR, calendar)).toEqual({
    kind: "fire",
    plannedMs: HOUR,
    why: "due",
    nextMs: 2 * HOUR,
  });
});

test.each([
  { catchUp: "skip", want: [] },
  { catchUp: "once", want: [9] },
  { catchUp: "all", want: [7, 8, 9] },
] as const)("after nine missed runs, $catchUp starts $want", ({ catchUp, want }) => {
  const taken = steps({ catchUp, catchUpMax: 3 }, HOUR, 9 * HOUR + 5 * MINUTE);
  expect(fired(taken)).toEqual(want);
  const passed = taken.flatMap((step) => (step.kind === "pass" ? [step.count] : []));
  expect(passed.reduce((sum, count) => sum + count, 0)).toBe(9 - want.length);
  expect(taken.at(-1)?.nextMs).toBe(10 * HOUR);
});

test("what is missed and what is on time are told apart at one wake-up", () => {
  const taken = steps({ catchUp: "skip" }, HOUR, 3 * HOUR + 1_000);
  expect(taken).toMatchObject([
    { kind: "pass", count: 2 },
    { kind: "fire", plannedMs: 3 * HOUR, why: "due" },
  ]);
});

test("nothing is fired after the end date, and the last step has no next", () => {
  const taken = steps({ catchUp: "all", endsAtMs: 2 * HOUR }, HOUR, 9 * HOUR);
  expect(fired(taken)).toEqual([1, 2]);
  expect(taken.at(-1)?.nextMs).toBeUndefined();
});

test("a paused schedule owes nothing, and jitter is the same every time and within its bound", () => {
  expect(nextStep({ ...row(HOUR), state: "paused" }, 9 * HOUR, calendar)).toBeUndefined();
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.integer({ min: 1, max: 3_600_000 }), (id, ms, max) => {
      const jitter = jitterMs(id, ms, max);
      expect(jitter).toBe(jitterMs(id, ms, max));
      expect(jitter).toBeGreaterThanOrEqual(0);
      expect(jitter).toBeLessThanOrEqual(max);
    }),
  );
  const due = dueAtMs(row(HOUR, { jitterMs: HOUR }));
  expect(nextStep(row(HOUR, { jitterMs: HOUR }), (due ?? 0) - 1, calendar)).toBeUndefined();
  expect(nextStep(row(HOUR, { jitterMs: HOUR }), due ?? 0, calendar)?.kind).toBe("fire");
});

test("PL1: whatever the policy and however long the hub was away, each instant is taken once", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("skip", "once", "all" as const),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 40 * HOUR }),
      fc.nat({ max: 10 * MINUTE }),
      (catchUp, catchUpMax, nowMs, lateMs) => {
        const taken = steps({ catchUp, catchUpMax, lateMs }, HOUR, nowMs);
        const hours = taken.flatMap((step) =>
          step.kind === "fire"
            ? [step.plannedMs / HOUR]
            : Array.from({ length: step.count }, (_, place) => step.fromMs / HOUR + place),
        );
        expect(hours).toEqual(
          Array.from({ length: Math.floor(nowMs / HOUR) }, (_, place) => place + 1),
        );
      },
    ),
  );
});

test("the heap gives what a sorted list gives", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.integer({ min: 0, max: 20 }),
          fc.option(fc.nat({ max: 50 }), { nil: undefined }),
        ),
      ),
      fc.nat({ max: 50 }),
      (changes, nowMs) => {
        const heap = makeDueHeap();
        const list = new Map<string, number>();
        for (const [id, dueMs] of changes) {
          heap.set(`s${id}`, dueMs);
          if (dueMs === undefined) list.delete(`s${id}`);
          else list.set(`s${id}`, dueMs);
        }
        const sorted = [...list].toSorted(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
        expect(heap.size).toBe(list.size);
        expect(heap.firstMs()).toBe(sorted[0]?.[1]);
        const due = sorted.filter(([, dueMs]) => dueMs <= nowMs).map(([id]) => id);
        expect(heap.takeDue(nowMs, 1_000)).toEqual(due);
        expect(heap.takeDue(nowMs, 1_000)).toEqual([]);
        expect(heap.size).toBe(list.size - due.length);
      },
    ),
  );
});
