// Writes a flag every 20 ms through the typed client until it is told to stop (SIGTERM), reads all of
// them back, and prints one line of JSON: how many, how many failed, the longest time without an answer.
//
//   node tests/ops/machines/writer.ts https://10.77.0.11:8080,https://10.77.0.12:8080,...
//
// GANTRY_TOKEN is the owner's. Writes begin by the clock, also while earlier ones wait for an answer, so
// that a pause is seen by every write that falls into it.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { makeClient } from "@gantry/shared/client/client.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";

const EVERY_MS = 20;
const KEYS = 1_000; // each again after 20 s: no earlier write of it is still on its way

const [baseUrl = "", ...others] = (process.argv[2] ?? "").split(",");
const token = process.env["GANTRY_TOKEN"];
const client = makeClient({ baseUrl, others, token, clock: systemClock, random: Math.random });

const acked = new Map<string, number>();
const failed: string[] = [];
const open = new Set<Promise<void>>();
let [count, slowestMs, longestGapMs, lastAckAt] = [0, 0, 0, performance.now()];

async function write(number: number): Promise<void> {
  const startedAt = performance.now();
  const key = `machines-${number % KEYS}`;
  try {
    await client.flagSet({ key, body: { value: number } });
    const now = performance.now();
    acked.set(key, Math.max(number, acked.get(key) ?? 0));
    slowestMs = Math.max(slowestMs, now - startedAt);
    longestGapMs = Math.max(longestGapMs, now - lastAckAt);
    lastAckAt = now;
  } catch (error) {
    failed.push(toErrorRecord(error).code);
  }
}

const timer = setInterval(() => {
  const one = write(count);
  count += 1;
  open.add(one);
  void one.finally(() => open.delete(one));
}, EVERY_MS);

await new Promise((told) => process.once("SIGTERM", told));
clearInterval(timer);
await Promise.all(open);
let lost = 0;
for (const [key, number] of acked) {
  const { value } = await client.flag({ key });
  if (typeof value !== "number" || value < number) lost += 1;
}
const [slowest, longestGap] = [Math.round(slowestMs), Math.round(longestGapMs)];
process.stdout.write(
  `${JSON.stringify({ count, failed, lost, slowestMs: slowest, longestGapMs: longestGap })}\n`,
);
