import { expect, test } from "vitest";
import fc from "fast-check";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type {
  FiringRow,
  SchedulePolicy,
  ScheduleRow,
  ScheduleStart,
  ScheduleTarget,
} from "@gantry/shared/contract/schedules.ts";
import { makeCronCalendar } from "../../adapters/cron-calendar.ts";
import { nextStep } from "../../schedules/plan.ts";
import { answer, job, type LedgerRig, makeLedgerRig, START_MS, usage } from "../testing/rig.ts";
import { SWITCH } from "./schedule-budget.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const FIRST = START_MS + MINUTE;
type Body<T extends CommandBody["type"]> = Extract<CommandBody, { type: T }>;

const work = { ...job(), hazard: "none", summary: "light" } as const;
const policy = (facts: Partial<SchedulePolicy> = {}): SchedulePolicy => ({
  catchUp: "skip",
  catchUpMax: 10,
  overlap: "allow",
  jitterMs: 0,
  lateMs: MINUTE,
  ...facts,
});
const made = (facts: Partial<Body<"scheduleMade">> = {}): Body<"scheduleMade"> => ({
  type: "scheduleMade",
  schedule: "sch_1",
  name: "each minute",
  role: "maker",
  when: { kind: "every", everyMs: MINUTE, anchorMs: FIRST },
  target: { type: "job", work },
  policy: policy(),
  nextMs: FIRST,
  ...facts,
});
const startJob = (id: string): ScheduleStart => ({ type: "job", draft: job({ job: id }) });
const fired = (
  plannedMs: number,
  id: string,
  facts: Partial<Body<"scheduleFired">> = {},
): Body<"scheduleFired"> => ({
  type: "scheduleFired",
  schedule: "sch_1",
  plannedMs,
  why: "due",
  start: startJob(id),
  nextMs: plannedMs + MINUTE,
  ...facts,
});
const text = (said = "how are you"): ScheduleTarget => ({ type: "question", text: said });

/** A maker `ada` with a token, and her schedule. */
function start(facts: Partial<Body<"scheduleMade">> = {}): LedgerRig {
  const rig = makeLedgerRig();
  rig.act({
    type: "tokenMade",
    token: "tok_ada",
    person: "ada",
    role: "maker",
    secretSha256: "secret of ada",
  });
  rig.act(made(facts));
  return rig;
}
const row = (rig: LedgerRig): ScheduleRow => rig.rows.get("schedule", "sch_1") as ScheduleRow;
const firing = (rig: LedgerRig, id: string): FiringRow => rig.rows.get("firing", id) as FiringRow;
/** What came of each: in ms after FIRST. */
const outcome = (rig: LedgerRig, plannedMs: number): string =>
  firing(rig, `sch_1/${plannedMs}`).outcome;

test("SC1: an instant is fired once, with its job, in one command, and not again after a restart", () => {
  const rig = start();
  rig.at(MINUTE);
  expect(rig.act(fired(FIRST, "job_1"))).toMatchObject({ outcome: "started" });
  expect(rig.rows.get("job", "job_1")).toMatchObject({ state: "ready", by: "ada" });
  rig.restart();
  expect(rig.refuse(fired(FIRST, "job_2"))).toBe("conflict");
  expect(rig.rows.get("job", "job_2")).toBeUndefined();
  expect(row(rig)).toMatchObject({ nextMs: FIRST + MINUTE, lastMs: FIRST, counts: { started: 1 } });
});

test("SC1: not before its time, whatever the clock of the hub that fires says", () => {
  const rig = start();
  expect(rig.refuse(fired(FIRST, "job_1"))).toBe("conflict");
});

test("SC2: a clock that jumps back, or a change of the times, fires no instant again", () => {
  const rig = start();
  rig.at(MINUTE);
  rig.act(fired(FIRST, "job_1"));
  rig.at(0);
  expect(rig.refuse(fired(FIRST, "job_2"))).toBe("conflict");
  expect(rig.refuse({ type: "scheduleChanged", schedule: "sch_1", nextMs: FIRST })).toBe(
    "conflict",
  );
});

test.each([
  { overlap: "allow", want: ["started", "started", "started"], open: 3 },
  { overlap: "skip", want: ["started", "skipped", "skipped"], open: 1 },
  { overlap: "queue-one", want: ["started", "queued", "skipped"], open: 1 },
  { overlap: "cancel-previous", want: ["started", "started", "started"], open: 1 },
] as const)(
  "[K80] while the run before is open, $overlap gives $want",
  ({ overlap, want, open }) => {
    const rig = start({ policy: policy({ overlap }) });
    const instants = [FIRST, FIRST + MINUTE, FIRST + 2 * MINUTE];
    for (const [place, instant] of instants.entries()) {
      rig.at(instant - START_MS);
      rig.act(fired(instant, `job_${place}`));
    }
    expect(instants.map((instant) => outcome(rig, instant))).toEqual(want);
    expect(rig.rows.hot("job").size).toBe(open);
  },
);

test("the instant that was queued starts when the run before has ended, and only then", () => {
  const rig = start({ policy: policy({ overlap: "queue-one" }) });
  rig.at(MINUTE);
  rig.act(fired(FIRST, "job_1"));
  rig.at(2 * MINUTE);
  rig.act(fired(FIRST + MINUTE, "job_2"));
  const queued = fired(FIRST + MINUTE, "job_2", { why: "queued" });
  expect(rig.refuse(queued)).toBe("conflict");
  rig.act({ type: "jobCancelled", job: "job_1" });
  expect(rig.act(queued)).toMatchObject({ outcome: "started" });
  expect(rig.refuse(queued)).toBe("conflict");
  expect(row(rig).counts).toMatchObject({ started: 2, skipped: 0 });
  expect(rig.rows.get("count", "firings/sch_1")).toBe(2); // not a third one
});

test("[K80] SC4: what cannot be started is on record with its error, and the schedule goes on", () => {
  const rig = start();
  rig.act(job({ job: "job_taken" }));
  rig.at(MINUTE);
  rig.act(fired(FIRST, "job_taken"));
  expect(firing(rig, `sch_1/${FIRST}`)).toMatchObject({
    outcome: "refused",
    error: { code: "conflict" },
  });
  rig.at(2 * MINUTE);
  expect(rig.act(fired(FIRST + MINUTE, "job_2"))).toMatchObject({ outcome: "started" });
});

test("SC5: a schedule whose person has no valid token any more starts nothing", () => {
  const rig = start();
  rig.act({ type: "tokenRevoked", token: "tok_ada" });
  rig.at(MINUTE);
  rig.act(fired(FIRST, "job_1"));
  expect(firing(rig, `sch_1/${FIRST}`)).toMatchObject({
    outcome: "refused",
    error: { code: "forbidden" },
  });
  expect(rig.rows.hot("job").size).toBe(0);
});

test("a question is asked in the person's name, with no more than the role that the schedule has", () => {
  const rig = start({ target: text(), role: "viewer" });
  rig.at(MINUTE);
  const asked = { type: "question", conversation: "cnv_9", message: "msg_9" } as const;
  rig.act(fired(FIRST, "", { start: asked }));
  expect(rig.rows.hot("question").get("msg_9")).toMatchObject({
    person: "ada",
    role: "viewer",
    text: "how are you",
  });
});

test("an event is told once, with its data", () => {
  const rig = start({ target: { type: "event", name: "shift.begins", data: { line: 2 } } });
  rig.at(MINUTE);
  rig.act(fired(FIRST, "", { start: { type: "event" } }));
  expect(rig.events.filter(({ type }) => type === "schedule.event")).toMatchObject([
    { subject: "sch_1", data: { name: "shift.begins", data: { line: 2 } } },
  ]);
});

test("the budget of runs is checked before each start, and is new the next day", () => {
  const rig = start({ policy: policy({ runsPerDayMax: 2 }) });
  for (let place = 0; place < 3; place += 1) {
    rig.at((place + 1) * MINUTE);
    rig.act(fired(FIRST + place * MINUTE, `job_${place}`));
  }
  expect(firing(rig, `sch_1/${FIRST + 2 * MINUTE}`)).toMatchObject({
    outcome: "refused",
    error: { code: "budget_spent" },
  });
  const tomorrow = FIRST + DAY;
  rig.at(tomorrow - START_MS);
  rig.act({ type: "scheduleChanged", schedule: "sch_1", nextMs: tomorrow });
  expect(rig.act(fired(tomorrow, "job_9"))).toMatchObject({ outcome: "started" });
});

test("the budget of money counts what the answers of the day have cost", () => {
  const rig = start({ target: text(), policy: policy({ costPerDayMaxMicroUsd: 100 }) });
  const outcomes = [60, 60, 60].map((costMicroUsd, place) => {
    const plannedMs = FIRST + place * MINUTE;
    rig.at(plannedMs - START_MS);
    const message = `msg_${place}`;
    const asked = { type: "question", conversation: `cnv_${place}`, message } as const;
    const { outcome: became } = rig.act(fired(plannedMs, "", { start: asked }));
    if (became === "started") rig.act(answer(message, { usage: usage(costMicroUsd) }));
    return became;
  });
  expect(outcomes).toEqual(["started", "started", "refused"]);
});

test("switched off, nothing fires; a person may still run it", () => {
  const rig = start();
  rig.act({ type: "flagSet", key: SWITCH, value: false });
  rig.at(MINUTE);
  expect(rig.refuse(fired(FIRST, "job_1"))).toBe("conflict");
  expect(rig.act(fired(START_MS + MINUTE, "job_1", { why: "person" }))).toMatchObject({
    outcome: "started",
  });
  rig.act({ type: "flagSet", key: SWITCH, value: true });
  expect(rig.act(fired(FIRST, "job_2"))).toMatchObject({ outcome: "started" });
});

test("paused, it has no next time; resumed, it goes on from the time it is given", () => {
  const rig = start();
  rig.act({ type: "schedulePaused", schedule: "sch_1" });
  expect(row(rig).nextMs).toBeUndefined();
  rig.at(MINUTE);
  expect(rig.refuse(fired(FIRST, "job_1"))).toBe("conflict");
  const nextMs = FIRST + 5 * MINUTE;
  rig.act({ type: "scheduleResumed", schedule: "sch_1", nextMs });
  expect(row(rig)).toMatchObject({ state: "active", nextMs, counts: { missed: 0 } });
});

test("a missed run raises an event, whether it is passed over or started late", () => {
  const rig = start();
  rig.at(10 * MINUTE);
  const passed = {
    type: "schedulePassed",
    schedule: "sch_1",
    fromMs: FIRST,
    toMs: FIRST + 4 * MINUTE,
    count: 5,
    nextMs: FIRST + 5 * MINUTE,
  } as const;
  rig.act(passed);
  expect(rig.refuse(passed)).toBe("conflict");
  rig.act(fired(FIRST + 5 * MINUTE, "job_1", { why: "catch-up" }));
  const missed = rig.events.filter(({ type }) => type === "schedule.missed");
  expect(missed.map(({ data }) => data)).toMatchObject([
    { count: 5, startedLate: false },
    { count: 1, startedLate: true, lateMs: 4 * MINUTE },
  ]);
  expect(row(rig).counts).toMatchObject({ missed: 6, started: 1 });
});

test("the last instant ends it, and a new time begins it again", () => {
  const rig = start({ when: { kind: "once", atMs: FIRST } });
  rig.at(MINUTE);
  const { nextMs: _, ...last } = fired(FIRST, "job_1");
  rig.act(last);
  expect(row(rig).state).toBe("ended");
  rig.act({ type: "scheduleChanged", schedule: "sch_1", nextMs: FIRST + DAY });
  expect(row(rig)).toMatchObject({ state: "active", nextMs: FIRST + DAY });
});

test("the history is a ring, and goes with the schedule", () => {
  const rig = start({ target: { type: "event", name: "tick", data: null } });
  const runs = LIMIT.scheduleHistory.max + 3;
  for (let place = 0; place < runs; place += 1) {
    rig.at((place + 1) * MINUTE);
    rig.act(fired(FIRST + place * MINUTE, "", { start: { type: "event" } }));
  }
  expect(firing(rig, `sch_1/${FIRST}`)).toBeUndefined();
  expect(firing(rig, `sch_1/${FIRST + 3 * MINUTE}`)).toBeDefined();
  rig.act({ type: "scheduleDeleted", schedule: "sch_1" });
  rig.checkpoint();
  expect(firing(rig, `sch_1/${FIRST + 3 * MINUTE}`)).toBeUndefined();
  expect(rig.rows.get("count", "firings/sch_1")).toBeUndefined();
});

test("If-Match: a schedule that somebody changed first is left alone", () => {
  const rig = start();
  const { revision } = row(rig);
  const change = { type: "scheduleChanged", schedule: "sch_1", ifRevision: revision } as const;
  rig.act({ ...change, name: "other" });
  expect(rig.refuse({ ...change, name: "third" })).toBe("revision_mismatch");
});

test("cancel-previous is for what can be cancelled", () => {
  const rig = start();
  const refused = {
    schedule: "sch_2",
    target: text(),
    policy: policy({ overlap: "cancel-previous" }),
  };
  expect(rig.refuse(made(refused))).toBe("bad_schedule");
});

// SC1 under everything at once: two leaders that both believe in their reign, whose clocks disagree.
test("SC1, SC2: two hubs that both fire, restarts and jumping clocks start each instant at most once", () => {
  const calendar = makeCronCalendar();
  fc.assert(
    fc.property(
      fc.constantFrom("skip", "once", "all" as const),
      fc.array(
        fc.record({
          jumpMs: fc.integer({ min: -20 * MINUTE, max: 40 * MINUTE }),
          isRestart: fc.boolean(),
          /** The step that another hub read before this one's took effect is proposed again. */
          isTwice: fc.boolean(),
        }),
        { maxLength: 30 },
      ),
      (catchUp, moves) => {
        const rig = start({
          policy: policy({ catchUp }),
          target: { type: "event", name: "tick", data: null },
        });
        let nowMs = START_MS;
        const refusals: string[] = [];
        for (const { jumpMs, isRestart, isTwice } of moves) {
          nowMs = Math.max(START_MS, nowMs + jumpMs);
          rig.at(nowMs - START_MS);
          if (isRestart) rig.restart();
          const step = nextStep(row(rig), nowMs, calendar);
          if (step === undefined) continue;
          const { nextMs: next, ...facts } = step;
          const nextMs = next === undefined ? {} : { nextMs: next };
          const body: CommandBody =
            facts.kind === "fire"
              ? { ...fired(facts.plannedMs, ""), ...facts, ...nextMs, start: { type: "event" } }
              : { type: "schedulePassed", schedule: "sch_1", ...facts, ...nextMs };
          rig.act(body);
          if (isTwice) refusals.push(rig.refuse(body));
        }
        expect(new Set(refusals).difference(new Set(["conflict"])).size).toBe(0);
        const told = rig.events.filter(({ type }) => type === "schedule.fired");
        const instants = told.map(({ data }) => (data as FiringRow).plannedMs);
        expect(instants).toEqual([...new Set(instants)].toSorted((a, b) => a - b));
        expect(row(rig).counts.started).toBe(instants.length);
      },
    ),
    { numRuns: 200 },
  );
});
