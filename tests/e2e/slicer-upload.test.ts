// A slicer's upload on real processes: the bytes that PrusaSlicer sends to an OctoPrint, a person's
// word, and a part; and a file that is only kept until somebody prints it.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SlicerUpload } from "@gantry/shared/contract/schemas/slicers.ts";
import type { Appliance } from "../support/appliance.ts";
import {
  clearBed,
  confirm,
  markedPart,
  PATIENCE_MS,
  print,
  startFast,
  startsOf,
  untilEnded,
  untilIdle,
} from "./steps.ts";

/** `cold` may not be heated as far as the part wants. */
const PRINTERS = "sim=sim:?speed=30&heat=20,cold=sim:?speed=30&heat=20&nozzle=50";
const BOUNDARY = "------------------------d74496d66958873e";
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

function prusaForm(name: string, gcode: string, isPrinted: boolean): string {
  const field = (disposition: string, body: string): string =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${body}\r\n`;
  const file = `name="file"; filename="${name}"\r\nContent-Type: application/octet-stream`;
  const parts = [
    field('name="print"', String(isPrinted)),
    field('name="path"', ""),
    field(file, gcode),
  ];
  return `${parts.join("")}--${BOUNDARY}--\r\n`;
}

describe("a slicer that knows OctoPrint", { timeout: 2 * PATIENCE_MS }, () => {
  let a: Appliance;
  beforeAll(async () => {
    a = await startFast({ env: { GANTRY_PRINTERS: PRINTERS } });
    await untilIdle(a);
    await clearBed(a);
  }, PATIENCE_MS);
  afterAll(() => a[Symbol.asyncDispose]());

  const slicer = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${a.url}/octoprint/sim${path}`, {
      ...init,
      headers: { "x-api-key": a.token, ...(init.headers as Record<string, string>) }, // plain objects here
    });
  const send = async (name: string, gcode: string, isPrinted: boolean): Promise<SlicerUpload> => {
    const response = await slicer("/api/files/local", {
      method: "POST",
      headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}` },
      body: prusaForm(name, gcode, isPrinted),
    });
    expect(response.status).toBe(201);
    return (await response.json()) as SlicerUpload; // slicerUploadSchema, checked by the door's own tests
  };

  it("[K69] uploads and prints, by the ordinary way and its word", async () => {
    expect(await (await slicer("/api/version")).json()).toMatchObject({ api: "0.1" });
    const picture = `; thumbnail begin 1x1 ${PIXEL.length}\n; ${PIXEL}\n; thumbnail end\n`;
    const { job, confirmation } = await send("bracket.gcode", picture + markedPart("slicer"), true);
    expect(job.state).toBe("awaiting");
    const waiting = await print(a, job.id);
    expect(waiting).toMatchObject({ name: "bracket", startedCount: 0, waitsFor: "a confirmation" });
    expect(waiting.gcode.analysis).toMatchObject({
      layers: { count: 4 },
      thumbnails: [{ width: 1 }],
    });
    const shown = await slicer("/api/files/local/bracket.gcode");
    expect(await shown.json()).toMatchObject({ name: "bracket.gcode", type: "machinecode" });
    const thumbnail = await fetch(`${a.url}/api/fabrication/jobs/${job.id}/thumbnail`, {
      headers: { "x-api-key": a.token },
    });
    expect(Buffer.from(await thumbnail.arrayBuffer()).toString("base64")).toBe(PIXEL);

    if (confirmation === undefined) throw new Error("no word was asked for");
    await confirm(a, confirmation);
    expect(await untilEnded(a, job.id)).toMatchObject({ state: "done", startedCount: 1 });
    expect(startsOf(a, "slicer")).toBe(1);
    await clearBed(a);
  });

  it("[K69] uploads alone: nothing is asked and nothing starts until somebody prints it", async () => {
    const { job } = await send("later.gcode", markedPart("later"), false);
    expect(await print(a, job.id)).toMatchObject({
      state: "cancelled",
      kept: true,
      startedCount: 0,
    });
    expect((await a.api("POST", `/api/fabrication/jobs/${job.id}/resume`, {})).status).toBe(409);
    const again = await a.api("POST", `/api/fabrication/jobs/${job.id}/again`, {});
    expect(again.status).toBe(202);
    expect(again.body.job.state).toBe("awaiting");
    await confirm(a, again.body.confirmation);
    expect(await untilEnded(a, again.body.job.id)).toMatchObject({
      state: "done",
      startedCount: 1,
    });
    expect(startsOf(a, "later")).toBe(1);
    expect(await print(a, job.id)).toMatchObject({ state: "cancelled", startedCount: 0 });
  });

  it("is told which printer by a flag, and no file goes to a printer that it is not for", async () => {
    const post = (): Promise<Response> =>
      fetch(`${a.url}/api/files/local`, {
        method: "POST",
        headers: {
          "x-api-key": a.token,
          "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
        },
        body: prusaForm("flagged.gcode", markedPart("flagged"), false),
      });
    const unsure = await post();
    expect(unsure.status).toBe(400);
    expect(await unsure.json()).toMatchObject({ details: { printers: ["cold", "sim"] } });

    const { person } = (await a.api("GET", "/api/me")).body;
    const flag = `/api/flags/slicer.person.${person.toLowerCase()}`;
    await a.api("PUT", flag, { value: "cold" });
    const tooHot = await post();
    expect(tooHot.status).toBe(422);
    expect(await tooHot.json()).toMatchObject({ code: "gcode_too_hot" });
    await a.api("PUT", flag, { value: "sim" });
    const kept = (await (await post()).json()) as SlicerUpload;

    const again = `/api/fabrication/jobs/${kept.job.id}/again`;
    const onCold = await a.api("POST", again, { printer: "cold" });
    expect(onCold).toMatchObject({ status: 422, body: { code: "gcode_too_hot" } });
    expect((await a.api("POST", again, { printer: "nobody" })).status).toBe(404);
    const onSim = await a.api("POST", again, { printer: "sim" });
    expect(onSim.body.job.state).toBe("awaiting");
    expect(startsOf(a, "flagged")).toBe(0);
  });
});
