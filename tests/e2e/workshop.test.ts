// The workshop on real processes: printers that hang delay nobody when all are looked at; a look around, and
// words about what it did not find.

import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { startAppliance, until } from "../support/appliance.ts";
import { partGcode } from "../support/part.ts";
import { PATIENCE_MS, submit, untilIdle } from "./steps.ts";

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
      const { job } = await submit(a, "drawn", partGcode({ layers: 3 }));
      const layers = await a.api("GET", `/api/fabrication/jobs/${job}/layers?from=2&to=3`);
      expect(layers.body).toMatchObject({
        layers: 3,
        drawn: [
          { layer: 2, zMm: 0.4 },
          { layer: 3, zMm: 0.6 },
        ],
      });
      expect((await a.api("GET", `/api/fabrication/jobs/${job}/layers?from=3&to=2`)).status).toBe(
        400,
      );
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

const PICTURE = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 7, 7, 7, 0xff, 0xd9]);

it(
  "shows a camera to many people and asks it once; one that looks and leaves is forgotten",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    let asked = 0;
    const shop = createHttpServer((request, reply) => {
      if (request.url === "/simulated-camera") {
        asked += 1;
        reply.setHeader("content-type", "image/jpeg");
        reply.end(PICTURE);
        return;
      }
      const body = SIMULATED_OCTOPRINT[request.url?.split("?")[0] ?? ""];
      reply.statusCode = body === undefined ? 404 : 200;
      reply.setHeader("content-type", "application/json");
      reply.end(JSON.stringify(body ?? {}));
    });
    await new Promise<void>((resolve) => shop.listen(0, "127.0.0.1", resolve));
    const { port } = shop.address() as AddressInfo;
    SIMULATED_OCTOPRINT["/api/settings"] = {
      webcam: {
        snapshotUrl: `http://127.0.0.1:${port}/simulated-camera`,
        streamUrl: `http://127.0.0.1:${port}/simulated-camera`,
      },
    };
    const printers = `octo=octoprint:127.0.0.1:${port}?key=simulated-key-of-it`;
    const a = await startAppliance({ env: { GANTRY_PRINTERS: printers } });
    try {
      const headers = { authorization: `Bearer ${a.token}` };
      const look = (): Promise<Response> => fetch(`${a.url}/api/devices/octo/camera`, { headers });
      const first = await until(
        "a picture",
        async () => {
          const reply = await look();
          return reply.status === 200 && reply;
        },
        PATIENCE_MS,
      );
      expect(first.headers.get("content-type")).toBe("image/jpeg");
      expect(Buffer.from(await first.arrayBuffer())).toEqual(PICTURE);
      const before = asked;
      const many = await Promise.all(Array.from({ length: 12 }, look));
      expect(many.map(({ status }) => status)).toEqual(many.map(() => 200));
      expect(asked - before).toBeLessThanOrEqual(4); // one in half a second, on a machine that is slow
      const gone = new AbortController();
      const stream = await fetch(`${a.url}/api/devices/octo/camera?stream=1`, {
        headers,
        signal: gone.signal,
      });
      expect(stream.headers.get("content-type")).toContain("multipart/x-mixed-replace");
      let seen = Buffer.alloc(0);
      for await (const piece of stream.body ?? []) {
        seen = Buffer.concat([seen, piece]);
        if (seen.toString("latin1").split("--gantry-picture").length > 3) break;
      }
      gone.abort();
      expect(seen.includes(PICTURE)).toBe(true);
      expect((await fetch(`${a.url}/api/devices/nobody/camera`, { headers })).status).toBe(404);
    } finally {
      await a[Symbol.asyncDispose]();
      shop.closeAllConnections();
      shop.close();
    }
  },
);

/** What OctoPrint says where nothing is printed; it calls itself simulated. */
const SIMULATED_OCTOPRINT: Record<string, unknown> = {
  "/api/version": { api: "0.1", server: "1.11.0", text: "OctoPrint 1.11.0 (simulated by Gantry)" },
  "/api/printer": {
    state: { text: "Operational", flags: { operational: true, ready: true } },
    temperature: { tool0: { actual: 20, target: 0 }, bed: { actual: 20, target: 0 } },
  },
  "/api/job": {
    state: "Operational",
    job: { file: { name: null } },
    progress: { completion: null },
  },
};
