import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Item, QueueRules } from "./item.ts";
import { makeScheduler, type Scheduler } from "./scheduler.ts";

const item = (facts: Partial<Item> & { readonly id: string }): Item => ({
  queue: "q",
  needs: "",
  class: 1,
  workspace: "ada",
  priority: 0,
  order: Number(facts.id.replaceAll(/\D/gu, "")),
  notBeforeMs: 0,
  mutex: undefined,
  key: undefined,
  place: "delayed",
  gate: undefined,
  lease: undefined,
  slot: -1,
  ...facts,
});

function take(scheduler: Scheduler, max: number, nowMs = 0, worker = "w"): string[] {
  scheduler.advance(nowMs);
  const endsAtMs = (): number => nowMs + 1_000;
  const asked = { queue: "q", needs: "", max, worker, token: 1, nowMs, endsAtMs };
  return scheduler.take(asked).items.map(({ id }) => id);
}

function filled(items: readonly Item[], rules: QueueRules = { isPaused: false }): Scheduler {
  const scheduler = makeScheduler();
  scheduler.setRules("q", rules, 0);
  for (const each of items) scheduler.add(each, 0);
  return scheduler;
}

const ids = (count: number, facts: Partial<Item> = {}, from = 0): Item[] =>
  Array.from({ length: count }, (_, place) => item({ id: `j${from + place}`, ...facts }));

describe("turns", () => {
  it("go by priority, then by arrival", () => {
    const scheduler = filled([
      item({ id: "j1" }),
      item({ id: "j2", priority: 5 }),
      item({ id: "j3" }),
      item({ id: "j4", priority: 5 }),
    ]);
    expect(take(scheduler, 9)).toEqual(["j2", "j4", "j1", "j3"]);
  });

  it("[A20] are 16 : 4 : 1 between the classes, so that low never starves", () => {
    const scheduler = filled([
      ...ids(100, { class: 0 }),
      ...ids(100, { class: 1 }, 100),
      ...ids(100, { class: 2 }, 200),
    ]);
    const taken = take(scheduler, 42).map((id) => Math.floor(Number(id.slice(1)) / 100));
    expect([0, 1, 2].map((its) => taken.filter((one) => one === its).length)).toEqual([32, 8, 2]);
    expect(taken[0]).toBe(0);
  });

  it("go round the workspaces, each by its weight, however much one of them has queued", () => {
    const scheduler = filled(
      [
        ...ids(1_000, { workspace: "much" }),
        ...ids(3, { workspace: "little" }, 1_000),
        ...ids(9, { workspace: "heavy" }, 2_000),
      ],
      { isPaused: false, weights: { heavy: 2 } },
    );
    const first = take(scheduler, 8);
    expect(first).toEqual(["j0", "j1000", "j2000", "j2001", "j1", "j1001", "j2002", "j2003"]);
  });
});

describe("limits", () => {
  it("[K56] keep one job of a mutex at a time, and block nobody else", () => {
    const scheduler = filled([
      ...ids(100, { mutex: "bed" }),
      item({ id: "j900" }),
      item({ id: "j901" }),
    ]);
    expect(take(scheduler, 9)).toEqual(["j0", "j900", "j901"]);
    expect(scheduler.countOf("q")).toEqual({ ready: 0, delayed: 0, parked: 99, leased: 3 });
    expect(take(scheduler, 9)).toEqual([]);
    scheduler.remove("j0", 0);
    expect(take(scheduler, 9)).toEqual(["j1"]);
  });

  it("do not lose a slot when the job that was to have it is cancelled, or waits for another", () => {
    const scheduler = filled(
      [
        item({ id: "j1", key: "k" }),
        item({ id: "j2", key: "k", mutex: "m" }),
        item({ id: "j3", key: "k" }),
        item({ id: "j4", mutex: "m" }),
      ],
      { isPaused: false, perKey: { concurrency: 1 } },
    );
    expect(take(scheduler, 9)).toEqual(["j1", "j4"]);
    scheduler.remove("j1", 0); // j2 is let back for the slot of k, and then waits for m
    expect(take(scheduler, 9)).toEqual(["j3"]);
    scheduler.remove("j4", 0);
    scheduler.remove("j3", 0);
    expect(take(scheduler, 9)).toEqual(["j2"]);
  });

  it("[K80] block nothing: are 64 lanes of two at a time, with all of them busy at once", () => {
    const jobs = Array.from({ length: 640 }, (_, place) =>
      item({ id: `j${place}`, key: `lane-${place % 64}` }),
    );
    const scheduler = filled(jobs, { isPaused: false, perKey: { concurrency: 2 } });
    let done = 0;
    for (let taken = take(scheduler, 999); taken.length > 0; taken = take(scheduler, 999)) {
      expect(taken.length).toBe(128);
      for (const id of taken) scheduler.remove(id, 0);
      done += taken.length;
    }
    expect(done).toBe(640);
  });

  it("let a queue start so many in a time, and wake it then", () => {
    const scheduler = filled(ids(10), { isPaused: false, rate: { max: 3, perMs: 300 } });
    expect(take(scheduler, 9)).toEqual(["j0", "j1", "j2"]);
    expect(scheduler.nextWakeMs(0)).toBe(100);
    expect(take(scheduler, 9, 100)).toEqual(["j3"]);
    expect(take(scheduler, 9, 10_000)).toHaveLength(3); // a bucket holds no more
  });

  it("let a key start so many in a time while others go on, and pause a key until a time", () => {
    const scheduler = filled([...ids(4, { key: "slow" }), ...ids(4, { key: "held" }, 10)], {
      isPaused: false,
      perKey: { rate: { max: 2, perMs: 200 } },
      pausedKeys: { held: 500 },
    });
    expect(take(scheduler, 9)).toEqual(["j0", "j1"]);
    expect(scheduler.nextWakeMs(0)).toBe(100);
    expect(take(scheduler, 9, 100)).toEqual(["j2"]);
    expect(take(scheduler, 9, 500)).toEqual(["j3", "j10", "j11"]);
  });

  it("start nothing of a queue that is paused, and everything after", () => {
    const scheduler = filled(ids(2), { isPaused: true });
    expect(take(scheduler, 9)).toEqual([]);
    scheduler.setRules("q", { isPaused: false }, 0);
    expect(take(scheduler, 9)).toEqual(["j0", "j1"]);
  });

  it("wait for a job's time", () => {
    const scheduler = filled([item({ id: "j1", notBeforeMs: 50 }), item({ id: "j2" })]);
    expect(take(scheduler, 9)).toEqual(["j2"]);
    expect(scheduler.nextWakeMs(0)).toBe(50);
    expect(take(scheduler, 9, 50)).toEqual(["j1"]);
  });

  it("are looked at so often in one call: a hundred thousand that are kept back stop nobody", () => {
    const scheduler = filled([...ids(10_000, { mutex: "m" }), item({ id: "j99999" })]);
    const asked = { queue: "q", needs: "", max: 9, worker: "w", token: 1, nowMs: 0 };
    let rounds = 0;
    const taken: string[] = [];
    for (let isMore = true; isMore; rounds += 1) {
      const got = scheduler.take({ ...asked, endsAtMs: () => 1 });
      taken.push(...got.items.map(({ id }) => id));
      ({ isMore } = got);
    }
    expect(taken).toEqual(["j0", "j99999"]);
    expect(rounds).toBeGreaterThan(1);
  });
});

// ── the same as a list that is obviously right ──────────────────────────────────────────────────

interface Model {
  readonly item: Item;
  leasedAt?: number;
}

const RULES: readonly QueueRules[] = [
  { isPaused: false },
  { isPaused: false, concurrency: 3 },
  { isPaused: false, perKey: { concurrency: 1 } },
  { isPaused: false, concurrency: 4, perKey: { concurrency: 2 } },
  { isPaused: true },
];

const isFree = (jobs: readonly Model[], { item: one }: Model, rules: QueueRules): boolean => {
  const held = jobs.filter(({ leasedAt }) => leasedAt !== undefined);
  const { concurrency = Infinity, perKey } = rules;
  if (rules.isPaused || held.length >= concurrency) return false;
  if (one.mutex !== undefined && held.some(({ item: its }) => its.mutex === one.mutex))
    return false;
  const ofKey = held.filter(({ item: its }) => its.key === one.key).length;
  return one.key === undefined || ofKey < (perKey?.concurrency ?? Infinity);
};

function check(isTrue: boolean, what: string): void {
  expect(isTrue ? "" : what).toBe("");
}

const first = (one: Item, other: Item): boolean =>
  one.priority === other.priority ? one.order < other.order : one.priority > other.priority;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("add" as const),
      mutex: fc.option(fc.nat(2)),
      key: fc.option(fc.nat(2)),
      class: fc.nat(2),
      workspace: fc.nat(2),
      priority: fc.nat(2),
      delay: fc.constantFrom(0, 0, 5),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("take" as const), max: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("rules" as const), which: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const) }) },
);

describe("any order of adds, takes, ends, cancellations and rules", () => {
  it("takes what a plain list would: free, the first of its workspace and class, and as many as there are", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const scheduler = makeScheduler();
        let rules: QueueRules = RULES[0] as QueueRules;
        let nowMs = 0;
        let made = 0;
        const jobs: Model[] = [];
        const drop = (job: Model): void => {
          scheduler.remove(job.item.id, nowMs);
          jobs.splice(jobs.indexOf(job), 1);
        };
        for (const each of steps) {
          const leased = jobs.filter(({ leasedAt }) => leasedAt !== undefined);
          if (each.do === "add") {
            made += 1;
            const job = item({
              id: `j${made}`,
              class: each.class,
              workspace: `w${each.workspace}`,
              priority: each.priority,
              notBeforeMs: nowMs + each.delay,
              mutex: each.mutex === null ? undefined : `m${each.mutex}`,
              key: each.key === null ? undefined : `k${each.key}`,
            });
            jobs.push({ item: job });
            scheduler.add(job, nowMs);
          } else if (each.do === "take") {
            const left = (job: Model): boolean =>
              job.leasedAt === undefined && job.item.notBeforeMs <= nowMs;
            const taken = take(scheduler, each.max, nowMs);
            for (const id of taken) {
              const job = jobs.find(({ item: its }) => its.id === id) as Model;
              check(job.leasedAt === undefined && isFree(jobs, job, rules), `${id} is not free`);
              const isBeaten = jobs.some(
                (other) =>
                  other !== job &&
                  left(other) &&
                  other.item.class === job.item.class &&
                  other.item.workspace === job.item.workspace &&
                  isFree(jobs, other, rules) &&
                  first(other.item, job.item),
              );
              check(!isBeaten, `${id} is not the first of its lane`);
              job.leasedAt = nowMs;
            }
            const isAnyFree = jobs.some((job) => left(job) && isFree(jobs, job, rules));
            check(taken.length === each.max || !isAnyFree, "one that may start was left");
          } else if (each.do === "end" || each.do === "release") {
            const job = leased[each.which % Math.max(1, leased.length)];
            if (job !== undefined && each.do === "end") drop(job);
            else if (job !== undefined) {
              scheduler.release(job.item.id, nowMs);
              delete job.leasedAt;
            }
          } else if (each.do === "cancel") {
            const job = jobs[each.which % Math.max(1, jobs.length)];
            if (job !== undefined) drop(job);
          } else if (each.do === "rules") {
            rules = RULES[each.which] as QueueRules;
            scheduler.setRules("q", rules, nowMs);
          } else nowMs += 5;
          const count = scheduler.countOf("q");
          const sum = count.ready + count.delayed + count.parked + count.leased;
          expect(sum).toBe(jobs.length);
          expect(count.leased).toBe(scheduler.leased().size);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("a hundred thousand jobs that wait", () => {
  it("cost a take no more looks than ten do", () => {
    const scheduler = filled(ids(100_000));
    expect(take(scheduler, 1)).toEqual(["j0"]);
    scheduler.remove("j50000", 0);
    scheduler.add(item({ id: "j200000", priority: 1 }), 0);
    expect(take(scheduler, 2)).toEqual(["j200000", "j1"]);
    expect(scheduler.size).toBe(100_000);
  });
});
