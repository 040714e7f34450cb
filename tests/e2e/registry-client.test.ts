// Registry clients over ZeroMQ among three real hubs.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import { until } from "../support/appliance.ts";
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

  /** In this order, as the hub that leads shows it. */
  async function untilWaiting(name: string, owners: readonly string[]): Promise<void> {
    const leader = await cluster.leader();
    await until(`${owners.join(", ")} to wait for ${name}`, async () => {
      const { body } = await leader.api("GET", "/api/locks");
      const locks: { name: string; waiting?: { owner: string }[] }[] = body.locks ?? [];
      const waiting = locks.find((lock) => lock.name === name)?.waiting ?? [];
      return waiting.map(({ owner }) => owner).join() === owners.join();
    });
  }

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
  });

  it("is told at once that its token is false when every hub that it knows has said so (RX3)", async () => {
    const { body } = await (
      await cluster.leader()
    ).api("GET", "/api/registry/watch?kinds=hub&format=json");
    const rows = JSON.stringify(body).matchAll(/"agentAddress":"([^"]+)","agentKey":"([^"]+)"/g);
    const known = [...rows].map(([, address = "", publicKey = ""]) => ({ address, publicKey }));
    expect(known).toHaveLength(3);
    const token = "gt_nobody";
    const forEver = 600_000; // the test would end first
    await using stranger = openClient(enrolled, { token, hubs: known, timeoutMs: forEver });
    const denied = { code: "forbidden" };
    await expect(stranger.get("colour")).rejects.toMatchObject(denied);
    await expect(stranger.put("colour", 1)).rejects.toMatchObject(denied);

    const away = { address: "tcp://127.0.0.1:9", publicKey: known[0]?.publicKey ?? "" };
    const hubs = [...known, away];
    await using hopeful = openClient(enrolled, { token, hubs, timeoutMs: 1_500 });
    const startMs = performance.now();
    await expect(hopeful.get("colour")).rejects.toMatchObject(denied);
    expect(performance.now() - startMs).toBeGreaterThan(1_400); // it might have let us in
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

  it("[K95] waits in a lock's queue: in turn, and until it gives up", async () => {
    await using client = openClient(enrolled);
    const ask = (owner: string, signal?: AbortSignal) =>
      client.acquire("oven", { ttlMs: 60_000, waitMs: 60_000, owner, ...(signal && { signal }) });
    const held = await ask("one");
    const stop = new AbortController();
    const two = ask("two", stop.signal);
    await untilWaiting("oven", ["two"]);
    const three = ask("three");
    await untilWaiting("oven", ["two", "three"]);
    stop.abort();
    await expect(two).rejects.toMatchObject({ code: "cancelled" });
    await untilWaiting("oven", ["three"]);
    await client.release("oven", held.token);
    const next = await three;
    expect(next).toMatchObject({ owner: "three" });
    expect(next.token).toBeGreaterThan(held.token);
    const late = client.acquire("oven", { ttlMs: 60_000, waitMs: 1, owner: "four" });
    await expect(late).rejects.toMatchObject({
      code: "lock_wait_over",
      details: { end: "timeout" },
    });
    await client.release("oven", next.token);
  });

  it("[K95] gives up the place of a client that goes away, and nobody waits for it", async () => {
    await using holder = openClient(enrolled);
    await using stays = openClient(enrolled);
    const leaves = openClient(enrolled);
    const held = await holder.acquire("saw", { ttlMs: 60_000, owner: "one" });
    const lost = leaves.acquire("saw", { ttlMs: 60_000, waitMs: 200_000, owner: "gone" });
    const unheard = lost.catch((error: unknown) => error);
    await untilWaiting("saw", ["gone"]);
    const kept = stays.acquire("saw", { ttlMs: 60_000, waitMs: 200_000, owner: "stays" });
    await untilWaiting("saw", ["gone", "stays"]);
    await leaves.close();
    expect(await unheard).toMatchObject({ code: "outcome_unknown" });
    await untilWaiting("saw", ["stays"]);
    await holder.release("saw", held.token);
    const { token } = await kept;
    await stays.release("saw", token);
  });

  it("[K95] keeps its place though the leader is killed, for the same call comes again", async () => {
    await using client = openClient(enrolled, { timeoutMs: 30_000 });
    const held = await client.acquire("mill", { ttlMs: 200_000, owner: "one" });
    const two = client.acquire("mill", { ttlMs: 60_000, waitMs: 200_000, owner: "two" });
    await untilWaiting("mill", ["two"]);
    const leader = await cluster.leader();
    await leader.kill("SIGKILL");
    await leader.start();
    await cluster.leader();
    await untilWaiting("mill", ["two"]);
    await client.release("mill", held.token);
    expect((await two).token).toBeGreaterThan(held.token);
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
