// The disk of the hub runs full: what cannot be kept is refused in plain words, the rest goes on, and
// when there is room again everything works without a restart.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import { fillDisk, mayMount, mountDisk, unmountDisk } from "../support/small-disk.ts";
import { markedPart, PATIENCE_MS } from "./steps.ts";

const SIZE_MIB = 192; // room for the stores, and for opening both of them anew

it.skipIf(!mayMount())(
  "[M59] refuses with disk_full while the disk is full, reads on, recovers by itself and has lost nothing",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    await using a = await startAppliance({ parts: [] });
    mountDisk(a.dataDir, SIZE_MIB);
    try {
      await a.start("hub");
      const kept = new Map<string, string>();
      for (let count = 0; count < 50; count += 1)
        expect(await put(a, kept, `before.${count}`)).toBe(200);

      const filler = join(a.dataDir, "filler");
      fillDisk(filler);
      const refusal = await untilRefused(a, kept);
      expect(refusal).toBe(507);
      expect((await a.api("PUT", "/api/flags/one.more", { value: 1 })).body).toMatchObject({
        code: "disk_full",
        retryable: true,
      });
      expect((await a.api("POST", "/api/query", { prompt: "status" })).status).toBe(507);
      const upload = { printer: "sim", name: "x", gcode: markedPart("x") };
      expect((await a.api("POST", "/api/fabrication/jobs", upload)).status).toBeGreaterThanOrEqual(
        400,
      );
      const health = await a.api("GET", "/healthz");
      expect(health.status).toBe(200);
      expect(health.body).toMatchObject({
        status: "degraded",
        parts: { log: { state: "degraded" } },
      });
      await expectAllKept(a, kept);

      rmSync(filler);
      await until(
        "room to be found",
        async () => (await put(a, kept, "after.0")) === 200,
        PATIENCE_MS,
      );
      await until(
        "readiness",
        async () => (await a.api("GET", "/readyz")).status === 200,
        PATIENCE_MS,
      );
      for (let count = 1; count < 50; count += 1)
        expect(await put(a, kept, `after.${count}`)).toBe(200);

      await a.kill("hub", "SIGKILL");
      await a.start("hub");
      await expectAllKept(a, kept);
      expect((await a.api("POST", "/api/query", { prompt: "status" })).status).toBe(200);
      expect(a.output("hub")).not.toContain('"code":"internal"');
    } finally {
      await a.kill("hub", "SIGKILL");
      unmountDisk(a.dataDir);
    }
  },
);

/** Sets a flag of 4 kB; what is acknowledged goes into `kept`. */
async function put(a: Appliance, kept: Map<string, string>, key: string): Promise<number> {
  const value = key.repeat(Math.ceil(4_096 / key.length));
  const { status } = await a.api("PUT", `/api/flags/${key}`, { value });
  if (status === 200) kept.set(key, value);
  return status;
}

/** The store may hold a few pages more; the first refusal is what counts. */
async function untilRefused(a: Appliance, kept: Map<string, string>): Promise<number> {
  for (let count = 0; count < 2_000; count += 1) {
    const status = await put(a, kept, `full.${count}`);
    if (status !== 200) return status;
  }
  return 200;
}

async function expectAllKept(a: Appliance, kept: ReadonlyMap<string, string>): Promise<void> {
  const { body } = await a.api("GET", "/api/flags");
  const flags = new Map(
    (body.flags as { key: string; value: string }[]).map((flag) => [flag.key, flag.value]),
  );
  const lost = [...kept].filter(([key, value]) => flags.get(key) !== value);
  expect(lost.map(([key]) => key)).toEqual([]);
}
