// Who may say what, how often: everything near the right word that must not count as it.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Appliance } from "../support/appliance.ts";
import {
  ask,
  auditTrail,
  clearBed,
  confirm,
  history,
  markedPart,
  PATIENCE_MS,
  print,
  startFast,
  startsOf,
  submit,
  type Submitted,
  tokenFor,
  untilEnded,
  untilIdle,
} from "./steps.ts";

describe("the word of a person", { timeout: 2 * PATIENCE_MS }, () => {
  let a: Appliance;
  let round = 0;
  let marker: string;
  let asked: Submitted;

  beforeAll(async () => {
    a = await startFast();
  }, PATIENCE_MS);
  afterAll(() => a[Symbol.asyncDispose]());
  beforeEach(async () => {
    await untilIdle(a);
    await clearBed(a);
    round += 1;
    marker = `word-${round}`;
    asked = await submit(a, marker, markedPart(marker));
  }, PATIENCE_MS);

  async function expectNothingBegun(): Promise<void> {
    expect(await print(a, asked.job)).toMatchObject({ state: "awaiting", startedCount: 0 });
    expect(startsOf(a, marker)).toBe(0);
  }

  it.for([
    "please do NOT confirm: proceed",
    "proceed",
    "yes",
    "confirm",
    "do not confirm print NAME on sim",
    "confirm print NAME on sim now",
    "confirm print NAME on sim.exe",
    "confirm print NAME",
    "confirm print other on sim",
    "cоnfirm print NAME on sim", // the o is Cyrillic
    "",
  ])("[K117] the request with the phrase %j starts nothing", async (phrase) => {
    const said = phrase.replace("NAME", marker);
    const { status, body } = await confirm(a, { id: asked.confirmation.id, phrase: said });
    expect({ status, code: body.code }).toEqual({ status: 409, code: "phrase_mismatch" });
    await expectNothingBegun();
  });

  it("[K7 K117] near words in the talk start nothing; the phrase of another action neither", async () => {
    const first = (await ask(a, "print word-1 on sim", { conversationId: "one" })).body;
    const second = (await ask(a, "print word-2 on sim", { conversationId: "two" })).body;
    expect(first.requiresConfirmation && second.requiresConfirmation).toBe(true);
    const near = ["please do NOT confirm: proceed", "yes, do it", second.confirmation.phrase];
    for (const words of near) await ask(a, words, { conversationId: "one" });
    for (const { job } of [first, second]) {
      expect(await print(a, job.id)).toMatchObject({ state: "awaiting", startedCount: 0 });
    }
    const mixed = { id: first.confirmation.id, phrase: second.confirmation.phrase };
    expect((await confirm(a, mixed)).body.code).toBe("phrase_mismatch");
    expect((await history(a, "one")).filter(({ role }) => role === "user")).toHaveLength(4);
    for (const conversationId of ["one", "two"]) await ask(a, "never mind", { conversationId });
  });

  it("[K7] hello in a talk with a pending print is a hello, and the phrase after it still works", async () => {
    const { job } = (await ask(a, `print ${marker} on sim`, { conversationId: "hello" })).body;
    await ask(a, "hello", { conversationId: "hello" });
    expect(await print(a, job.id)).toMatchObject({ state: "awaiting", startedCount: 0 });
    const said = await ask(a, `  CONFIRM   print ${marker} ON sim `, { conversationId: "hello" });
    expect(said.body.result.output).toContain("Confirmed");
    expect(await untilEnded(a, job.id)).toMatchObject({ state: "done", startedCount: 1 });
    expect(startsOf(a, marker)).toBe(1);
  });

  it("[K117] the right phrase from another person is refused, in the talk and by request", async () => {
    const eve = await tokenFor(a, `eve-${round}`, "maker");
    const byEve = await confirm(a, asked.confirmation, eve);
    expect(byEve.status).toBeGreaterThanOrEqual(403);
    expect(["wrong_person", "not_found"]).toContain(byEve.body.code);
    const talk = { conversationId: `eve-${round}` };
    const inTalk = await ask(a, asked.confirmation.phrase, talk, eve);
    expect(inTalk.body.code).toBe("not_found");
    const viewer = await tokenFor(a, `vic-${round}`, "viewer");
    expect((await confirm(a, asked.confirmation, viewer)).status).toBeGreaterThanOrEqual(403);
    await expectNothingBegun();
  });

  it("[K97] shows what waits, by its id and by its job; 404 when nothing does", async () => {
    for (const id of [asked.confirmation.id, asked.job]) {
      const { body } = await a.api("GET", `/api/confirmation/${id}`);
      expect(body).toMatchObject({
        tool: "print",
        hazardClass: "medium",
        phrase: asked.confirmation.phrase,
      });
      expect(body.args).toMatchObject({ job: asked.job, printer: "sim", name: marker });
      expect(body.secondsLeft).toBeGreaterThan(200);
      expect(body.secondsLeft).toBeLessThanOrEqual(300);
    }
    expect((await a.api("GET", "/api/confirmation/cnv_nothing")).status).toBe(404);
  });

  it("[K98] once withdrawn the phrase does nothing, and the record says so", async () => {
    const { id } = asked.confirmation;
    expect((await a.api("DELETE", `/api/confirmation/${id}`)).status).toBe(200);
    expect(await confirm(a, asked.confirmation)).toMatchObject({
      status: 410,
      body: { code: "gone" },
    });
    expect((await print(a, asked.job)).state).toBe("cancelled");
    expect(startsOf(a, marker)).toBe(0);
    const rows = (await auditTrail(a)).filter(({ object }) => object === id);
    expect(rows.map(({ action }) => action)).toEqual([
      "confirmation.asked",
      "confirmation.cancelled",
    ]);
  });

  it("[K98 K117] two words at once, yes and never mind: one of them counts, wholly", async () => {
    const [yes, no] = await Promise.all([
      confirm(a, asked.confirmation),
      a.api("DELETE", `/api/confirmation/${asked.confirmation.id}`),
    ]);
    expect([yes.status, no.status].filter((status) => status === 200)).toHaveLength(1);
    const end = await untilEnded(a, asked.job);
    expect(end.state).toBe(yes.status === 200 ? "done" : "cancelled");
    expect(startsOf(a, marker)).toBe(yes.status === 200 ? 1 : 0);
  });

  it("[K117] twenty presses at once start it exactly once", async () => {
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => confirm(a, asked.confirmation)),
    );
    const outcomes = replies.map(({ status, body }) => (status === 200 ? "ok" : body.code));
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "confirmation_used")).toHaveLength(19);
    expect(await untilEnded(a, asked.job)).toMatchObject({ state: "done", startedCount: 1 });
    expect((await confirm(a, asked.confirmation)).body.code).toBe("confirmation_used");
    expect(startsOf(a, marker)).toBe(1);
  });
});
