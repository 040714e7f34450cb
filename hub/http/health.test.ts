import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { healthSchema } from "@gantry/shared/contract/schemas/service.ts";
import { makeRig } from "./testing/rig.ts";

const OK = { status: "ok", parts: { log: { state: "ready" } }, version: "0.1.0", uptimeS: 1 };

const starting = (): never => {
  throw new GantryError("starting", "The hub is still starting");
};

describe("health", () => {
  it("[K81] answers liveness while the hub is starting, and everything else with 503", async () => {
    await using rig = await makeRig();
    for (const route of ["live", "ready", "devices"] as const) rig.desk.on(route, starting);
    const live = await rig.ask("GET", "/healthz");
    expect(live.status).toBe(200);
    expect(healthSchema.parse(await live.json()).status).toBe("starting");
    const ready = await rig.ask("GET", "/readyz");
    expect([ready.status, ready.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(healthSchema.parse(await ready.json()).status).toBe("starting");
    const other = await rig.ask("GET", "/api/devices", { token: "viewer-token" });
    expect([other.status, other.headers.get("retry-after")]).toEqual([503, "1"]);
  });

  it("is ready when the hub says so, and not while a part is degraded", async () => {
    await using rig = await makeRig();
    rig.desk.on("ready", () => OK);
    const ready = await rig.ask("GET", "/readyz");
    expect([ready.status, await ready.json()]).toEqual([200, OK]);
    rig.desk.on("ready", () => ({ ...OK, status: "degraded" }));
    expect((await rig.ask("GET", "/readyz")).status).toBe(503);
  });

  it("answers liveness within a second or so when the hub hangs", async () => {
    await using rig = await makeRig();
    rig.desk.on(
      "live",
      (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    );
    const startMs = performance.now();
    const live = await rig.ask("GET", "/healthz");
    expect(performance.now() - startMs).toBeLessThan(3_000);
    expect(healthSchema.parse(await live.json())).toMatchObject({
      status: "degraded",
      parts: { hub: { note: "The hub says timeout" } },
    });
  });

  it("is answered under any host name, for load balancers", async () => {
    await using rig = await makeRig();
    rig.desk.on("live", () => OK);
    expect((await rig.ask("GET", "http://balancer.internal/healthz")).status).toBe(200);
  });

  it("gives the hub's numbers and the door's own", async () => {
    await using rig = await makeRig();
    rig.desk.on("metrics", () => "gantry_raft_term 3\n");
    await rig.ask("GET", "/api/devices");
    await rig.ask("GET", "/assets/nothing.js");
    const response = await rig.ask("GET", "/metrics");
    const text = await response.text();
    expect(response.headers.get("content-type")).toContain("text/plain");
    expect(text).toContain("gantry_raft_term 3\n");
    expect(text).toContain('gantry_http_requests_total{route="/api/devices",status="401"} 1\n');
    expect(text).toContain("gantry_sse_clients 0\n");
    expect(text.split("\n").every((line) => /^(#.*|\w+(\{.*\})? [\d.]+|)$/.test(line))).toBe(true);
  });
});
