// Three hubs and a simulated provider: the leader dies while the provider thinks.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openSimulatedProvider } from "../../hub/ask/testing/simulated-provider.ts";
import { until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";

it("a leader that dies in a call: the asker gets an answer or is told to ask again, and each call counts once", async () => {
  const sim = await openSimulatedProvider();
  const folder = await mkdtemp(join(tmpdir(), "gantry-providers-"));
  const price = { inputUsdPerMillion: 2, outputUsdPerMillion: 10 };
  const provider = {
    name: "sim",
    api: "openai",
    baseUrl: `http://127.0.0.1:${sim.port}/v1`,
    keyFile: join(folder, "key"),
    models: [{ name: "big", contextTokens: 100_000, ...price }],
  };
  await writeFile(join(folder, "key"), "key-of-the-simulation");
  const file = join(folder, "providers.json");
  await writeFile(file, JSON.stringify({ providers: [provider] }));
  await using cluster = await startCluster(3, { env: { GANTRY_PROVIDERS: file } });
  const leader = await cluster.leader();
  const [asker] = await cluster.followers();
  if (asker === undefined) throw new Error("three hubs have two followers");
  const set = await asker.api("PUT", "/api/budgets/appliance", { perDayUsd: 1 });
  expect(set.status).toBe(200);

  sim.troubles.push({ kind: "hang" });
  const arrived = new Promise<void>((resolve) => {
    sim.onRequest = resolve;
  });
  const key = { "idempotency-key": "the-one-question" };
  // As every client of ours: what may be asked again is, with the same key.
  const asked = until(
    "an answer",
    async () => {
      const reply = await asker.api("POST", "/api/query", { prompt: "@sim: think" }, key);
      const isAgain = ["outcome_unknown", "no_leader", "starting"].includes(reply.body.code);
      return isAgain ? undefined : reply;
    },
    60_000,
  );
  await arrived;
  sim.onRequest = undefined;
  await leader.kill("SIGKILL");
  const { status, body } = await asked;
  expect([200, 503]).toContain(status);
  expect(status === 200 ? body.result.output : body.code).toMatch(/^\(simulated\)|^interrupted$/);

  const use = await until("the books to be closed", async () => {
    const reply = await asker.api("GET", "/api/budgets");
    if (reply.status !== 200 || reply.body.reserved.length > 0) return undefined;
    return reply.body.budgets[0].use[0] as {
      spentUsd: number;
      uncertainUsd: number;
      calls: number;
    };
  });
  expect(use.calls).toBe(sim.charges.length);
  const charges = sim.charges.map(
    ({ promptTokens, completionTokens }) => (promptTokens * 2 + completionTokens * 10) / 1e6,
  );
  const [, ...answered] = charges; // the first is the one of which nobody knows
  const reported = answered.reduce((sum, one) => sum + one, 0);
  expect(use.spentUsd - use.uncertainUsd).toBeCloseTo(reported, 9);
  expect(use.uncertainUsd).toBeGreaterThanOrEqual(charges[0] ?? 0);
  await sim.close();
  await rm(folder, { recursive: true });
}, 90_000);
