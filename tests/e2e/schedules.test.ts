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
type Api = Appliance["api"];

const EVENT = { type: "event", name: "tick" } as const;
const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();

async function firings(api: Api, schedule: string): Promise<readonly Fired[]> {
  const { body } = await api("GET", "/api/events?format=json&types=schedule.fired");
  const events = body.events as { subject: string; data: Fired }[];
  return events.filter(({ subject }) => subject === schedule).map(({ data }) => data);
}

async function make(api: Api, facts: Record<string, unknown>): Promise<string> {
  const made = await api("POST", "/api/schedules", { name: "of a test", target: EVENT, ...facts });
  expect(made).toMatchObject({ status: 201 });
  return made.body.id as string;
}

test("[K53] [K59] [A10] a hub that is killed before the due time starts it when it is back, once, and says why so late", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const onTime = await make(app.api, { when: { kind: "once", at: soon(1_500) } });
  const caughtUp = await make(app.api, {
    when: { kind: "once", at: soon(1_500) },
    lateS: 1,
    catchUp: "once",
  });
  const skipped = await make(app.api, {
    when: { kind: "once", at: soon(1_500) },
    lateS: 1,
    catchUp: "skip",
  });
  await app.kill("hub", "SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 3_500)); // past the due time and lateS
  await app.start("hub");
  const told = await until("both to be fired", async () => {
    const both = [...(await firings(app.api, onTime)), ...(await firings(app.api, caughtUp))];
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
  expect(await firings(app.api, onTime)).toHaveLength(1);
  expect(await firings(app.api, caughtUp)).toHaveLength(1);
  expect(await firings(app.api, skipped)).toHaveLength(0);
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
  const id = await make(leader.api, {
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
      const seen = await firings(next.api, id);
      return seen.some(({ plannedMs }) => plannedMs > dueMs + 1_000);
    });
    await killed.start();
    leader = await cluster.leader();
  }
  await leader.api("POST", `/api/schedules/${id}/pause`);
  const fired = await firings(leader.api, id);
  const instants = fired.map(({ plannedMs }) => plannedMs);
  const [first = 0] = instants;
  expect(instants.length).toBeGreaterThan(4);
  expect(instants).toEqual(instants.map((_, place) => first + place * 1_000));
});

test("[K44] [K59] [K94] listed with next times, run by hand, paused, switched off; health and metrics know them", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const { api } = app;
  const zone = "America/Los_Angeles";
  const id = await make(api, { when: { kind: "cron", pattern: "0 4 * * *", zone } });
  const listed = await api("GET", "/api/schedules");
  expect(listed.body).toMatchObject({ enabled: true, schedules: [{ id, state: "active" }] });
  expect(listed.body.schedules[0].nextLocal).toMatch(/T04:00:00-0[78]:00$/);
  const next = await api("GET", `/api/schedules/${id}/next?count=400`);
  expect(next.status).toBe(400);
  const days = await api("GET", `/api/schedules/${id}/next?count=100`);
  expect(days.body.next).toHaveLength(100);
  expect(
    new Set(days.body.next.map(({ local }: { local: string }) => local.slice(11, 16))),
  ).toEqual(new Set(["04:00"]));

  const key = { "idempotency-key": "once" };
  const ran = await api("POST", `/api/schedules/${id}/run`, {}, key);
  expect(ran).toMatchObject({ status: 202, body: { outcome: "started" } });
  expect((await api("POST", `/api/schedules/${id}/run`, {}, key)).body.firing).toBe(
    ran.body.firing,
  );
  const history = await api("GET", `/api/schedules/${id}/history`);
  expect(history.body.firings).toMatchObject([
    { why: "person", outcome: "started", started: { type: "event", state: "done", tookMs: 0 } },
  ]);

  const paused = await api("POST", `/api/schedules/${id}/pause`);
  expect(paused.body).toMatchObject({ state: "paused" });
  expect(paused.body.nextAt).toBeUndefined();
  await api("POST", `/api/schedules/${id}/resume`);

  await api("PUT", "/api/flags/schedules.enabled", { value: false });
  const off = await make(api, { when: { kind: "once", at: soon(300) } });
  await new Promise((resolve) => setTimeout(resolve, 800));
  expect(await firings(api, off)).toEqual([]);
  expect((await api("GET", "/api/schedules")).body.enabled).toBe(false);
  await api("PUT", "/api/flags/schedules.enabled", { value: true });
  await until("it to fire once switched on", async () => (await firings(api, off)).length === 1);

  const { body: health } = await api("GET", "/healthz");
  expect(health.parts.schedules.note).toMatch(/^1 active, next 20\d\d-/);
  const { body: metrics } = await api("GET", "/metrics");
  expect(metrics).toMatch(/gantry_scheduled_jobs_total\{outcome="started"\} 2/);
  expect(metrics).toMatch(/gantry_job_last_run_seconds 1\d{9}/);
});

test("a question is asked and answered for its person, and budgets and faulty schedules are refused", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const { api } = app;
  const id = await make(api, {
    when: { kind: "once", at: soon(300) },
    target: { type: "question", text: "help" },
  });
  await until("the answer", async () => {
    const { body } = await api("GET", `/api/schedules/${id}/history`);
    return body.firings[0]?.started?.state === "done";
  });
  const { body: talks } = await api("GET", "/api/conversations");
  expect(talks.conversations).toHaveLength(1);

  const bound = await make(api, {
    when: { kind: "every", everyS: 3_600 },
    runsPerDayMax: 1,
  });
  expect((await api("POST", `/api/schedules/${bound}/run`)).status).toBe(202);
  expect(await api("POST", `/api/schedules/${bound}/run`)).toMatchObject({
    status: 429,
    body: { code: "budget_spent" },
  });
  const changed = await api("PATCH", `/api/schedules/${bound}`, { runsPerDayMax: null });
  expect(changed.body.runsPerDayMax).toBeUndefined();
  expect((await api("POST", `/api/schedules/${bound}/run`)).status).toBe(202);

  const faults = await Promise.all(
    [
      { when: { kind: "cron", pattern: "61 * * * *" }, target: EVENT },
      { when: { kind: "cron", pattern: "* * * * *", zone: "Mars/Olympus" }, target: EVENT },
      { when: { kind: "once", at: "2020-01-01T00:00:00Z" }, target: EVENT },
      { when: { kind: "cron", pattern: "0 0 30 2 *" }, target: EVENT },
    ].map((facts) => api("POST", "/api/schedules", { name: "faulty", ...facts })),
  );
  expect(faults.map(({ status, body }) => [status, body.code])).toEqual(
    faults.map(() => [400, "bad_schedule"]),
  );
  expect((await api("DELETE", `/api/schedules/${id}`)).status).toBe(200);
  expect((await api("GET", `/api/schedules/${id}`)).status).toBe(404);
});
