import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { GoalRow } from "@gantry/shared/contract/goals.ts";
import { decide, goals, goalTaskDone } from "../desk/goals.ts";
import type { DeskParts } from "../desk/context.ts";
import { advanced, graph, http, kept, runOf, started, value } from "../ledger/testing/flows.ts";
import type { DeskRequest } from "../ports.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import { goalsFrom, impactOf, outcomeOf } from "../schedules/goal-finding.ts";
import { dueDay } from "../schedules/standing.ts";
import { GOAL_WORKFLOW, makeGoalHands } from "./goals.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const signal = new AbortController().signal;

describe("when a standing job is due", () => {
  // 2026-11-21 is a Saturday.
  it.each([
    ["projects", "2026-11-21T12:29:59Z", "2026-11-20", undefined],
    ["projects", "2026-11-21T12:30:00Z", "2026-11-20", "2026-11-21"],
    ["projects", "2026-11-21T23:00:00Z", "2026-11-21", undefined],
    ["projects", "2026-11-25T01:00:00Z", "2026-11-21", "2026-11-24"],
    ["research", "2026-11-23T12:59:59Z", "2026-11-16", undefined],
    ["research", "2026-11-23T13:00:00Z", "2026-11-16", "2026-11-23"],
    ["research", "2026-11-25T00:00:00Z", "2026-11-16", "2026-11-23"],
    ["outcomes", "2026-11-21T14:00:00Z", undefined, "2026-11-21"],
  ] as const)("%s at %s, after %s: %s", (job, now, last, day) => {
    expect(dueDay(job, Date.parse(now), last)).toBe(day);
  });

  it("is at most once a day, at whatever times somebody looks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 * DAY_MS }), { maxLength: 60 }),
        (times) => {
          let last: string | undefined;
          const days: string[] = [];
          for (const ms of times.toSorted((a, b) => a - b)) {
            const day = dueDay("outcomes", Date.UTC(2026, 0, 1) + ms, last);
            if (day === undefined) continue;
            days.push(day);
            last = day;
          }
          expect(new Set(days).size).toBe(days.length);
        },
      ),
    );
  });
});

const found = (failures: number, runs: number) =>
  goalsFrom([{ workflow: "quote", runs, faults: { timeout: failures } }], (key) => key);

describe("what is found in failures", () => {
  it("[K47] needs three failures and an impact of fifty: two, or forty-nine, give none", () => {
    expect(found(2, 2)).toEqual([]); // impact 52, two failures
    expect(impactOf(2, 2)).toBe(52);
    expect(impactOf(5, 11)).toBe(48);
    expect(found(5, 11)).toEqual([]);
    expect(impactOf(7, 40)).toBe(49);
    expect(found(7, 40)).toEqual([]);
    expect(impactOf(5, 10)).toBe(50);
    expect(found(5, 10)).toMatchObject([
      { key: "quote/timeout", impact: 50, evidence: { failures: 5, runs: 10 } },
    ]);
  });

  it("weighs more failures never less", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(500), (runs, failures) => {
        const some = Math.min(failures, runs);
        expect(impactOf(some, runs)).toBeLessThanOrEqual(impactOf(Math.min(some + 1, runs), runs));
        expect(impactOf(some, runs)).toBeLessThanOrEqual(100);
      }),
    );
  });

  it("an outcome compares failures for each hundred runs", () => {
    const before = { workflow: "quote", code: "timeout", failures: 5, runs: 10, days: 30 };
    expect(outcomeOf(before, undefined)).toBeUndefined();
    expect(outcomeOf(before, { workflow: "quote", runs: 20, faults: { timeout: 1 } })).toEqual({
      before: 50,
      since: 5,
      runsSince: 20,
      isBetter: true,
    });
  });
});

interface Scene extends FakeHub {
  readonly hands: ReturnType<typeof makeGoalHands>;
  readonly parts: DeskParts;
  /** Runs of `quote` that end on this day: so many fail. */
  endRuns(count: number, failures: number): void;
  all(): readonly GoalRow[];
  toTime(iso: string): void;
  ask(useCase: typeof goalTaskDone, params: object, body?: unknown): Promise<unknown>;
}

/** At a Monday, 2026-11-23, 00:00. */
function makeScene(): Scene {
  const fake = makeFakeHub();
  const parts = { hub: fake.hub } as unknown as DeskParts; // all that goals read
  let runs = 0;
  fake.rig.act(kept(graph({ call: http() }), { name: "quote" }));
  const scene: Scene = {
    ...fake,
    parts,
    hands: makeGoalHands(fake.hub),
    endRuns(count, failures) {
      const atMs = fake.clock.now();
      for (let at = 0; at < count; at += 1) {
        runs += 1;
        const run = `run_q${runs}`;
        fake.rig.act(started({ run, workflow: "quote" }), { atMs });
        const fault = { code: "timeout", message: "late" };
        fake.rig.act(
          advanced(
            at < failures ? [run, "failed", "call", 1, fault, null] : [run, "done", "call", 1, {}],
          ),
          { atMs },
        );
      }
    },
    all: () =>
      Array.from({ length: fake.rig.rows.get("count", "goals") ?? 0 }, (_, at) =>
        fake.rig.rows.get("goal", fake.rig.rows.get("order", `goals/${at}`) ?? ""),
      ).flatMap((row) => (row === undefined ? [] : [row])),
    toTime: (iso) => fake.clock.stall(Date.parse(iso) - fake.clock.now()),
    ask: async (useCase, params, body) =>
      useCase(
        parts,
        {
          params,
          query: {},
          body,
          actor: { person: "ann", role: "operator" },
          requestId: "req_1",
        } as unknown as DeskRequest, // as a door makes it
        { signal },
      ),
  };
  scene.toTime("2026-11-23T00:00:00Z");
  return scene;
}

it("[K47] each Monday at 13:00 UTC the failures of thirty days become goals that wait for a yes; found again, they are not made again", async () => {
  const scene = makeScene();
  await scene.hands.look(signal); // what was missed before is made up for
  scene.toTime("2026-11-23T13:00:00Z");
  await scene.hands.look(signal);
  scene.endRuns(10, 6);
  scene.toTime("2026-11-30T12:59:00Z");
  await scene.hands.look(signal);
  expect(scene.all()).toEqual([]);
  scene.toTime("2026-11-30T13:00:00Z");
  expect(await scene.hands.look(signal)).toContain("research");
  expect(scene.all()).toMatchObject([
    {
      state: "identified",
      by: "hub",
      key: "quote/timeout",
      impact: 60,
      evidence: { failures: 6, runs: 10 },
    },
  ]);
  expect(await scene.hands.look(signal)).toEqual([]);
  scene.toTime("2026-12-07T13:00:00Z");
  await scene.hands.look(signal);
  expect(scene.all()).toHaveLength(1);
  // Out of sight after thirty days.
  const late = makeScene();
  late.endRuns(10, 6);
  late.toTime("2026-12-28T13:00:00Z");
  await late.hands.look(signal);
  expect(late.all()).toEqual([]);
});

it("[K57] goals are listed, approved and refused with who and why; who is silent is reminded, then they are over", async () => {
  const scene = makeScene();
  const propose = (goal: string): void =>
    void scene.rig.act(
      { type: "goalProposed", goal, title: goal, description: "", key: goal, impact: 50 },
      { atMs: scene.clock.now() },
    );
  propose("gol_a");
  propose("gol_b");
  propose("gol_c");
  const listed = goals(scene.parts, {
    query: { state: "identified" },
  } as unknown as DeskRequest) as { goals: { id: string; dueAt: string }[] };
  expect(listed.goals.map(({ id }) => id)).toEqual(["gol_c", "gol_b", "gol_a"]);
  expect(await scene.ask(decide(true), { id: "gol_a" }, { reason: "yes" })).toMatchObject({
    state: "approved",
  });
  expect(await scene.ask(decide(false), { id: "gol_b" }, { reason: "too dear" })).toMatchObject({
    state: "rejected",
  });
  await expect(scene.ask(decide(true), { id: "gol_b" }, { reason: "" })).rejects.toMatchObject({
    code: "conflict",
  });
  expect(scene.rig.rows.get("goal", "gol_b")).toMatchObject({
    decidedBy: "ann",
    reason: "too dear",
  });
  const reminders = (): number =>
    scene.rig.events.filter(({ type }) => type === "goal.reminder").length;
  scene.clock.stall(LIFE.goalReminderMs);
  await scene.hands.look(signal);
  await scene.hands.look(signal);
  expect([reminders(), scene.rig.rows.get("goal", "gol_c")?.state]).toEqual([1, "identified"]);
  scene.clock.stall(LIFE.goalMs - LIFE.goalReminderMs);
  await scene.hands.look(signal);
  expect(scene.rig.rows.get("goal", "gol_c")?.state).toBe("expired");
  await expect(scene.ask(decide(true), { id: "gol_c" }, { reason: "" })).rejects.toMatchObject({
    code: "conflict",
  });
});

it("[K46] an approved goal gets one project at 12:30 UTC, worked out by the workflow for it, though the cycle runs twice and under another leader", async () => {
  const scene = makeScene();
  await scene.hands.look(signal);
  scene.rig.act(
    kept(
      graph({ plan: value({ tasks: ["weigh spools", { title: "order more" }] }) }, [], {
        output: "${nodes.plan.output}",
      }),
      { name: GOAL_WORKFLOW },
    ),
  );
  scene.rig.act(
    {
      type: "goalProposed",
      goal: "gol_a",
      title: "no empty spools",
      description: "",
      key: "a",
      impact: 70,
    },
    { atMs: scene.clock.now() },
  );
  await scene.ask(decide(true), { id: "gol_a" }, { reason: "" });
  scene.toTime("2026-11-23T12:30:00Z");
  const other = makeGoalHands(scene.hub); // a second leader that believes the same
  const ran = await Promise.all([scene.hands.look(signal), other.look(signal)]);
  expect(ran.flat().filter((job) => job === "projects")).toHaveLength(1);
  const project = scene.rig.rows.get("goal", "gol_a")?.project;
  expect(runOf(scene.rig, project?.run ?? "")).toMatchObject({
    workflow: GOAL_WORKFLOW,
    by: "ann",
  });
  await scene.hands.look(signal);
  expect(scene.rig.rows.get("goal", "gol_a")?.project?.tasks.map(({ title }) => title)).toEqual([
    "weigh spools",
    "order more",
  ]);
  scene.toTime("2026-11-24T12:30:00Z");
  await scene.hands.look(signal);
  expect(scene.rig.rows.get("goal", "gol_a")?.project?.run).toBe(project?.run);
  await scene.ask(goalTaskDone, { id: "gol_a", number: "0" });
  expect(await scene.ask(goalTaskDone, { id: "gol_a", number: "1" })).toMatchObject({
    state: "done",
  });
});

it("[K50] outcomes of finished goals are measured once a day at 14:00 UTC, through restarts; a day that was missed is made up for", async () => {
  const scene = makeScene();
  scene.endRuns(10, 6);
  scene.toTime("2026-11-23T13:00:00Z");
  await scene.hands.look(signal);
  const [first] = scene.all();
  await scene.ask(decide(true), { id: first?.id ?? "" }, { reason: "" });
  scene.toTime("2026-11-24T12:30:00Z");
  await scene.hands.look(signal);
  await scene.ask(goalTaskDone, { id: first?.id ?? "", number: "0" });
  scene.toTime("2026-11-25T10:00:00Z");
  scene.endRuns(20, 1);
  const outcomes = (): unknown[] =>
    scene.rig.audit().filter(({ action }) => action === "standing.outcomes");
  const before = outcomes().length;
  scene.toTime("2026-11-25T14:00:00Z");
  await scene.hands.look(signal);
  scene.rig.restart();
  await makeGoalHands(scene.hub).look(signal);
  expect(outcomes()).toHaveLength(before + 1);
  expect(scene.all()[0]?.outcome).toMatchObject({
    before: 60,
    since: 5,
    runsSince: 20,
    isBetter: true,
  });
  scene.toTime("2026-11-28T09:00:00Z"); // two days without a hub: the newest is made up for
  await scene.hands.look(signal);
  await scene.hands.look(signal);
  expect(outcomes()).toHaveLength(before + 2);
});
