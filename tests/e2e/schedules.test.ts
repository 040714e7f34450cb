// Schedules on real processes: killed between the due time and the start, and at the due second.

import { expect, test } from "vitest";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";

interface Fired {
  readonly id: string;
  readonly plannedMs: number;
  readonly why: string;
  readonly outcome: string;
}
type Asked = Pick<Appliance, "api">;

const EVENT = { type: "event", name: "tick" } as const;
const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();

async function firings(at: Asked, schedule: string): Promise<readonly Fired[]> {
  const found: Fired[] = [];
  for (let since: number | undefined = 0; since !== undefined;) {
    const path = `/api/events?format=json&types=schedule.fired&since=${since}`;
    const { body } = await at.api("GET", path);
    const events = body.events as { subject: string; data: Fired }[];
    found.push(...events.filter(({ subject }) => subject === schedule).map(({ data }) => data));
    since = body.next as number | undefined;
  }
  return found;
}

async function make(at: Asked, facts: Record<string, unknown>): Promise<string> {
  const made = await at.api("POST", "/api/schedules", {
    name: "of a test",
    target: EVENT,
    ...facts,
  });
  expect(made).toMatchObject({ status: 201 });
  return made.body.id as string;
}

test("[K53] [K59] [A10] [S63] a hub that is killed before the due time starts it when it is back, once, and says why so late", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const onTime = await make(app, { when: { kind: "once", at: soon(1_500) } });
  const caughtUp = await make(app, {
    when: { kind: "once", at: soon(1_500) },
    lateS: 1,
    catchUp: "once",
  });
  const skipped = await make(app, {
    when: { kind: "once", at: soon(1_500) },
    lateS: 1,
    catchUp: "skip",
  });
  await app.kill("hub", "SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 3_500)); // past the due time and lateS
  await app.start("hub");
  const told = await until("both to be fired", async () => {
    const both = [...(await firings(app, onTime)), ...(await firings(app, caughtUp))];
    return both.length >= 2 && both;
  });
  expect(told.map(({ outcome }) => outcome)).toEqual(["started", "started"]);
  expect(told.map(({ why }) => why)).toEqual(["due", "catch-up"]);

  await app.kill("hub", "SIGKILL");
  await app.start("hub");
  await until("the schedules to have ended", async () => {
    const { body } = await app.api("GET", `/api/schedules/${skipped}`);
    return body.state === "ended";
  });
  expect(await firings(app, onTime)).toHaveLength(1);
  expect(await firings(app, caughtUp)).toHaveLength(1);
  expect(await firings(app, skipped)).toHaveLength(0);
  const { body } = await app.api("GET", "/api/events?format=json&types=schedule.missed");
  const missed = body.events as { subject: string; data: { startedLate: boolean } }[];
  expect(missed.map(({ subject, data }) => [subject, data.startedLate])).toEqual(
    expect.arrayContaining([
      [caughtUp, true],
      [skipped, false],
    ]),
  );
});

test("three hubs, the leader killed at a due second: each instant is fired once and none is left out", async () => {
  await using cluster = await startCluster(3);
  let leader = await cluster.leader();
  const id = await make(leader, {
    when: { kind: "every", everyS: 1 },
    catchUp: "all",
    catchUpMax: 100,
    overlap: "allow",
  });
  for (let kills = 0; kills < 2; kills += 1) {
    const { body } = await leader.api("GET", `/api/schedules/${id}`);
    const dueMs = Date.parse(body.nextAt) + 1_000;
    // As near to the second as this machine can: the kill falls before, in or after the firing.
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - Date.now())));
    await leader.kill("SIGKILL");
    const killed = leader;
    leader = await cluster.leader();
    const next = leader;
    await until("a firing by the next leader", async () => {
      const seen = await firings(next, id);
      return seen.some(({ plannedMs }) => plannedMs > dueMs + 1_000);
    });
    await killed.start();
    leader = await cluster.leader();
  }
  await leader.api("POST", `/api/schedules/${id}/pause`);
  const fired = await firings(leader, id);
  const instants = fired.map(({ plannedMs }) => plannedMs);
  const [first = 0] = instants;
  expect(instants.length).toBeGreaterThan(4);
  expect(instants).toEqual(instants.map((_, place) => first + place * 1_000));
});

test("[K44] [K59] [K94] listed with next times, run by hand, paused, switched off; health and metrics know them", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const zone = "America/Los_Angeles";
  const id = await make(app, { when: { kind: "cron", pattern: "0 4 * * *", zone } });
  const listed = await app.api("GET", "/api/schedules");
  expect(listed.body).toMatchObject({ enabled: true, schedules: [{ id, state: "active" }] });
  expect(listed.body.schedules[0].nextLocal).toMatch(/T04:00:00-0[78]:00$/);
  const next = await app.api("GET", `/api/schedules/${id}/next?count=400`);
  expect(next.status).toBe(400);
  const days = await app.api("GET", `/api/schedules/${id}/next?count=100`);
  expect(days.body.next).toHaveLength(100);
  expect(
    new Set(days.body.next.map(({ local }: { local: string }) => local.slice(11, 16))),
  ).toEqual(new Set(["04:00"]));

  const key = { "idempotency-key": "once" };
  const ran = await app.api("POST", `/api/schedules/${id}/run`, {}, key);
  expect(ran).toMatchObject({ status: 202, body: { outcome: "started" } });
  expect((await app.api("POST", `/api/schedules/${id}/run`, {}, key)).body.firing).toBe(
    ran.body.firing,
  );
  const history = await app.api("GET", `/api/schedules/${id}/history`);
  expect(history.body.firings).toMatchObject([
    { why: "person", outcome: "started", started: { type: "event", state: "done", tookMs: 0 } },
  ]);

  const paused = await app.api("POST", `/api/schedules/${id}/pause`);
  expect(paused.body).toMatchObject({ state: "paused" });
  expect(paused.body.nextAt).toBeUndefined();
  await app.api("POST", `/api/schedules/${id}/resume`);

  await app.api("PUT", "/api/flags/schedules.enabled", { value: false });
  const off = await make(app, { when: { kind: "once", at: soon(300) } });
  await new Promise((resolve) => setTimeout(resolve, 800));
  expect(await firings(app, off)).toEqual([]);
  expect((await app.api("GET", "/api/schedules")).body.enabled).toBe(false);
  await app.api("PUT", "/api/flags/schedules.enabled", { value: true });
  await until("it to fire once switched on", async () => (await firings(app, off)).length === 1);

  const { body: health } = await app.api("GET", "/healthz");
  expect(health.parts.schedules.note).toMatch(/^1 active, next 20\d\d-/);
  const { body: metrics } = await app.api("GET", "/metrics");
  expect(metrics).toMatch(/gantry_scheduled_jobs_total\{outcome="started"\} 2/);
  expect(metrics).toMatch(/gantry_job_last_run_seconds 1\d{9}/);
});

test("a workflow is started as a run, and the next start waits for its end where that is the policy", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const graph = { nodes: { rest: { type: "timer", delayMs: 2_500 } } };
  const kept = await app.api("POST", "/api/workflows", { name: "rest", graph });
  expect(kept.status).toBe(201);
  const id = await make(app, {
    when: { kind: "every", everyS: 1 },
    overlap: "queue-one",
    target: { type: "run", workflow: "rest" },
  });
  const history = await until("a second run", async () => {
    const { body } = await app.api("GET", `/api/schedules/${id}/history`);
    const firings = body.firings as { why: string; outcome: string; started?: { state: string } }[];
    return firings.filter(({ started }) => started !== undefined).length >= 2 && firings;
  });
  await app.api("POST", `/api/schedules/${id}/pause`);
  expect(history.map(({ outcome }) => outcome)).toContain("skipped");
  const runs = history.filter(({ started }) => started !== undefined);
  expect(runs.at(-1)).toMatchObject({ why: "due", started: { state: "done" } });
  expect(runs.at(-2)).toMatchObject({ why: "queued" });
});

test("a question is asked and answered for its person, and budgets and faulty schedules are refused", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const id = await make(app, {
    when: { kind: "once", at: soon(300) },
    target: { type: "question", text: "help" },
  });
  await until("the answer", async () => {
    const { body } = await app.api("GET", `/api/schedules/${id}/history`);
    return body.firings[0]?.started?.state === "done";
  });
  const { body: talks } = await app.api("GET", "/api/conversations");
  expect(talks.conversations).toHaveLength(1);

  const bound = await make(app, {
    when: { kind: "every", everyS: 3_600 },
    runsPerDayMax: 1,
  });
  expect((await app.api("POST", `/api/schedules/${bound}/run`)).status).toBe(202);
  expect(await app.api("POST", `/api/schedules/${bound}/run`)).toMatchObject({
    status: 429,
    body: { code: "budget_spent" },
  });
  const changed = await app.api("PATCH", `/api/schedules/${bound}`, { runsPerDayMax: null });
  expect(changed.body.runsPerDayMax).toBeUndefined();
  expect((await app.api("POST", `/api/schedules/${bound}/run`)).status).toBe(202);

  const faults = await Promise.all(
    [
      { when: { kind: "cron", pattern: "61 * * * *" }, target: EVENT },
      { when: { kind: "cron", pattern: "* * * * *", zone: "Mars/Olympus" }, target: EVENT },
      { when: { kind: "once", at: "2020-01-01T00:00:00Z" }, target: EVENT },
      { when: { kind: "cron", pattern: "0 0 30 2 *" }, target: EVENT },
    ].map((facts) => app.api("POST", "/api/schedules", { name: "faulty", ...facts })),
  );
  expect(faults.map(({ status, body }) => [status, body.code])).toEqual(
    faults.map(() => [400, "bad_schedule"]),
  );
  expect((await app.api("DELETE", `/api/schedules/${id}`)).status).toBe(200);
  expect((await app.api("GET", `/api/schedules/${id}`)).status).toBe(404);
});
