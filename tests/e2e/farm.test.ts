// Two simulated printers as one farm, through the whole house: hub, node agent, bridge, firmware.

import { afterAll, beforeAll, expect, it } from "vitest";
import type { FarmPrinters, FarmView, WallView } from "@gantry/shared/contract/schemas/farm.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { type Appliance, until } from "../support/appliance.ts";
import { confirm, markedPart, PATIENCE_MS, print, startFast, untilEnded } from "./steps.ts";

const PRINTERS = "sim=sim:?speed=30&heat=20,two=sim:?speed=30&heat=20";

let a: Appliance;
beforeAll(async () => {
  a = await startFast({ env: { GANTRY_PRINTERS: PRINTERS } });
  await until("two idle printers", bothIdle, PATIENCE_MS);
}, 2 * PATIENCE_MS);
afterAll(() => a?.[Symbol.asyncDispose]());

async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const reply = await a.api(method, path, body);
  expect([path, reply.status < 300, reply.status < 300 || reply.body]).toEqual([path, true, true]);
  return reply.body;
}

const printers = async (): Promise<FarmPrinters> =>
  (await call("GET", "/api/farm/printers")) as FarmPrinters;
const board = async (): Promise<FarmView> => (await call("GET", "/api/farm")) as FarmView;

async function bothIdle(): Promise<boolean> {
  const { printers: all } = await printers();
  return all.length === 2 && all.every(({ device }) => device.online && device.phase === "idle");
}

async function order(name: string, wish: object = {}): Promise<string> {
  const gcode = markedPart(name);
  const accepted = (await call("POST", "/api/fabrication/jobs", { name, gcode, ...wish })) as {
    job: { id: string };
    confirmation: { id: string; phrase: string; summary: string };
  };
  expect(accepted.confirmation.summary).toContain("any printer of the farm");
  expect((await confirm(a, accepted.confirmation)).status).toBe(200);
  return accepted.job.id;
}

const untilPrinting = (job: string): Promise<PrintView> =>
  until(
    `${job} to have begun`,
    async () => {
      const view = await print(a, job);
      return view.startedCount > 0 && view;
    },
    PATIENCE_MS,
  );

it("prints on whichever printer fits, never on a bed that nobody cleared, and counts what came of it", async () => {
  expect(
    (await a.api("POST", "/api/fabrication/jobs", { name: "early", gcode: "G28" })).status,
  ).toBe(409);
  await call("PUT", "/api/farm/spools/petg-1", {
    material: "PETG",
    leftG: 500,
    costMicroUsdPerKg: 20_000_000,
  });
  await call("PUT", "/api/farm/printers/sim", { nozzleMm: 0.4, material: "PLA" });
  await call("PUT", "/api/farm/printers/two", { nozzleMm: 0.4 });
  await call("POST", "/api/farm/printers/two/spool", { spool: "petg-1" });

  const petg = await order("petg-part", { material: "petg", nozzle: 0.4, grams: 120 });
  const begun = await untilPrinting(petg);
  expect(begun.printer).toBe("two");
  const next = await order("second", { material: "PETG", grams: 10 });
  const hot = await order("abs-part", { material: "ABS", priority: 9 });

  expect(await untilEnded(a, petg)).toMatchObject({ state: "done", startedCount: 1 });
  const { queue } = await board();
  expect(queue.map(({ id, reason }) => [id, reason.code])).toEqual([
    [hot, "material_not_loaded"],
    [next, "bed_not_clear"],
  ]);
  const { use } = await print(a, petg);
  expect(use).toMatchObject({ grams: 120, spool: "petg-1" });
  expect(use?.costMicroUsd).toBe(2_400_000);

  const wall = (await call("GET", "/api/wall")) as WallView;
  expect(wall.printers.map(({ id, bed }) => [id, bed])).toEqual([
    ["sim", "clear"],
    ["two", "part"],
  ]);
  expect(JSON.stringify(wall)).not.toMatch(/petg-part|second|prt_|owner/);

  await call("POST", "/api/devices/two/bed", {
    outcome: "failed",
    reason: "stringing",
    job: petg,
  });
  expect((await untilEnded(a, next)).printer).toBe("two");
  const { spools } = (await call("GET", "/api/farm/spools")) as { spools: unknown[] };
  expect(spools).toMatchObject([{ id: "petg-1", leftG: 370, usedG: 130, reservedG: 0 }]);
  const tallied = await call("GET", "/api/farm/outcomes?of=material");
  expect(tallied).toMatchObject({
    outcomes: [{ id: "PETG", good: 0, bad: 1, reasons: { stringing: 1 } }],
  });
  expect((await print(a, hot)).state).toBe("ready");
}, 240_000);
