// The workshop on real processes: printers that hang delay nobody when all are looked at; a look around, and
// words about what it did not find.

import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { startAppliance } from "../support/appliance.ts";
import { PATIENCE_MS, untilIdle } from "./steps.ts";

it(
  "[K48] looks at all printers at once: one that hangs is offline, on record, and delays no other",
  { timeout: 3 * PATIENCE_MS },
  async () => {
    const sockets = new Set<Socket>();
    const hung = createServer((socket) => void sockets.add(socket)); // it takes calls and never answers
    await new Promise<void>((resolve) => hung.listen(0, "127.0.0.1", resolve));
    const { port } = hung.address() as AddressInfo;
    const printers = `sim=sim:?speed=30,hung=moonraker:127.0.0.1:${port}`;
    const a = await startAppliance({ env: { GANTRY_PRINTERS: printers } });
    try {
      await untilIdle(a);
      const before = (await a.api("GET", "/api/farm/health")).body;
      expect(before).toEqual({ checks: [], nextAt: null });
      const { status, body } = await a.api("POST", "/api/farm/health", {});
      expect(status).toBe(200);
      const byId = Object.fromEntries(
        body.printers.map((row: { printer: string; state: string }) => [row.printer, row.state]),
      );
      expect(byId).toEqual({ sim: "well", hung: "offline" });
      const { body: scanned } = await a.api("POST", "/api/discovery/scan", {});
      expect(scanned).toMatchObject({ silent: [] });
      expect(Date.parse(scanned.scannedAt)).toBeGreaterThan(0);
      const nobody = { key: "moonraker:10.9.9.9", printer: "far" };
      expect((await a.api("POST", "/api/discovery/approve", nobody)).status).toBe(404);
      await a.kill("agent", "SIGKILL"); // and of a machine that says nothing, each printer is told as offline
      const again = (await a.api("POST", "/api/farm/health", {})).body;
      expect(again.printers).toHaveLength(2);
      for (const row of again.printers) expect(row).toMatchObject({ state: "offline" });
      const kept = (await a.api("GET", "/api/farm/health")).body;
      expect(kept.checks).toHaveLength(2);
      expect(Date.parse(kept.nextAt) - Date.parse(kept.checks[0].at)).toBe(4 * 3_600_000);
      await a.kill("hub", "SIGKILL");
      await a.start("hub");
      expect((await a.api("GET", "/api/farm/health")).body).toEqual(kept);
    } finally {
      await a[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      hung.close();
    }
  },
);
