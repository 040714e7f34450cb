// A whole appliance with a simulated provider: the route in the header, money over kill -9, the key
// nowhere.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  openSimulatedProvider,
  type SimulatedProvider,
} from "../../hub/ask/testing/simulated-provider.ts";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";

const KEY = "canary-cloud-key-8e1f2c";
let sim: SimulatedProvider;
let gantry: Appliance;
let folder: string;

beforeAll(async () => {
  sim = await openSimulatedProvider();
  sim.keys = new Set([KEY]);
  folder = await mkdtemp(join(tmpdir(), "gantry-providers-"));
  const keyFile = join(folder, "key");
  await writeFile(keyFile, `${KEY}\n`);
  const model = { contextTokens: 100_000, inputUsdPerMillion: 2, outputUsdPerMillion: 10 };
  const file = {
    defaultClass: "local-only",
    providers: [
      {
        name: "sim",
        api: "openai",
        baseUrl: `http://127.0.0.1:${sim.port}/v1`,
        keyFile,
        models: [{ name: "big", ...model }],
      },
    ],
  };
  const path = join(folder, "providers.json");
  await writeFile(path, JSON.stringify(file));
  gantry = await startAppliance({ parts: ["hub"], env: { GANTRY_PROVIDERS: path } });
}, 60_000);
afterAll(async () => {
  await gantry[Symbol.asyncDispose]();
  await sim.close();
  await rm(folder, { recursive: true });
});

const appliance = async () => {
  const { body } = await gantry.api("GET", "/api/budgets");
  const row = (body.budgets as { id: string; use: Use[] }[]).find(({ id }) => id === "appliance");
  return { ...(row?.use[0] as Use), reserved: body.reserved as unknown[] };
};
interface Use {
  readonly spentUsd: number;
  readonly uncertainUsd: number;
  readonly reservedUsd: number;
  readonly calls: number;
}
const charged = (): number =>
  sim.charges.reduce((sum, one) => sum + one.promptTokens * 2 + one.completionTokens * 10, 0) / 1e6;

it("asks a provider by name once a budget is set, and says why in the header", async () => {
  const refused = await gantry.api("POST", "/api/query", { prompt: "@sim: hello" });
  expect(refused).toMatchObject({ status: 429, body: { code: "budget_spent" } });
  const set = await gantry.api("PUT", "/api/budgets/appliance", { perDayUsd: 1 });
  expect(set).toMatchObject({ status: 200, body: { perDayUsd: 1 } });
  const response = await fetch(`${gantry.url}/api/query`, {
    method: "POST",
    headers: { authorization: `Bearer ${gantry.token}`, "content-type": "application/json" },
    body: JSON.stringify({ prompt: "@sim: hello, mail ada@example.org", verbosity: 2 }),
  });
  const reply = (await response.json()) as { result: unknown; routing: { route: unknown[] } };
  expect(reply.result).toEqual({
    output: "(simulated) you said: hello, mail ada@example.org",
    verbosity: 2,
  });
  expect(response.headers.get("x-gantry-route")).toMatch(/^tier=frontier; model=big; cached=false/);
  expect(response.headers.get("x-gantry-route")).toContain("cloud taken");
  expect(reply.routing.route.at(-1)).toMatchObject({ tier: "cloud", outcome: "taken" });
  expect(reply.routing.route.length).toBeGreaterThan(4);
  expect(sim.bodies.join("")).not.toContain("ada@example.org");
  expect(await appliance()).toMatchObject({ reservedUsd: 0, uncertainUsd: 0, calls: 1 });
  expect((await appliance()).spentUsd).toBeCloseTo(charged(), 9);
});

it("[D18] translates by a provider as by any model, with the text as a text", async () => {
  sim.answer = (text) => `<${text}>`;
  const { status, body } = await gantry.api("POST", "/api/translate", {
    text: "stop all printers",
    to: "German",
    provider: "sim",
  });
  expect({ status, text: body.text }).toEqual({
    status: 200,
    text: "(simulated) <stop all printers>",
  });
  const { messages } = JSON.parse(sim.bodies.at(-1) ?? "") as { messages: { role: string }[] };
  expect(messages.map(({ role }) => role)).toEqual(["system", "user"]);
});

it("counts the worst case of a call that a kill -9 cut off, once, and never asks again by itself", async () => {
  const before = await appliance();
  sim.troubles.push({ kind: "hang" });
  const arrived = new Promise<void>((resolve) => {
    sim.onRequest = resolve;
  });
  const lost = gantry.api("POST", "/api/query", { prompt: "@sim: think long" });
  lost.catch(() => {}); // the hub dies under it
  await arrived;
  sim.onRequest = undefined;
  await gantry.kill("hub", "SIGKILL");
  const asked = sim.bodies.length;
  await gantry.start("hub");
  const after = await until("the price to be settled", async () => {
    const now = await appliance();
    return now.reserved.length === 0 && now.calls > before.calls ? now : undefined;
  });
  expect(after.calls).toBe(before.calls + 1);
  expect(after.uncertainUsd).toBeGreaterThan(0);
  expect(after.spentUsd).toBeGreaterThanOrEqual(charged());
  expect(after.spentUsd).toBeLessThanOrEqual(1);
  expect(sim.bodies).toHaveLength(asked);
});

it("keeps the key out of everything that is written or said", async () => {
  sim.keys = new Set(["another"]);
  const refused = await gantry.api("POST", "/api/query", { prompt: "@sim: again" });
  expect(refused.body).toMatchObject({ code: "provider_off" });
  const files = await readdir(gantry.dataDir, { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    files
      .filter((file) => file.isFile())
      .map((file) => readFile(join(file.parentPath, file.name), "latin1")),
  );
  const everything = [...texts, gantry.output("hub"), JSON.stringify(refused.body)].join("\n");
  expect(everything).not.toContain(KEY);
  expect(everything).toContain("provider_off");
});
