// `gantry doctor --cluster`: do the running hubs hold the same? Also while they are written to, and
// when one of them was changed behind its back.

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLevelStore } from "../../hub/adapters/level-store.ts";
import { stateOf } from "../../hub/doctor/state.ts";
import type { ClusterExam } from "@gantry/shared/contract/schemas/cluster.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { gantry } from "../support/gantry.ts";
import { startPatientClient } from "../support/patient-client.ts";
import { until } from "../support/appliance.ts";

async function examine(
  cluster: TestCluster,
): Promise<{ readonly code: number | null; readonly exam: ClusterExam }> {
  const host = cluster.hubs.map(({ url }) => url).join(",");
  const env = { GANTRY_HTTP_HOST: host, GANTRY_TOKEN: cluster.token };
  const { code, out, err } = await gantry(["doctor", "--cluster", "--json"], env);
  expect(err).toBe("");
  return { code, exam: JSON.parse(out) as ClusterExam };
}

describe("the doctor of a running cluster", { timeout: 180_000 }, () => {
  it("[M76] finds equal hubs equal, at rest and under load, and the hash is the stored one", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    const client = startPatientClient({ hubs: () => cluster.hubs, token: cluster.token });
    await until("some writes", () => client.acked.size > 300);
    const busy = await examine(cluster);
    const count = client.acked.size;
    await until("more writes", () => client.acked.size > count);
    await client.stop();
    const quiet = await examine(cluster);
    for (const { code, exam } of [busy, quiet]) {
      expect([code, exam.isSame, exam.faults]).toEqual([0, true, []]);
      expect(new Set(exam.hubs.map(({ sha256 }) => sha256)).size).toBe(1);
      expect(exam.hubs.map(({ hub }) => hub)).toEqual(["hub-1", "hub-2", "hub-3"]);
    }
    expect(quiet.exam.index).toBeGreaterThan(busy.exam.index ?? 0);
    await leader.kill("SIGTERM");
    const stored = await stateOf(leader.dataDir, quiet.exam.index ?? 0);
    expect(stored.sha256).toBe(quiet.exam.hubs[0]?.sha256);
  });

  it("[M76] names the hub whose store was changed, and says when one does not answer", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    await leader.api("PUT", "/api/flags/a", { value: 1 });
    const [victim, other] = await cluster.followers();
    if (victim === undefined || other === undefined) throw new Error("there are no followers");
    await victim.kill("SIGTERM");
    expect((await examine(cluster)).code).toBe(69);

    const store = await openLevelStore(join(victim.dataDir, "ledger"), { createIfMissing: false });
    const key = "hot/flag/a";
    const row = JSON.parse(new TextDecoder().decode(store.getSync(key))) as object;
    const value = new TextEncoder().encode(JSON.stringify({ ...row, value: 2 }));
    await store.batch([{ type: "put", key, value }], { sync: true });
    await store.close();
    await victim.start();
    await cluster.leader();
    await until("the hub to be level", async () => {
      const { body } = await victim.api("GET", "/api/flags/a?consistency=local");
      return body.value === 2;
    });
    const { code, exam } = await examine(cluster);
    expect([code, exam.isSame, exam.faults.length]).toEqual([74, false, 1]);
    expect(exam.faults[0]).toMatch(new RegExp(`^${victim.id} holds`, "u"));
  });
});
