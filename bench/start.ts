// How long the hub takes from its spawn to /readyz 200, without models: with an empty data folder, and
// with one of some thousand commands, left in order (SIGTERM) and not (SIGKILL, so the log replays).
// And what hub and agent weigh when nobody asks for anything.
//
// RSS counts the pages of Node's binary and libraries too (RssFile), which hub, agent and bridge share:
// `Pss` divides them by their users, `RssAnon` leaves them out.
// Not measured: the first start after an update, which compiles; a cold disk; a large console.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { type Appliance, startAppliance } from "../tests/support/appliance.ts";
import { makeHttpClient } from "./http-client.ts";
import { type Figure, figureOf, manyTimes, pause, rounded } from "./measure.ts";

const STARTS = 7;
const QUESTIONS = 2_000; // two commands each
const POLL_MS = 2;
const IDLE_MS = 10_000;
const START_GOAL = { goal: { atMost: 1_000 } } as const;

export async function measureStart(): Promise<readonly Figure[]> {
  await fillCompileCache();
  const empty: number[] = [];
  for (let round = 0; round < STARTS; round += 1) {
    await using appliance = await startAppliance({ parts: [], env: { GANTRY_LOG_LEVEL: "warn" } });
    empty.push(await startMs(appliance));
  }

  await using appliance = await startAppliance({ parts: [], env: { GANTRY_LOG_LEVEL: "warn" } });
  await startMs(appliance);
  await fill(appliance);
  const inOrder = await restarts(appliance, "SIGTERM");
  await fill(appliance);
  const killed = await restarts(appliance, "SIGKILL");

  return [
    figureOf("hub ready, empty data folder", "ms", empty, START_GOAL),
    figureOf("hub ready, 4,000 commands, ended in order", "ms", inOrder, START_GOAL),
    figureOf("hub ready, 8,000 commands, killed", "ms", killed, START_GOAL),
    ...(await weights()),
  ];
}

/** A killed process writes its cache only some seconds after its start, one that ends, at its end. */
async function fillCompileCache(): Promise<void> {
  await using appliance = await startAppliance({ parts: ["hub", "agent"] });
  await appliance.kill("agent", "SIGTERM");
  await appliance.kill("hub", "SIGTERM");
}

async function restarts(appliance: Appliance, signal: NodeJS.Signals): Promise<readonly number[]> {
  return manyTimes(STARTS, 1, async () => {
    await appliance.kill("hub", signal);
    return startMs(appliance);
  });
}

/** From the spawn to the first 200 of /readyz, asked every 2 ms. */
async function startMs(appliance: Appliance): Promise<number> {
  const fromMs = performance.now();
  const started = appliance.start("hub");
  const tookMs = untilReady(appliance.url).then(() => performance.now() - fromMs);
  await started; // fails with the hub's output if it ended
  return tookMs;
}

async function untilReady(url: string): Promise<void> {
  for (;;) {
    const reply = await fetch(`${url}/readyz`).catch(() => undefined);
    await reply?.body?.cancel();
    if (reply?.status === 200) return;
    await pause(POLL_MS);
  }
}

async function fill({ url, token }: Appliance): Promise<void> {
  using client = makeHttpClient(url, token, 16);
  await manyTimes(QUESTIONS, 16, () => client.json("/api/query", { prompt: "status" }));
}

async function weights(): Promise<readonly Figure[]> {
  await using whole = await startAppliance({ parts: ["hub"] });
  await using plain = await startAppliance({ parts: ["hub"], env: { GANTRY_MQTT_PORT: "off" } });
  await whole.start("agent");
  const bare = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"], { stdio: "ignore" });
  await pause(IDLE_MS);
  const bareMb = rounded(residentMb(bare.pid ?? 0));
  bare.kill();
  return [
    weightOf("idle hub, embedded MQTT broker", whole.pid("hub"), 120, bareMb),
    weightOf("idle hub, MQTT off", plain.pid("hub"), 120, bareMb),
    weightOf("idle agent, no models", whole.pid("agent"), 80, bareMb),
  ];
}

function weightOf(name: string, pid: number, goalMb: number, bareMb: number): Figure {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const note = ["RssAnon", "RssFile"].map((field) => `${field} ${Math.round(mbOf(status, field))}`);
  note.push(`Pss ${Math.round(mbOf(rollup, "Pss"))} MB`);
  return figureOf(`${name}, resident`, "MB", [residentMb(pid)], {
    goal: { atMost: goalMb },
    floor: { name: "bare Node", value: bareMb },
    note: note.join(", "),
  });
}

const residentMb = (pid: number): number =>
  mbOf(readFileSync(`/proc/${pid}/status`, "utf8"), "VmRSS");

const mbOf = (text: string, field: string): number =>
  (Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) * 1_024) / 1e6;
