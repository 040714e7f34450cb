import { expect, test } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { HazardClass } from "@gantry/shared/contract/roles.ts";
import type {
  FiringRow,
  SchedulePolicy,
  ScheduleRow,
  WorkTemplate,
} from "@gantry/shared/contract/schedules.ts";
import { makeCronCalendar } from "../adapters/cron-calendar.ts";
import { job, START_MS } from "../ledger/testing/rig.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeClockwork } from "./clockwork.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const EVENT = { type: "event", name: "tick", data: null } as const;
type Made = Extract<CommandBody, { type: "scheduleMade" }>;

interface Reign extends FakeHub {
  /** What it slept for, ms. */
  readonly rests: number[];
  readonly answered: string[];
  readonly cancelled: string[];
  make(id: string, facts?: Partial<Made>, policy?: Partial<SchedulePolicy>): void;
  start(): void;
  stop(): void;
  row(id: string): ScheduleRow;
  /** Ids of firings, in the order in which they happened. */
  fired(): readonly string[];
}

function makeReign(fake: FakeHub = makeFakeHub()): Reign {
  const { rig, clock, publish } = fake;
  const rests: number[] = [];
  const answered: string[] = [];
  const cancelled: string[] = [];
  let stopped = new AbortController();
  const counting = {
    ...clock,
    sleep(ms: number, signal: AbortSignal) {
      rests.push(ms);
      return clock.sleep(ms, signal);
    },
  };
  const clockwork = makeClockwork({
    hub: { ...fake.hub, clock: counting },
    calendar: makeCronCalendar(),
    answer: (question) => void answered.push(question),
    cancelled: (id) => void cancelled.push(id),
  });
  return {
    ...fake,
    rests,
    answered,
    cancelled,
    make(schedule, facts = {}, policy = {}) {
      const defaults = { catchUp: "once", catchUpMax: 10, overlap: "allow", jitterMs: 0 } as const;
      rig.at(clock.now() - START_MS);
      rig.act({
        type: "scheduleMade",
        schedule,
        name: schedule,
        role: "maker",
        when: { kind: "every", everyMs: 10 * SECOND, anchorMs: START_MS + 10 * SECOND },
        target: EVENT,
        policy: { ...defaults, lateMs: MINUTE, ...policy },
        nextMs: START_MS + 10 * SECOND,
        ...facts,
      });
      publish();
    },
    start() {
      stopped = new AbortController();
      void clockwork.run(stopped.signal);
    },
    stop: () => stopped.abort(),
    row: (id) => rig.rows.get("schedule", id) as ScheduleRow,
    fired: () =>
      rig.events.flatMap(({ type, data }) =>
        type === "schedule.fired" ? [(data as FiringRow).id] : [],
      ),
  };
}

/** Ada may do what a maker may. */
function withAda(reign: Reign): Reign {
  reign.rig.act({
    type: "tokenMade",
    token: "tok_ada",
    person: "ada",
    role: "maker",
    secretSha256: "of ada",
  });
  return reign;
}
function workOf(hazard: HazardClass): WorkTemplate {
  const { job: _j, type: _t, ...work } = job();
  return { ...work, hazard, summary: "light" };
}
const instant = (id: string, afterMs: number): string => `${id}/${START_MS + afterMs}`;

test("CW1: it sleeps until the nearest instant and not for less, and fires at it", async () => {
  const reign = withAda(makeReign());
  reign.make("sch_1");
  reign.start();
  await reign.clock.pass(9_900);
  expect(reign.fired()).toEqual([]);
  expect(reign.rests).toEqual([10 * SECOND]);
  await reign.clock.pass(200);
  expect(reign.fired()).toEqual([instant("sch_1", 10 * SECOND)]);
  expect(reign.row("sch_1").nextMs).toBe(START_MS + 20 * SECOND);
});

test("CW1: a schedule that is made meanwhile and is due before wakes it", async () => {
  const reign = withAda(makeReign());
  reign.make("sch_late", { nextMs: START_MS + 20 * SECOND });
  reign.start();
  await reign.clock.pass(SECOND);
  reign.make("sch_soon", {
    when: { kind: "once", atMs: START_MS + 3_000 },
    nextMs: START_MS + 3_000,
  });
  await reign.clock.pass(2_100);
  expect(reign.fired()).toEqual([instant("sch_soon", 3_000)]);
});

test("a process that stood still for an hour makes up for it by the policy, once", async () => {
  const reign = withAda(makeReign());
  reign.make("sch_once");
  reign.make("sch_skip", {}, { catchUp: "skip" });
  reign.start();
  await reign.clock.pass(SECOND);
  reign.clock.stall(60 * MINUTE);
  await reign.clock.pass(100);
  const { counts } = reign.row("sch_skip");
  expect(counts.missed).toBeGreaterThan(300);
  const why = reign.rig.events.flatMap(({ type, data, subject }) =>
    type === "schedule.fired" ? [`${subject} ${(data as FiringRow).why}`] : [],
  );
  expect(why.filter((each) => each === "sch_once catch-up")).toHaveLength(1);
  expect(why.filter((each) => each === "sch_skip catch-up")).toHaveLength(0);
});

test("two hubs that both believe that they lead fire each instant once", async () => {
  const fake = makeFakeHub();
  const [one, other] = [withAda(makeReign(fake)), makeReign(fake)];
  one.make("sch_1");
  one.start();
  other.start();
  await fake.clock.pass(65 * SECOND);
  expect(one.fired()).toEqual(
    [10, 20, 30, 40, 50, 60].map((seconds) => instant("sch_1", seconds * SECOND)),
  );
});

test("CW3: a hub that cannot write tries again after growing pauses, and the others do not wait for it", async () => {
  const fake = makeFakeHub();
  const propose = fake.hub.replica.propose.bind(fake.hub.replica);
  let faults = 0;
  const replica = {
    ...fake.hub.replica,
    propose: (...[command, signal]: Parameters<typeof propose>) => {
      const isFaulty = command.type === "scheduleFired" && command.schedule === "sch_1";
      if (!isFaulty || faults === 3) return propose(command, signal);
      faults += 1;
      return Promise.reject(new GantryError("disk_full", "no room"));
    },
  };
  const reign = withAda(makeReign({ ...fake, hub: { ...fake.hub, replica } }));
  reign.make("sch_1");
  reign.make("sch_2");
  reign.start();
  await fake.clock.pass(10_200);
  expect(reign.fired()).toEqual([instant("sch_2", 10 * SECOND)]);
  expect(faults).toBe(1);
  await fake.clock.pass(4_000);
  expect(faults).toBe(3); // after about one second, and two more
  expect(reign.fired()).toEqual([instant("sch_2", 10 * SECOND)]);
  await fake.clock.pass(4_000);
  expect(reign.fired()).toContain(instant("sch_1", 10 * SECOND));
});

test("what waits for the end of the run before starts when that ends, and the next leader knows of it", async () => {
  const fake = makeFakeHub();
  const [before, after] = [withAda(makeReign(fake)), makeReign(fake)];
  before.make("sch_1", { target: { type: "job", work: workOf("none") } }, { overlap: "queue-one" });
  before.start();
  await fake.clock.pass(21 * SECOND);
  expect(before.row("sch_1").queuedMs).toBe(START_MS + 20 * SECOND);
  before.stop();
  after.start();
  await fake.clock.pass(SECOND);
  expect(after.row("sch_1").counts.started).toBe(1);
  const { last } = after.row("sch_1");
  fake.rig.act({ type: "jobCancelled", job: last?.id ?? "" });
  fake.publish();
  await fake.clock.pass(SECOND);
  expect(after.row("sch_1").counts.started).toBe(2);
  expect(after.row("sch_1").queuedMs).toBeUndefined();
});

test("the node of a cancelled run hears of it, and somebody is asked to answer a question", async () => {
  const reign = withAda(makeReign());
  const work = workOf("none");
  reign.make("sch_job", { target: { type: "job", work } }, { overlap: "cancel-previous" });
  reign.make("sch_ask", {
    target: { type: "question", text: "status" },
    when: { kind: "once", atMs: START_MS + 10 * SECOND },
  });
  reign.start();
  await reign.clock.pass(11 * SECOND);
  const first = reign.row("sch_job").last?.id;
  await reign.clock.pass(10 * SECOND);
  expect(reign.cancelled).toEqual([first]);
  expect(reign.answered).toEqual([reign.row("sch_ask").last?.id]);
});

test("work whose command is dangerous waits for a person's word, whoever started it", async () => {
  const reign = withAda(makeReign());
  const work = workOf("high");
  reign.make("sch_1", { target: { type: "job", work } });
  reign.start();
  await reign.clock.pass(11 * SECOND);
  const { last } = reign.row("sch_1");
  expect(reign.rig.rows.get("job", last?.id ?? "")).toMatchObject({ state: "awaiting" });
  expect([...reign.rig.rows.hot("confirmation").values()]).toMatchObject([
    { hazardClass: "high", state: "pending", person: "ada" },
  ]);
});
