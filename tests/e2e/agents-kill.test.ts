// A hub that dies in the middle of a tool: what was sent to another server is not sent again, and says so;
// what the hub itself does is done once.

import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Appliance, ROOT, startAppliance, until } from "../support/appliance.ts";
import { gantry } from "../support/gantry.ts";
import { PATIENCE_MS } from "./steps.ts";

const SECRET = "canary-odd-51c0ffee";

describe("a hub killed during a tool", { timeout: 2 * PATIENCE_MS }, () => {
  let a: Appliance;
  let dir = "";
  const file = (): string => join(dir, "lines");
  const lines = (): string[] =>
    existsSync(file())
      ? readFileSync(file(), "utf8")
          .split("\n")
          .filter((line) => line !== "")
      : [];
  const cli = (...words: string[]) =>
    gantry(words, {
      GANTRY_DATA_DIR: a.dataDir,
      GANTRY_TOKEN: a.token,
      GANTRY_HTTP_PORT: new URL(a.url).port,
    });

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "gantry-odd-"));
    const servers = {
      odd: {
        command: join(ROOT, "node_modules/.bin/node"),
        args: [
          "--disable-warning=ExperimentalWarning",
          join(ROOT, "hub/mcp/testing/odd-server.ts"),
        ],
        env: { ODD_TOKEN: SECRET, ODD_FILE: file() },
      },
    };
    const env = { GANTRY_MCP_SERVERS: JSON.stringify(servers), GANTRY_LOG_LEVEL: "debug" };
    a = await startAppliance({ parts: ["hub"], env });
  }, PATIENCE_MS);
  afterAll(async () => {
    await a[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const online = () =>
    until("the other server", async () => {
      const { body } = await a.api("GET", "/api/mcp/servers");
      return body.servers[0]?.state === "online" ? body.servers[0] : undefined;
    });

  it("a tool is used once a person has agreed to it as it is described", async () => {
    await online();
    const refused = await a.api("POST", "/api/tools/odd.slow", { arguments: {} });
    expect(refused.status).toBe(404);
    const agreed = await cli("mcp", "approve", "odd", "slow", "--hazard", "low");
    expect([agreed.code, agreed.err]).toEqual([0, ""]);
    const shown = await cli("mcp", "servers");
    expect(shown.out).toMatch(/odd +online +slow +approved +low/);
    const { body } = await a.api("POST", "/api/tools/odd.slow", { arguments: { text: "first" } });
    expect(body.result).toBe("first [secret]");
    expect(lines()).toEqual(["first"]);
  });

  it("what another server was sent is not sent again: its end is unknown, and the turn is over", async () => {
    const before = lines().length;
    const order = { arguments: { text: "once" }, waitS: 0 };
    const { body } = await a.api("POST", "/api/tools/odd.slow", order);
    await until("the line", () => lines().length > before);
    await a.kill("hub", "SIGKILL");
    await a.start("hub");
    const turn = await until("the turn's end", async () => {
      const { body: now } = await a.api("GET", `/api/agents/${body.turn}`);
      return now.state === "failed" ? now : undefined;
    });
    expect(turn.steps[0]).toMatchObject({ state: "unknown", error: { code: "outcome_unknown" } });
    await online();
    expect(lines()).toEqual(["first", "once"]);
    const again = await a.api("POST", "/api/tools/odd.slow", { arguments: { text: "next" } });
    expect(again.body.result).toBe("next [secret]");
  });

  it("what the hub does is done once, though it died before it could say so", async () => {
    const order = { arguments: { queue: "high" }, waitS: 0 };
    await a.api("PUT", "/api/queues/high", {});
    const { body, status } = await a.api("POST", "/api/tools/queue_pause", order);
    expect(status).toBe(200);
    await a.kill("hub", "SIGKILL");
    await a.start("hub");
    await until("the turn's end", async () => {
      const { body: now } = await a.api("GET", `/api/agents/${body.turn}`);
      return now.state === "done" ? true : undefined;
    });
    const { body: trail } = await a.api("GET", "/api/audit?limit=500");
    const paused = trail.entries.filter(
      (row: { action: string; object: string }) =>
        row.action === "queue.paused" && row.object === "high",
    );
    expect(paused).toHaveLength(1);
  });

  it("no secret of the configuration is anywhere", async () => {
    const { body: events } = await a.api("GET", "/api/events?format=json&since=0");
    const { body: audit } = await a.api("GET", "/api/audit?limit=500");
    const { body: turns } = await a.api("GET", "/api/agents");
    expect(JSON.stringify([events, audit, turns, a.output("hub")])).not.toContain(SECRET);
  });
});
