// npm start -- --demo: the main job from end to end on this machine, with nothing of the user's
// touched: free ports, a temporary folder, a simulated printer. Throws at the first thing that is not
// as it should be.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { demoPart } from "../demo-part.ts";
import { type Appliance, type ApplianceOptions, startAppliance, until } from "./appliance.ts";

const PRINTER = "sim";
/** 15 times faster than a real printer, heaters four times more: the print takes some 10 s. */
const SIMULATOR = `${PRINTER}=sim:?speed=15&heat=4&baud=0`;
const DEVICE_MS = 20_000;
const PRINT_MS = 60_000;
const LOOK_MS = 1_000;

export type Say = (text: string) => void;

/** Does the demo and leaves nothing behind. */
export async function runDemo(options: ApplianceOptions, say: Say): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "gantry-demo-"));
  try {
    say("Starting a hub, a node agent and a firmware bridge on free ports");
    const env = await demoEnvironment(options.env, dataDir);
    const appliance = await startAppliance({ ...options, env });
    try {
      await showMainJob(appliance, options, say);
    } finally {
      say("Stopping");
      await appliance.stop();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** What the user set for a real start must not leak in: only models and the log level stay. */
async function demoEnvironment(
  outer: NodeJS.ProcessEnv,
  dataDir: string,
): Promise<NodeJS.ProcessEnv> {
  const kept = /^GANTRY_(LLM_|EMBED_|HF_|LOG_LEVEL)/;
  const inherited = Object.entries(outer).filter(
    ([name]) => !name.startsWith("GANTRY_") || kept.test(name),
  );
  const [http, mqtt, agents, peers] = await freePorts(4);
  return {
    ...Object.fromEntries(inherited),
    GANTRY_DATA_DIR: dataDir,
    GANTRY_HTTP_PORT: String(http),
    GANTRY_MQTT_PORT: String(mqtt),
    GANTRY_AGENT_BIND: `tcp://127.0.0.1:${agents}`,
    GANTRY_HUBS: `tcp://127.0.0.1:${agents}`,
    GANTRY_PEER_BIND: `tcp://127.0.0.1:${peers}`,
    GANTRY_PRINTERS: SIMULATOR,
  };
}

/** Held together until all are known, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => void server.close(resolve))));
  return ports;
}

async function showMainJob(
  { client, url }: Appliance,
  { clock, env, signal }: ApplianceOptions,
  say: Say,
): Promise<void> {
  say(`The hub is ready at ${url}`);
  await until(
    async () => (await client.devices()).devices.some(({ id, online }) => id === PRINTER && online),
    "The simulated printer did not come up",
    clock,
    clock.timeout(DEVICE_MS, signal),
  );
  say(`The printer "${PRINTER}" is online`);

  await ask("status", client, say);
  if (env["GANTRY_LLM_MODELS"])
    await ask("Why is the sky blue? Answer in one sentence.", client, say);

  const gcode = demoPart({ centerMm: 50, layers: 10, nozzleC: 205, bedC: 60 });
  say(`Ordering a print: a 20 mm calibration tile, ${gcode.length} bytes of G-code`);
  const name = "calibration tile";
  const order = await client.printSubmitted({ body: { printer: PRINTER, name, gcode } });
  const { confirmation, job } = order;
  assertThat(confirmation !== undefined, "a hot print must ask for a confirmation, and did not");
  assertThat(job.state === "awaiting", `the job waits for a word, and is ${job.state}`);
  say(`The hub asks first: ${confirmation.summary}`);
  for (const hazard of confirmation.hazards) say(`    hazard: ${hazard}`);
  say(`Giving the phrase: "${confirmation.phrase}"`);
  await client.confirm({ id: confirmation.id, body: { phrase: confirmation.phrase } });

  await followPrint(client, job.id, clock, clock.timeout(PRINT_MS, signal), say);
  const record = await client.print({ id: job.id });
  assertThat(record.startedCount === 1, `startedCount is ${record.startedCount}, not 1`);
  say(`On record: ${record.name}, ${record.state}, startedCount ${record.startedCount}`);
}

async function ask(prompt: string, client: Appliance["client"], say: Say): Promise<void> {
  say(`Asking: ${prompt}`);
  const reply = await client.query({ body: { prompt } });
  assertThat(reply.result.output.trim() !== "", "the answer is empty");
  for (const line of reply.result.output.trim().split("\n")) say(`    ${line}`);
  say(
    `    (${reply.routing.tier}, ${reply.routing.model}, ${reply.routing.latencyMs.toFixed(0)} ms)`,
  );
}

async function followPrint(
  client: Appliance["client"],
  job: string,
  clock: Clock,
  deadline: AbortSignal,
  say: Say,
): Promise<void> {
  for (;;) {
    const [{ state, error }, device] = await Promise.all([
      client.print({ id: job }),
      client.device({ id: PRINTER }),
    ]);
    const percent = `${((device.progress ?? 0) * 100).toFixed(0)} %`.padStart(5);
    const heat = device.temperatures;
    const warmth =
      heat === undefined
        ? ""
        : `nozzle ${heat.nozzleC.toFixed(0)} °C, bed ${heat.bedC.toFixed(0)} °C`;
    say(`    ${state.padEnd(9)} ${state === "done" ? "100 %" : percent}  ${warmth}`);
    if (state === "done") return;
    const isGoing = state === "ready" || state === "printing";
    assertThat(isGoing, `the print is ${state}: ${error?.message ?? "no reason given"}`);
    await clock.sleep(LOOK_MS, deadline);
  }
}

function assertThat(isTrue: boolean, why: string): asserts isTrue {
  if (!isTrue) throw new GantryError("internal", `The demo failed: ${why}`);
}
