// A backup is worth what comes back from it: taken from three hubs under load, restored, examined,
// started, and compared.

import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readBackup } from "@gantry/shared/adapters/backup-file.ts";
import { POSITION_GAP } from "../../hub/backup/restore.ts";
import { stateOf } from "../../hub/doctor/state.ts";
import { startAppliance } from "../support/appliance.ts";
import { type ClusterHub, startCluster } from "../support/cluster.ts";
import { gantry } from "../support/gantry.ts";
import { partGcode } from "../support/part.ts";
import { submit, untilIdle } from "./steps.ts";

const PATIENCE = { timeout: 180_000 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gantry-backup-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Load {
  readonly acked: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** Sets flags through all hubs, one writer for each, and remembers what was acknowledged. */
function writeThrough(hubs: readonly ClusterHub[]): Load {
  const acked = new Map<string, number>();
  const stopped = new AbortController();
  const writers = hubs.map(async (hub) => {
    for (let turn = 0; !stopped.signal.aborted; turn += 1) {
      const key = `${hub.id}-${turn}`;
      const { status } = await hub.api("PUT", `/api/flags/${key}`, { value: turn });
      if (status === 200) acked.set(key, turn);
    }
  });
  return {
    acked,
    async stop() {
      stopped.abort();
      await Promise.all(writers);
    },
  };
}

async function untilAcked(load: Load, count: number): Promise<void> {
  while (load.acked.size < count) await new Promise((resolve) => setImmediate(resolve));
}

describe("backup and restore", PATIENCE, () => {
  it("[M38] of three hubs under load: what was acknowledged before is in it, and nothing else changed", async () => {
    await using cluster = await startCluster(3);
    const [follower] = await cluster.followers();
    if (follower === undefined) throw new Error("there is no follower");
    const env = { GANTRY_HTTP_HOST: follower.url, GANTRY_TOKEN: cluster.token };
    const file = join(folder, "a.tar");
    const load = writeThrough(cluster.hubs);
    await untilAcked(load, 200);
    const before = new Map(load.acked);
    const saved = await gantry(["backup", file, "--json"], env);
    const during = load.acked.size - before.size;
    await load.stop();
    expect([saved.code, saved.err]).toEqual([0, ""]);
    expect(during).toBeGreaterThan(0); // it did not stop the writers

    const { manifest } = await readBackup(file);
    expect(manifest).toMatchObject({ hub: follower.id, voters: ["hub-1", "hub-2", "hub-3"] });
    expect(await gantry(["backup", "--check", file], {})).toMatchObject({ code: 0 });
    await expectNoSecrets(file, cluster.hubs, cluster.token);

    await follower.kill("SIGTERM");
    await using fresh = await startCluster(0);
    const hub = await fresh.addHub("hub-9");
    const restored = await gantry(["restore", file, "--data-dir", hub.dataDir], {
      GANTRY_HUB_ID: "hub-9",
    });
    expect([restored.code, restored.err]).toEqual([0, ""]);
    const { sha256 } = await stateOf(hub.dataDir);
    expect(sha256).toBe((await stateOf(follower.dataDir, manifest.index)).sha256);
    const doctor = await gantry(["doctor", hub.dataDir], {});
    expect([doctor.code, doctor.out.split("\n").at(-2)]).toEqual([0, "All is well."]);

    await hub.start();
    await fresh.leader();
    const { body } = await hub.api("GET", "/api/flags");
    const found = new Map(
      body.flags.map(({ key, value }: { key: string; value: number }) => [key, value]),
    );
    for (const [key, value] of before) expect([key, found.get(key)]).toEqual([key, value]);
    const { body: flag } = await hub.api("PUT", "/api/flags/after", { value: 1 });
    expect(flag.revision).toBeGreaterThan(POSITION_GAP); // RS3
    const { body: view } = await hub.api("GET", "/api/cluster");
    expect(view.clusterId).not.toBe(manifest.clusterId); // RS2
    await hub.kill("SIGTERM");
    expect((await gantry(["doctor", hub.dataDir], {})).code).toBe(0);
  });

  it("[M38] brings the files of prints, and refuses a folder that is in use and a file that is not whole", async () => {
    await using a = await startAppliance();
    await untilIdle(a);
    const { job } = await submit(a, "kept.gcode", partGcode());
    const env = { GANTRY_HTTP_HOST: a.url, GANTRY_TOKEN: a.token };
    const saved = await gantry(["backup", `${folder}/`, "--keep", "1", "--json"], env);
    expect([saved.code, saved.err]).toEqual([0, ""]);
    const { path, files } = JSON.parse(saved.out) as { path: string; files: number };
    expect(files).toBe(1);

    const target = join(folder, "data");
    const restored = await gantry(["restore", path, "--data-dir", target, "--json"], {});
    expect([restored.code, restored.err]).toEqual([0, ""]);
    const doctor = await gantry(["doctor", target, "--json"], {});
    const { checks } = JSON.parse(doctor.out) as { checks: { name: string; note: string }[] };
    expect(doctor.code).toBe(0);
    expect(checks.find(({ name }) => name === "references")?.note).toBe("1 files");
    expect(job).toMatch(/^prt_/);

    const again = await gantry(["restore", path, "--data-dir", target], {});
    expect(again.code).toBe(65);
    const bytes = await readFile(path);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    const bad = join(folder, "bad.tar");
    await writeFile(bad, bytes);
    const other = join(folder, "other");
    expect((await gantry(["backup", "--check", bad], {})).code).toBe(74);
    expect((await gantry(["restore", bad, "--data-dir", other], {})).code).toBe(74);
    const format = await readFile(join(other, "format.json"), "utf8");
    expect(format).toContain("restoring"); // RS1: no hub starts on it

    const viewer = await a.api("POST", "/api/tokens", { person: "eve", role: "viewer" });
    const refused = await gantry(["backup", join(folder, "eve.tar")], {
      ...env,
      GANTRY_TOKEN: viewer.body.token,
    });
    expect(refused.code).toBe(77);
    expect(await stat(join(folder, "eve.tar")).catch(() => "none")).toBe("none");
    expect(await stat(join(folder, "eve.tar.part")).catch(() => "none")).toBe("none");
  });
});

/** BK2. */
async function expectNoSecrets(
  file: string,
  hubs: readonly ClusterHub[],
  token: string,
): Promise<void> {
  const bytes = await readFile(file);
  expect(bytes.includes(token)).toBe(false);
  for (const { dataDir } of hubs) {
    for (const name of ["peer.json", "link.json"]) {
      const { secretKey } = JSON.parse(await readFile(join(dataDir, "keys", name), "utf8")) as {
        secretKey: string;
      };
      expect(bytes.includes(secretKey)).toBe(false);
    }
  }
}
