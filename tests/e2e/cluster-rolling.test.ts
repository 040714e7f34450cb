// Hubs are restarted one after the other, and leadership is handed over, while clients write.

import { describe, expect, it } from "vitest";
import { until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";
import { lostAt, startPatientClient } from "../support/patient-client.ts";

const HAND_OVERS = 10;

describe("a rolling restart", () => {
  it("[C36][M76] fails no request and loses nothing, the leader's own restart included", async () => {
    await using cluster = await startCluster(3);
    await cluster.leader();
    const client = startPatientClient({ hubs: () => cluster.hubs, token: cluster.token });
    await until("some writes", () => client.acked.size > 50);
    for (const hub of cluster.hubs) {
      await hub.kill("SIGTERM");
      const before = client.acked.size;
      await until(`writes without ${hub.id}`, () => client.acked.size > before + 20);
      await hub.start();
      await cluster.leader();
      await until("all to be level", async () => {
        const { body } = await hub.api("GET", "/api/cluster");
        const hubs: { reachable: boolean; lag?: number }[] = body.hubs ?? [];
        return hubs.length === 3 && hubs.every(({ reachable, lag = 0 }) => reachable && lag < 100);
      });
    }
    await client.stop();
    expect(client.failed).toEqual([]);
    for (const hub of cluster.hubs) expect(await lostAt(hub, client.acked)).toEqual([]);
    console.log(
      `rolling restart: ${client.acked.size} writes, ${client.retries} repeated, longest gap ${client.longestGapMs.toFixed(0)} ms`,
    );
  }, 120_000);
});

describe("a planned hand-over", () => {
  it("[C36] is a pause and no failure, to a named hub and to any", async () => {
    await using cluster = await startCluster(3);
    await cluster.leader();
    const client = startPatientClient({
      hubs: () => cluster.hubs,
      token: cluster.token,
      writers: 1,
    });
    const gapsMs: number[] = [];
    for (let turn = 0; turn < HAND_OVERS; turn += 1) {
      const before = client.acked.size;
      await until("a quiet stretch of writes", () => client.acked.size > before + 40);
      const leader = await cluster.leader();
      const others = (await cluster.followers()).map(({ id }) => id);
      const heirs = turn % 2 === 0 ? others.slice(0, 1) : others;
      const body = turn % 2 === 0 ? { to: heirs[0] } : {};
      client.resetGap();
      const start = client.acked.size;
      const reply = await leader.api("POST", "/api/cluster/transfer", body);
      expect(reply.status).toBe(200);
      expect(heirs).toContain(reply.body.leader);
      await until("writes after it", () => client.acked.size > start + 20);
      gapsMs.push(client.longestGapMs);
    }
    await client.stop();
    expect(client.failed).toEqual([]);
    const sorted = gapsMs.toSorted((a, b) => a - b).map(Math.round);
    console.log(
      `hand-over, writer every 5 ms, gaps in ms: ${sorted.join(" ")}; median ${sorted[HAND_OVERS / 2]}; repeated ${client.retries}`,
    );
  }, 120_000);
});
