// Registry clients over ZeroMQ among three real hubs.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { enrolNode, type Enrolled, openClient } from "../support/enrol.ts";

describe("a registry client", () => {
  let cluster: TestCluster;
  let enrolled: Enrolled;
  beforeAll(async () => {
    cluster = await startCluster(3);
    enrolled = await enrolNode(await cluster.leader(), "bench");
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  it("puts, compares, gets and deletes values", async () => {
    await using client = openClient(enrolled, { token: cluster.token });
    const first = await client.put("colour", "red", { ifRevision: 0 });
    await expect(client.put("colour", "blue", { ifRevision: 0 })).rejects.toMatchObject({
      code: "revision_mismatch",
    });
    const second = await client.put("colour", { name: "blue" }, { ifRevision: first.revision });
    for (const read of ["linearizable", "leader"] as const) {
      expect(await client.get("colour", read)).toEqual({
        key: "colour",
        value: { name: "blue" },
        revision: second.revision,
      });
    }
    expect(await client.get("colour", "local")).toMatchObject({ ageMs: expect.any(Number) });
    await client.delete("colour", { ifRevision: second.revision });
    expect(await client.get("colour")).toEqual({ key: "colour", revision: 0 });
  });

  it("lets a node write its own keys only, and a false token nothing", async () => {
    await using node = openClient(enrolled);
    await node.put("nodes:bench", 1);
    await expect(node.put("colour", "red")).rejects.toMatchObject({ code: "forbidden" });
    await using stranger = openClient(enrolled, { token: "gt_nobody", timeoutMs: 1_000 });
    await expect(stranger.get("colour")).rejects.toMatchObject({ code: "forbidden" });
  });

  it("holds a lock with a fencing token", async () => {
    await using client = openClient(enrolled);
    const held = await client.acquire("bed", { ttlMs: 60_000 });
    await expect(client.acquire("bed", { ttlMs: 60_000 })).rejects.toMatchObject({
      code: "lock_held",
    });
    expect(await client.renew("bed", held.token)).toEqual(held);
    await expect(client.release("bed", held.token - 1)).rejects.toMatchObject({
      code: "stale_token",
    });
    await client.release("bed", held.token);
    const again = await client.acquire("bed", { ttlMs: 60_000 });
    expect(again.token).toBeGreaterThan(held.token);
  });

  it("does each of many writes once though the leader is killed, and its watch misses none", async () => {
    await using client = openClient(enrolled, { token: cluster.token, timeoutMs: 30_000 });
    const stop = new AbortController();
    const seen = new Map<string, unknown>();
    const rounds = 400;
    const watching = (async () => {
      const ask = { kinds: "flag", prefix: "flag/count-" };
      for await (const message of client.watch(ask, stop.signal)) {
        note(seen, message);
        if (seen.get(`flag/count-${rounds - 1}`) === rounds - 1 && seen.size === rounds) return;
      }
    })();
    const leader = await cluster.leader();
    const revisions: number[] = [];
    const writers = Array.from({ length: 20 }, async (_, lane) => {
      for (let turn = lane; turn < rounds; turn += 20) {
        // ifRevision 0: had it been done twice, the second time would be refused.
        const { revision } = await client.put(`count-${turn}`, turn, { ifRevision: 0 });
        revisions.push(revision);
        if (revisions.length === rounds / 2) await leader.kill("SIGKILL");
      }
    });
    await Promise.all(writers);
    await watching;
    stop.abort();
    expect(new Set(revisions).size).toBe(rounds);
    expect(seen.size).toBe(rounds);
    await leader.start();
  });
});

function note(seen: Map<string, unknown>, message: WatchMessage): void {
  if (message.type === "compacted" || message.type === "progress") return;
  if (message.type === "snapshot" && message.isFirst) seen.clear();
  const changes = message.type === "snapshot" ? message.items : message.changes;
  for (const change of changes) {
    if ("value" in change) seen.set(change.key, (change.value as { value: unknown }).value);
    else seen.delete(change.key);
  }
}
