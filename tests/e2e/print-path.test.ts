// The path of a print on real processes: bytes, facts, a person's word, heat, motion, a free bed.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Appliance, until } from "../support/appliance.ts";
import {
  ask,
  clearBed,
  confirm,
  linesAfter,
  markedPart,
  PATIENCE_MS,
  print,
  printer,
  startFast,
  startsOf,
  submit,
  untilEnded,
  untilExecuted,
  untilIdle,
  untilPrint,
} from "./steps.ts";

describe("the path of a print", { timeout: 2 * PATIENCE_MS }, () => {
  let a: Appliance;
  beforeAll(async () => {
    a = await startFast();
    await untilIdle(a);
  }, PATIENCE_MS);
  afterAll(() => a[Symbol.asyncDispose]());
  beforeEach(async () => {
    await untilIdle(a);
    await clearBed(a);
  });

  it("[K23 K69] goes from bytes to a part, with the facts of the scan and one start", async () => {
    const { job, confirmation } = await submit(a, "path", markedPart("path"));
    expect(confirmation).toMatchObject({
      phrase: "confirm print path on sim",
      hazardClass: "medium",
      tool: "print",
      state: "pending",
    });
    const before = await print(a, job);
    expect(before).toMatchObject({ state: "awaiting", startedCount: 0, progress: 0 });
    expect(before.gcode).toMatchObject({ nozzleMaxC: 60, bedMaxC: 40, layers: 4 });
    expect(startsOf(a, "path")).toBe(0);

    expect((await confirm(a, confirmation)).body.job).toMatchObject({ id: job });
    const after = await untilEnded(a, job);
    expect(after).toMatchObject({ state: "done", progress: 1, startedCount: 1 });
    expect(startsOf(a, "path")).toBe(1);
    expect(linesAfter(a, "path")).toEqual(expect.arrayContaining(["G28", "G1 Z0.80 F600", "M84"]));
    const listed = (await a.api("GET", "/api/fabrication/jobs")).body.jobs;
    expect(listed.map(({ id }: { id: string }) => id)).toContain(job);
  });

  it("[K69] lets the next job wait until the bed is cleared", async () => {
    const first = await submit(a, "first", markedPart("first"));
    const second = await submit(a, "second", markedPart("second"));
    await confirm(a, first.confirmation);
    await untilEnded(a, first.job);
    await confirm(a, second.confirmation);
    expect(await print(a, second.job)).toMatchObject({
      state: "ready",
      waitsFor: `the part of ${first.job} to be cleared from the bed`,
    });
    expect((await printer(a)).bedJob).toBe(first.job);
    expect(startsOf(a, "second")).toBe(0);
    await clearBed(a);
    expect(await untilEnded(a, second.job)).toMatchObject({ state: "done", startedCount: 1 });
    expect(startsOf(a, "second")).toBe(1);
  });

  it("[K69] pauses, resumes and comes to its end", async () => {
    const { job, confirmation } = await submit(a, "pausing", markedPart("pausing", { layers: 60 }));
    await confirm(a, confirmation);
    await untilExecuted(a, "pausing", "G1 Z0.40 F600");
    expect((await a.api("POST", `/api/fabrication/jobs/${job}/pause`, {})).status).toBe(202);
    await untilPrint(a, job, "paused", ({ state }) => state === "paused");
    expect((await a.api("POST", `/api/fabrication/jobs/${job}/resume`, {})).status).toBe(202);
    expect(await untilEnded(a, job)).toMatchObject({ state: "done", startedCount: 1 });
    expect(startsOf(a, "pausing")).toBe(1);
  });

  it("[K69] cancels what is printing and turns the heaters off", async () => {
    const { job, confirmation } = await submit(
      a,
      "leaving",
      markedPart("leaving", { layers: 400 }),
    );
    await confirm(a, confirmation);
    await untilExecuted(a, "leaving", "G1 Z0.40 F600");
    expect((await a.api("POST", `/api/fabrication/jobs/${job}/cancel`, {})).status).toBe(202);
    expect(await untilEnded(a, job)).toMatchObject({ state: "cancelled", startedCount: 1 });
    await untilCold(a);
    expect(linesAfter(a, "leaving")).not.toContain("G1 Z80.00 F600");
  });

  it("[K69] an emergency stop while printing turns the heaters off and ends the job", async () => {
    const { job, confirmation } = await submit(a, "halted", markedPart("halted", { layers: 400 }));
    await confirm(a, confirmation);
    await untilExecuted(a, "halted", "G1 Z0.40 F600");
    const { status, body } = await a.api("POST", "/api/fabrication/stop", {});
    expect({ status, body }).toEqual({ status: 200, body: { stopped: ["sim"], unreachable: [] } });
    const end = await untilEnded(a, job);
    expect(["cancelled", "failed", "interrupted"]).toContain(end.state);
    expect(linesAfter(a, "halted")).not.toContain("G1 Z80.00 F600");
    await until("the reset to be taken", async () => {
      const { status } = await a.api("POST", "/api/devices/sim/reset", {});
      return status === 200;
    });
    await untilIdle(a);
    await untilCold(a);
  });

  it("[K23] takes the same bytes as a form, under the name of the file", async () => {
    const form = new FormData();
    form.set("printer", "sim");
    form.set("file", new Blob([markedPart("formed")]), "formed.gcode");
    const reply = await fetch(`${a.url}/api/fabrication/jobs`, {
      method: "POST",
      headers: { authorization: `Bearer ${a.token}` },
      body: form,
    });
    expect(reply.status).toBe(202);
    const { job, confirmation } = (await reply.json()) as {
      job: { id: string };
      confirmation: { id: string; phrase: string };
    };
    expect(confirmation.phrase).toBe("confirm print formed.gcode on sim");
    await confirm(a, confirmation);
    expect(await untilEnded(a, job.id)).toMatchObject({ state: "done", name: "formed.gcode" });
    expect(startsOf(a, "formed")).toBe(1);
  });

  it("[K17 K15 K116] prints again by name in words, with the word of the person in the same talk", async () => {
    const asked = await ask(a, "print formed.gcode on sim");
    expect(asked.status).toBe(200);
    const { conversationId, confirmation, job, ...reply } = asked.body;
    expect(reply).toMatchObject({
      requiresConfirmation: true,
      pendingTool: "print",
      hazardClass: "medium",
      result: { output: expect.stringContaining("To start it, say: confirm print") },
      routing: { tier: "rule", cached: false, confidence: 1 },
    });
    expect(job.state).toBe("awaiting");
    const said = await ask(a, "Confirm  PRINT formed.gcode on sim", { conversationId });
    expect(said.body.result.output).toBe("Confirmed: Print formed.gcode on sim");
    expect(await untilEnded(a, job.id)).toMatchObject({ state: "done", startedCount: 1 });
    expect((await a.api("GET", `/api/confirmation/${confirmation.id}`)).body.state).toBe(
      "consumed",
    );
    expect(startsOf(a, "formed")).toBe(2);
    expect((await ask(a, "bed cleared on sim")).body.result.output).toContain("is clear");
    expect((await printer(a)).bed).toBe("clear");
  });
});

/** Targets are 0: the firmware was told to let them cool. */
const untilCold = (a: Appliance): Promise<true> =>
  until(
    "the heaters to be off",
    async () => {
      const heat = (await printer(a)).temperatures;
      return heat?.nozzleTargetC === 0 && heat.bedTargetC === 0;
    },
    PATIENCE_MS,
  );
