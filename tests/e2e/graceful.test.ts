// SIGTERM under load: what was acknowledged is kept, what was not is refused, and the hub goes in time.

import { expect, it } from "vitest";
import { startAppliance } from "../support/appliance.ts";

it("[S5][M58] keeps every acknowledged change over a stop in the middle of load", async () => {
  await using appliance = await startAppliance({ parts: ["hub"] });
  const acknowledged: string[] = [];
  const stopping = new AbortController();

  async function write(writer: number): Promise<void> {
    for (let count = 0; !stopping.signal.aborted; count += 1) {
      const key = `w${writer}.${count}`;
      const reply = await appliance
        .api("PUT", `/api/flags/${key}`, { value: count })
        .catch(() => undefined);
      if (reply?.status === 200) acknowledged.push(key);
      else if (reply === undefined || reply.status === 503) return; // stopping, or gone
    }
  }

  const writers = Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
  while (acknowledged.length < 200) await new Promise((resolve) => setImmediate(resolve));
  const code = await appliance.kill("hub", "SIGTERM");
  stopping.abort();
  await writers;
  expect(code).toBe(0);

  await appliance.start("hub");
  const { body } = await appliance.api("GET", "/api/flags");
  const kept = new Set(body.flags.map((flag: { key: string }) => flag.key));
  expect(acknowledged.filter((key) => !kept.has(key))).toEqual([]);
}, 60_000);

it("[K81] answers while it starts: alive at once, not ready, then ready, never hanging", async () => {
  await using appliance = await startAppliance({ parts: [] });
  const seen: number[] = [];
  const started = appliance.start("hub");
  const poll = async (): Promise<void> => {
    while (!seen.includes(200)) {
      const reply = await fetch(`${appliance.url}/readyz`, {
        signal: AbortSignal.timeout(2_000),
      }).catch(() => undefined);
      if (reply !== undefined) seen.push(reply.status);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await Promise.all([started, poll()]);
  expect(new Set(seen)).toSatisfy((codes: Set<number>) =>
    [...codes].every((code) => code === 200 || code === 503),
  );
  const { body } = await appliance.api("GET", "/readyz");
  expect(Object.keys(body.parts)).toEqual(
    expect.arrayContaining(["ledger", "log", "http", "mqtt", "agents"]),
  );
}, 60_000);
