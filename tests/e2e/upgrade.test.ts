// The hubs are restarted one after the other, as an upgrade does it, while the product's own client reads
// and writes through them: nobody sees a failed request.

import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { makeClient } from "@gantry/shared/client/client.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { LOG_FORMAT } from "../../hub/cluster/formats.ts";
import { until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";

const WRITERS = 4;

describe("a rolling upgrade under load", { timeout: 180_000 }, () => {
  it("[C36] fails no request of a client that knows the hubs, and loses no write", async () => {
    await using cluster = await startCluster(3);
    await cluster.leader();
    const urls = cluster.hubs.map(({ url }) => url);
    const clientAt = (first: number) => {
      const [baseUrl = "", ...others] = [...urls.slice(first), ...urls.slice(0, first)];
      const { token } = cluster;
      return makeClient({ baseUrl, others, token, clock: systemClock, random: Math.random });
    };
    const stopped = new AbortController();
    const acked = new Map<string, number>();
    const failed: string[] = [];
    let longestMs = 0;
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      const client = clientAt(writer % urls.length);
      for (let turn = 0; !stopped.signal.aborted; turn += 1) {
        const key = `w${writer}.${turn}`;
        const startMs = performance.now();
        try {
          await client.flagSet({ key, body: { value: turn } });
          acked.set(key, turn);
          await client.flag({ key });
        } catch (error) {
          failed.push(
            error instanceof GantryError ? `${error.code}: ${error.message}` : String(error),
          );
        }
        longestMs = Math.max(longestMs, performance.now() - startMs);
      }
    });
    for (const hub of cluster.hubs) {
      const before = acked.size;
      await hub.kill("SIGTERM");
      await until(`writes without ${hub.id}`, () => acked.size > before + 20);
      await hub.start();
      await cluster.leader();
      await until("all hubs to be level", async () => {
        const { body } = await hub.api("GET", "/api/cluster");
        const hubs: { reachable: boolean; lag?: number }[] = body.hubs ?? [];
        return hubs.length === 3 && hubs.every(({ reachable, lag = 0 }) => reachable && lag < 100);
      });
    }
    stopped.abort();
    await Promise.all(writers);
    expect(failed).toEqual([]);
    const { flags } = await clientAt(0).flags();
    const found = new Map(flags.map(({ key, value }) => [key, value]));
    expect([...acked].filter(([key, value]) => found.get(key) !== value)).toEqual([]);
    const { body } = await (
      await cluster.leader()
    ).api("GET", "/api/registry/watch?kinds=hub&format=json");
    expect(JSON.stringify(body)).toContain(`"format":${LOG_FORMAT}`); // each hub says what it can apply
    console.log(
      `rolling upgrade: ${acked.size} writes by ${WRITERS} clients, none failed, the longest write and read ${longestMs.toFixed(0)} ms`,
    );
  });
});
