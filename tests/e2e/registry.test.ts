// Locks, client sessions and watches on three real hubs, through whichever hub, with the leader killed.

import { describe, expect, it } from "vitest";
import { present } from "@gantry/shared/base/assert.ts";
import { openSse } from "../../hub/http/testing/sse-client.ts";
import { until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";

describe("the registry of three hubs", () => {
  it("[K95][K103] gives one lock through any hub, one effect for one number, and its watch goes on elsewhere", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    const [one, two] = await cluster.followers();
    const [near, far] = [present(one, "a follower"), present(two, "another")];
    const headers = { authorization: `Bearer ${cluster.token}` };

    for (const hub of [near, far]) {
      await until(
        "the token to be known",
        async () => (await hub.api("GET", "/api/me")).status === 200,
      );
    }

    await using watch = await openSse(`${near.url}/api/registry/watch?kinds=lock&since=0`, {
      headers,
    });
    await watch.take(1);
    const opened = await until("a session", async () => {
      const reply = await near.api("POST", "/api/sessions", {});
      return reply.status === 201 ? reply : undefined;
    });
    const numbered = { "gantry-session": `${opened.body.session}/1` };
    const body = { owner: "one", ttlMs: 60_000 };
    const first = await near.api("POST", "/api/locks/bench", body, numbered);
    expect(first.status).toBe(200);
    const held = await far.api("POST", "/api/locks/bench", { owner: "two" });
    expect([held.status, held.body.code, held.body.details.holder]).toEqual([
      409,
      "lock_held",
      "one",
    ]);
    await watch.take(2);
    const last = present(watch.messages.at(-1), "a delta");
    expect(JSON.parse(last.data ?? "")).toMatchObject({
      changes: [{ key: "lock/bench", value: { owner: "one", token: first.body.token } }],
    });

    await leader.kill("SIGKILL");
    const again = await until("the retry to be answered", async () => {
      const reply = await far.api("POST", "/api/locks/bench", body, numbered);
      return reply.status === 200 ? reply : undefined;
    });
    expect(again.body).toEqual(first.body); // the same fencing token: it was not acquired twice
    const path = `/api/locks/bench?token=${String(first.body.token)}`;
    expect((await near.api("DELETE", path)).status).toBe(200);
    const next = await near.api("POST", "/api/locks/bench", { owner: "two" });
    expect(next.body.token).toBeGreaterThan(first.body.token);

    await using resumed = await openSse(`${far.url}/api/registry/watch?kinds=lock`, {
      headers: { ...headers, "last-event-id": present(last.id, "a revision") },
    });
    await until("the changes after it", async () =>
      resumed.messages.filter(({ event }) => event === "delta").length >= 2 ? true : undefined,
    );
    expect(resumed.messages.map(({ event }) => event)).not.toContain("snapshot");
  });

  it("[K95][K109][S37] lets owners wait through any hub, finds their place after the leader's death, and refuses a circle", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    const [one, two] = await cluster.followers();
    const [near, far] = [present(one, "a follower"), present(two, "another")];
    const wait = { wait: true, waitMs: 60_000, ttlMs: 60_000 };
    const key = { "idempotency-key": "the-wait-of-B" };
    const askFor = { ...wait, owner: "B" };

    const a = await until("the first lock", async () => {
      const reply = await near.api("POST", "/api/locks/project", { owner: "A", ttlMs: 60_000 });
      return reply.status === 200 ? reply : undefined;
    });
    const b = await far.api("POST", "/api/locks/task", { owner: "B", ttlMs: 60_000 });
    expect(b.status).toBe(200);

    const first = near.api("POST", "/api/locks/project", askFor, key).catch(() => undefined);
    const waiters = async (): Promise<unknown> => {
      const { body } = await far.api("GET", "/api/locks");
      return body.locks?.find(({ name }: { name: string }) => name === "project")?.waiting?.[0];
    };
    const before = await until("the place to be seen", waiters);
    expect(before).toMatchObject({ owner: "B" });
    const circle = await far.api("POST", "/api/locks/task", { ...wait, owner: "A" });
    expect([circle.status, circle.body.code]).toEqual([409, "deadlock"]);
    expect(circle.body.details.cycle).toMatchObject([
      { owner: "A", lock: "task" },
      { owner: "B", lock: "project" },
    ]);

    await leader.kill("SIGKILL");
    await cluster.leader();
    expect(await until("the place on the hubs that are left", waiters)).toEqual(before);
    const second = far.api("POST", "/api/locks/project", askFor, key);
    const path = `/api/locks/project?token=${String(a.body.token)}`;
    const released = await until("the release", async () => {
      const reply = await near.api("DELETE", path);
      return reply.status === 200 ? reply : undefined;
    });
    expect(released.status).toBe(200);
    const given = await second;
    expect([given.status, given.body.owner]).toEqual([200, "B"]);
    expect(given.body.token).toBeGreaterThan(b.body.token);
    await first; // through the hub whose leader died: whatever it was told, nobody got the lock twice
    const { body } = await near.api("GET", "/api/locks/project");
    expect(body).toMatchObject({ owner: "B", token: given.body.token });
    expect((await near.api("GET", "/api/locks")).body.deadlocks).toHaveLength(1);
  });
});
