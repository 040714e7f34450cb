// A majority is gone for ever: one hub goes on alone, and the old ones cannot come back into it.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";

/** `gantry-hub recover`, to its end. */
async function recover(...words: string[]): Promise<{ code: number | null; out: string }> {
  const node = join(ROOT, "node_modules", ".bin", "node");
  const program = join(ROOT, "hub/bin/hub.js");
  const child = spawn(node, [
    "--disable-warning=ExperimentalWarning",
    program,
    "recover",
    ...words,
  ]);
  let out = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => void (out += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { code, out };
}

describe("a cluster that has lost its majority", () => {
  it("goes on with one hub, from what it has; nobody of the old cluster is let in again", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    for (let turn = 0; turn < 20; turn += 1)
      expect((await leader.api("PUT", `/api/flags/kept.${turn}`, { value: turn })).status).toBe(
        200,
      );
    const [survivor, other] = await cluster.followers();
    if (survivor === undefined || other === undefined) throw new Error("there are two followers");
    await until("the survivor to have all", async () => {
      const reply = await survivor.api("GET", "/api/flags/kept.19?consistency=local");
      return reply.status === 200;
    });

    const running = await recover("--data-dir", survivor.dataDir, "--yes");
    expect(running.code).toBe(75);
    expect(running.out).toContain("is running: stop it first");

    for (const hub of cluster.hubs) await hub.kill("SIGKILL");
    const before = JSON.parse(await readFile(join(survivor.dataDir, "cluster.json"), "utf8"));
    const asked = await recover("--data-dir", survivor.dataDir);
    expect(asked.code).toBe(64);
    expect(asked.out).toMatch(/log +entry \d+ of term \d+/);
    expect(asked.out).toMatch(/committed +up to entry \d+/);
    expect(asked.out).toContain("Nothing was changed");
    expect(JSON.parse(await readFile(join(survivor.dataDir, "cluster.json"), "utf8"))).toEqual(
      before,
    );

    const done = await recover("--data-dir", survivor.dataDir, "--yes");
    expect(done).toMatchObject({ code: 0 });
    expect(existsSync(join(survivor.dataDir, "before-recover-1", "log"))).toBe(true);
    await survivor.start();
    await until("the survivor to lead", async () => {
      const { body } = await survivor.api("GET", "/readyz");
      return body.parts?.log?.note === "leads";
    });
    const group = (await survivor.api("GET", "/api/cluster")).body;
    expect(group).toMatchObject({ leader: survivor.id, voters: [survivor.id], learners: [] });
    expect(group.clusterId).not.toBe(before.clusterId);
    for (let turn = 0; turn < 20; turn += 1)
      expect((await survivor.api("GET", `/api/flags/kept.${turn}`)).body.value).toBe(turn);
    expect((await survivor.api("PUT", "/api/flags/after", { value: 1 })).status).toBe(200);

    // The old ones come back, find their majority, and are no part of it.
    await leader.start();
    await other.start();
    const old = await until("the old hubs to find a leader", async () => {
      const { body } = await leader.api("GET", "/api/cluster");
      return body.leader === null ? undefined : body;
    });
    expect(old.clusterId).toBe(before.clusterId);
    expect((await leader.api("GET", "/api/flags/after")).status).toBe(404);
    expect((await survivor.api("GET", "/api/cluster")).body).toMatchObject({
      leader: survivor.id,
      voters: [survivor.id],
    });

    // A new hub reads the log from its beginning, the change of the recovery among it.
    const fresh = await cluster.addHub("hub-9");
    const added = await survivor.api("POST", "/api/cluster/hubs", {
      id: fresh.id,
      address: fresh.peerAddress,
    });
    await fresh.start({ GANTRY_CLUSTER_CODE: added.body.code });
    await until("the new hub to have all", async () => {
      const reply = await fresh.api("GET", "/api/flags/after?consistency=local");
      return reply.status === 200;
    });
    expect((await survivor.api("GET", "/api/cluster")).body).toMatchObject({
      voters: [survivor.id],
      learners: [fresh.id],
    });
  }, 120_000);
});
