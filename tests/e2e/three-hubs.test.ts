// Three real hubs: any of them serves any request, and the leader may go at any time.

import { describe, expect, it } from "vitest";
import { until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";

describe("three hubs", () => {
  it("[C36][D3][K89] elect one leader; a change through any hub is seen on all", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    for (const hub of cluster.hubs) {
      const put = await hub.api("PUT", `/api/flags/by-${hub.id}`, { value: hub.id });
      expect([hub.id, put.status, put.body.value]).toEqual([hub.id, 200, hub.id]);
    }
    for (const hub of cluster.hubs) {
      for (const other of cluster.hubs) {
        const got = await hub.api("GET", `/api/flags/by-${other.id}?consistency=linearizable`);
        expect(got.body).toMatchObject({ key: `by-${other.id}`, value: other.id });
      }
    }
    const { body } = await leader.api("GET", "/api/cluster");
    expect(body).toMatchObject({ leader: leader.id, voters: ["hub-1", "hub-2", "hub-3"] });
    expect(body.hubs.map((hub: { reachable: boolean }) => hub.reachable)).toEqual([
      true,
      true,
      true,
    ]);
  });

  it("[C36][K62] lose no acknowledged change when the leader is killed, again and again", async () => {
    await using cluster = await startCluster(3);
    const acked = new Map<string, number>();
    for (let round = 0; round < 3; round += 1) {
      const leader = await cluster.leader();
      for (let turn = 0; turn < 10; turn += 1) {
        const key = `flag-${round}-${turn}`;
        const { status } = await leader.api("PUT", `/api/flags/${key}`, { value: turn });
        expect(status).toBe(200);
        acked.set(key, turn);
      }
      await leader.kill("SIGKILL");
      const [other] = cluster.hubs.filter(({ isRunning }) => isRunning);
      const put = await until("a change to go through", async () => {
        const reply = await other?.api("PUT", `/api/flags/after-${round}`, { value: round });
        return reply?.status === 200 ? reply : undefined;
      });
      expect(put.body.value).toBe(round);
      acked.set(`after-${round}`, round);
      await leader.start();
    }
    await cluster.leader();
    for (const hub of cluster.hubs) {
      const { body } = await hub.api("GET", "/api/flags?consistency=linearizable");
      const found = new Map(
        body.flags.map(({ key, value }: { key: string; value: number }) => [key, value]),
      );
      for (const [key, value] of acked)
        expect([hub.id, key, found.get(key)]).toEqual([hub.id, key, value]);
    }
  });
});
