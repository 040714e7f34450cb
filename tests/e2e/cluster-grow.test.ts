// Hubs are added and removed while clients write.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeClusterCode } from "@gantry/shared/contract/cluster-code.ts";
import { encodeZ85 } from "@gantry/shared/contract/z85.ts";
import { describe, expect, it } from "vitest";
import { until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";
import { lostAt, startPatientClient } from "../support/patient-client.ts";

interface Group {
  readonly leader: string | null;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly isChanging: boolean;
}

const groupAt = async (hub: ClusterHub): Promise<Group> =>
  (await hub.api("GET", "/api/cluster")).body;

/** Waits until these vote and nobody else belongs to the cluster. */
const untilVoters = (hub: ClusterHub, voters: readonly string[]): Promise<Group> =>
  until(
    `voters ${voters.join(", ")}`,
    async () => {
      const group = await groupAt(hub);
      const isThere = String(group.voters?.toSorted()) === String(voters.toSorted());
      return isThere && !group.isChanging && group.learners.length === 0 ? group : undefined;
    },
    40_000,
  );

async function addHub(cluster: TestCluster, by: ClusterHub, id: string): Promise<ClusterHub> {
  const hub = await cluster.addHub(id);
  const added = await by.api("POST", "/api/cluster/hubs", { id, address: hub.peerAddress });
  expect(added).toMatchObject({ status: 201, body: { id } });
  await hub.start({ GANTRY_CLUSTER_CODE: added.body.code });
  return hub;
}

describe("a cluster that grows and shrinks", () => {
  it("[C36][M76] goes 1 -> 3 -> 5 -> 3 -> 1 online: no request fails, nothing is lost", async () => {
    await using cluster = await startCluster(1, { isAlone: true });
    const first = await cluster.leader();
    const serving = new Set([first]);
    const client = startPatientClient({ hubs: () => [...serving], token: cluster.token });
    await until("some writes", () => client.acked.size > 50);

    for (const pair of [
      ["hub-2", "hub-3"],
      ["hub-4", "hub-5"],
    ]) {
      for (const id of pair) serving.add(await addHub(cluster, first, id));
      await untilVoters(
        first,
        [...serving].map(({ id }) => id),
      );
    }
    const writtenByFive = client.acked.size;
    await until("writes through five hubs", () => client.acked.size > writtenByFive + 50);
    for (const hub of serving)
      expect([hub.id, await lostAt(hub, client.acked)]).toEqual([hub.id, []]);

    const leader = (await groupAt(first)).leader;
    const others = [...serving].map(({ id }) => id).filter((id) => id !== leader);
    const leaving = [String(leader), String(others[0])]; // the leader hands over first
    const asked = cluster.hub(String(others[1]));
    const shrunk = await asked.api("POST", "/api/cluster/remove", { hubs: leaving });
    expect(shrunk).toMatchObject({ status: 200, body: { voters: others.slice(1).toSorted() } });
    for (const id of leaving) {
      const hub = cluster.hub(id);
      await until(`${id} to know that it was removed`, async () => {
        const { status, body } = await hub.api("GET", "/api/flags");
        return status === 503 && body.code === "removed";
      });
      expect((await hub.api("GET", "/healthz")).status).toBe(200);
      serving.delete(hub);
    }

    const two = await asked.api("POST", "/api/cluster/remove", { hubs: [others[2]] });
    expect([two.status, two.body.code]).toEqual([409, "conflict"]);
    expect(two.body.detail).toContain("two are worse than one");

    const last = await asked.api("POST", "/api/cluster/remove", { hubs: others.slice(2) });
    expect(last.body).toMatchObject({ voters: [asked.id], learners: [] });
    for (const id of others.slice(2)) serving.delete(cluster.hub(id));
    const alone = client.acked.size;
    await until("writes at the last one", () => client.acked.size > alone + 50);
    await client.stop();
    expect(client.failed).toEqual([]);
    expect(await lostAt(asked, client.acked)).toEqual([]);
    const hubs = (await asked.api("GET", "/api/cluster")).body.hubs.map(({ id }: ClusterHub) => id);
    expect(hubs).toEqual([asked.id]);
    console.log(
      `writes ${client.acked.size}, repeated ${client.retries}, longest gap ${client.longestGapMs.toFixed(0)} ms`,
    );
  }, 180_000);
});

describe("a hub that was down when it was removed", () => {
  it("hears of it when it comes back, remembers it, and no secret of a code is on any disk", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    const [asked, gone] = await cluster.followers();
    if (asked === undefined || gone === undefined) throw new Error("there are two followers");
    await gone.kill("SIGKILL");
    const removed = await asked.api("POST", "/api/cluster/remove", { hubs: [gone.id, leader.id] });
    expect(removed).toMatchObject({ status: 200, body: { voters: [asked.id] } });
    const again = await asked.api("POST", "/api/cluster/remove", { hubs: [gone.id] });
    expect(again.status).toBe(200); // a repeat after a lost answer
    const unknown = await asked.api("POST", "/api/cluster/remove", { hubs: ["hub-77"] });
    expect(unknown.status).toBe(404);
    const last = await asked.api("POST", "/api/cluster/remove", { hubs: [asked.id] });
    expect(last.body.detail).toContain("The last hub that votes cannot be removed");

    for (const turn of ["the first time", "after another restart"]) {
      await gone.start();
      await until(`it to know, ${turn}`, async () => {
        const { status, body } = await gone.api("GET", "/api/flags");
        return status === 503 && body.code === "removed";
      });
      const { body } = await gone.api("GET", "/readyz");
      expect(body.parts.log).toMatchObject({ state: "degraded" });
      await gone.kill("SIGTERM");
    }

    // The same id comes back with an empty folder.
    const added = await asked.api("POST", "/api/cluster/hubs", {
      id: gone.id,
      address: gone.peerAddress,
    });
    expect(added.status).toBe(201);
    const { seed } = decodeClusterCode(added.body.code);
    await gone.start({
      GANTRY_CLUSTER_CODE: added.body.code,
      GANTRY_DATA_DIR: join(cluster.folder, "anew"),
    });
    await until("the hub to follow again", async () => {
      const { body } = await gone.api("GET", "/readyz");
      return body.parts?.log?.note === `follows ${asked.id}`;
    });
    const secrets = [added.body.code, Buffer.from(seed).toString("hex"), encodeZ85(seed)];
    for (const folder of [asked.dataDir, join(cluster.folder, "anew")]) {
      const kept = await readAll(folder);
      for (const secret of secrets) expect(kept.includes(secret)).toBe(false);
      expect(kept.includes(Buffer.from(seed))).toBe(false);
    }
  }, 90_000);
});

async function readAll(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Buffer.concat(
    await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))),
  );
}
