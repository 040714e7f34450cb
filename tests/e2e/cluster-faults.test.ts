// What a small cluster does when one of it is gone, damaged, or should never have been.

import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { present } from "@gantry/shared/base/assert.ts";
import { decodeHead, HEAD_BYTES, lookForRecord } from "../../hub/adapters/segment-format.ts";
import { freePort, until } from "../support/appliance.ts";
import { type ClusterHub, startCluster } from "../support/cluster.ts";
import { lostAt, startPatientClient } from "../support/patient-client.ts";

describe("two hubs", () => {
  it("are refused at the start, with the reason and what to do", async () => {
    await using cluster = await startCluster(1, { isAlone: true });
    const fresh = await cluster.addHub("hub-2");
    const peer = `hub-9=tcp://127.0.0.1:${await freePort()}`;
    const refused = await fresh.start({ GANTRY_PEERS: peer }).catch((error: unknown) => error);
    expect(String(refused)).toContain("Two hubs are worse than one");
    expect(String(refused)).toContain("GANTRY_WITNESSES");
  }, 60_000);

  it("are never made by a promotion, and codes are given again only to who was never here", async () => {
    await using cluster = await startCluster(1, { isAlone: true });
    const first = await cluster.leader();
    const fresh = await cluster.addHub("hub-2");
    const body = { id: fresh.id, address: fresh.peerAddress };
    const lost = await first.api("POST", "/api/cluster/hubs", body);
    const again = await first.api("POST", "/api/cluster/hubs", body);
    expect([lost.status, again.status]).toEqual([201, 201]);
    expect(again.body.code).not.toBe(lost.body.code);
    const elsewhere = { ...body, address: "tcp://127.0.0.1:1" };
    expect((await first.api("POST", "/api/cluster/hubs", elsewhere)).body.code).toBe("conflict");
    await fresh.start({ GANTRY_CLUSTER_CODE: again.body.code });
    await until("the learner to follow", async () => {
      const { body: ready } = await fresh.api("GET", "/readyz");
      return ready.parts?.log?.note === `follows ${first.id}`;
    });
    const promoted = await until("the learner to have caught up", async () => {
      const reply = await first.api("POST", "/api/cluster/promote", { hub: fresh.id });
      return String(reply.body.detail).includes("has not caught up") ? undefined : reply;
    });
    expect([promoted.status, promoted.body.detail]).toEqual([
      409,
      expect.stringContaining("two are worse than one"),
    ]);
    const third = await first.api("POST", "/api/cluster/hubs", body);
    expect([third.status, third.body.detail]).toEqual([409, expect.stringContaining("already")]);
    for (const address of ["ipc:///tmp/x", "tcp://0.0.0.0:7700", "tcp://10.77.0.3:77000"]) {
      const wrong = await first.api("POST", "/api/cluster/hubs", { id: "hub-3", address });
      expect([address, wrong.status]).toEqual([address, 400]);
    }
    const far = { id: "hub-3", address: "tcp://10.77.0.3:7700" }; // and we are on loopback
    const hidden = await first.api("POST", "/api/cluster/hubs", far);
    expect([hidden.status, hidden.body.detail]).toEqual([
      409,
      expect.stringContaining("GANTRY_PEER_ADDRESS"),
    ]);
    expect((await first.api("GET", "/api/cluster")).body.voters).toEqual([first.id]);
    expect(first.output() + fresh.output()).not.toContain(again.body.code);
  }, 60_000);
});

describe("two hubs and a witness", () => {
  it("[C36] go on writing whichever of the three is killed", async () => {
    await using cluster = await startCluster(3, { witnesses: ["hub-3"] });
    await cluster.leader();
    const stateful = cluster.hubs.filter(({ id }) => id !== "hub-3");
    const client = startPatientClient({
      hubs: () => stateful,
      token: cluster.token,
      deadlineMs: 15_000,
    });
    for (const hub of cluster.hubs) {
      await until("some writes", () => client.acked.size > 20);
      await hub.kill("SIGKILL");
      const before = client.acked.size;
      await until(`writes without ${hub.id}`, () => client.acked.size > before + 40);
      await hub.start();
      const { leader } = (await (await cluster.leader()).api("GET", "/api/cluster")).body;
      expect(leader).not.toBe("hub-3");
      await until("all to be there again", async () => {
        const { body } = await (await cluster.leader()).api("GET", "/api/cluster");
        return body.hubs.every(({ reachable, lag = 0 }: Hub) => reachable && lag < 100);
      });
    }
    await client.stop();
    expect(client.failed).toEqual([]);
    for (const hub of stateful) expect(await lostAt(hub, client.acked)).toEqual([]);
  }, 120_000);
});

describe("a hub that is dead for good", () => {
  it("[C36] is replaced: the new one takes its place in the step that removes it", async () => {
    await using cluster = await startCluster(3);
    await cluster.leader();
    const client = startPatientClient({
      hubs: () => cluster.hubs.filter(({ isRunning }) => isRunning),
      token: cluster.token,
    });
    await until("some writes", () => client.acked.size > 50);
    const dead = await cluster.leader();
    await dead.kill("SIGKILL");
    const asked = await until("a hub that serves", async () => {
      const living = cluster.hubs.find(({ isRunning }) => isRunning);
      const reply = await living?.api("GET", "/api/cluster");
      return reply?.body.leader === null || reply?.status !== 200 ? undefined : living;
    });
    const early = await asked.api("POST", "/api/cluster/remove", { hubs: [dead.id] });
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining("two")]);
    const fresh = await cluster.addHub("hub-4");
    const body = { id: fresh.id, address: fresh.peerAddress };
    const added = await asked.api("POST", "/api/cluster/hubs", body);
    await fresh.start({ GANTRY_CLUSTER_CODE: added.body.code });
    const removed = await until("the new one to have caught up", async () => {
      const reply = await asked.api("POST", "/api/cluster/remove", { hubs: [dead.id] });
      return reply.status === 200 ? reply : undefined;
    });
    const left = cluster.hubs.filter((hub) => hub !== dead);
    expect(removed.body).toEqual({ voters: left.map(({ id }) => id).toSorted(), learners: [] });
    const before = client.acked.size;
    await until("writes by the new three", () => client.acked.size > before + 30);
    await client.stop();
    expect(client.failed).toEqual([]);
    for (const hub of left) expect(await lostAt(hub, client.acked)).toEqual([]);
  }, 90_000);
});

interface Hub {
  readonly id: string;
  readonly reachable: boolean;
  readonly lag?: number;
  readonly damage?: string;
}

/** Flips bytes in the middle of what the newest segment of the hub's log holds. */
async function damageLog(hub: ClusterHub): Promise<void> {
  const folder = join(hub.dataDir, "log", "segments");
  const found: { path: string; bytes: Buffer; number: number }[] = [];
  for (const name of (await readdir(folder)).toSorted()) {
    const [path, number] = [join(folder, name), Number.parseInt(name, 10)];
    const bytes = await readFile(path);
    if (decodeHead(bytes, number) !== undefined) found.push({ path, bytes, number });
  }
  const { path, bytes, number } = present(found.at(-1), "a segment");
  const salt = present(decodeHead(bytes, number), "its head").salt;
  let end = HEAD_BYTES;
  for (;;) {
    const look = lookForRecord(bytes, end, salt);
    if (look.kind !== "record") break;
    end += look.record.size;
  }
  const at = Math.floor(end / 2);
  const turned = bytes.subarray(at, at + 64).map((byte) => byte ^ 0xff);
  await using file = await open(path, "r+");
  await file.write(turned, 0, turned.length, at);
}

describe("a hub with a damaged log", () => {
  it("comes back without a vote, catches up, and counts again", async () => {
    await using cluster = await startCluster(3);
    const client = startPatientClient({ hubs: () => cluster.hubs, token: cluster.token });
    await until("some writes", () => client.acked.size > 200);
    const [broken] = await cluster.followers();
    if (broken === undefined) throw new Error("there are two followers");
    await broken.kill("SIGKILL");
    await damageLog(broken);
    await broken.start();
    await until("the damage to be said", () => broken.output().includes("the log is damaged"));
    const before = client.acked.size;
    await until("writes meanwhile", () => client.acked.size > before + 50);
    await until(
      "the damage to be healed",
      async () => {
        const { body } = await broken.api("GET", "/api/cluster");
        if (body.leader === null || body.hubs === undefined) return false;
        const found = body.hubs.find(({ id }: Hub) => id === broken.id);
        return found?.reachable === true && found.damage === undefined && found.lag < 50;
      },
      40_000,
    );
    // It votes again: with one of the others gone, it is needed.
    const others = cluster.hubs.filter((hub) => hub !== broken);
    await others[0]?.kill("SIGKILL");
    const after = client.acked.size;
    await until("writes with its vote", () => client.acked.size > after + 50, 30_000);
    await client.stop();
    expect(client.failed).toEqual([]);
    expect(await lostAt(broken, client.acked)).toEqual([]);
  }, 120_000);
});
