// Canaries: every secret of a working appliance is known to the test, and looked for in everything
// that it writes, keeps or says.

import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Appliance } from "../support/appliance.ts";
import {
  ask,
  confirm,
  markedPart,
  PATIENCE_MS,
  startFast,
  submit,
  untilEnded,
  untilIdle,
} from "./steps.ts";

const OWNER = "canary-owner-8f1d4c2b7a9e6053d1c8b4f2";
const MQTT_PASSWORD = "canary-mqtt-51d0c9a7";
/** Where a secret may be: its own file, readable by its owner alone. */
const KEEPERS = ["token", "agent/identity.json", "keys/link.json"];

it(
  "[D14] no secret leaves its own file: not in logs, data, records, events, errors or metrics",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    await using a = await startFast({
      env: {
        GANTRY_TOKEN: OWNER,
        GANTRY_MQTT_URL: `mqtt://gantry:${MQTT_PASSWORD}@127.0.0.1:1`,
        GANTRY_LOG_LEVEL: "debug",
      },
    });
    await untilIdle(a);
    const made = (await a.api("POST", "/api/tokens", { person: "ada", role: "maker" })).body
      .token as string;
    const said = [...(await live(a, made)), await records(a)];

    const secrets = secretsOf(a, made);
    expect(secrets.length).toBeGreaterThanOrEqual(7);
    const places = new Map<string, Buffer>(
      said.map((text, index) => [`reply ${index}`, Buffer.from(text)]),
    );
    for (const part of ["hub", "agent", "bridge"] as const)
      places.set(`output of ${part}`, Buffer.from(a.output(part)));
    for (const file of filesOf(a)) places.set(file, readFileSync(join(a.dataDir, file)));
    expect(places.size).toBeGreaterThan(20);
    const leaks = [...places].flatMap(([place, bytes]) =>
      secrets.filter(({ value }) => bytes.includes(value)).map(({ name }) => `${name} in ${place}`),
    );
    expect(leaks).toEqual([]);
  },
);

it(
  "[D14] the files that hold secrets are readable by their owner alone",
  { timeout: PATIENCE_MS },
  async () => {
    await using a = await startFast({ env: { GANTRY_TOKEN: OWNER } });
    await untilIdle(a);
    const holders = KEEPERS.flatMap((file) => globSync(`**/${file}`, { cwd: a.dataDir }));
    expect(holders).toHaveLength(KEEPERS.length);
    const open = holders.filter((file) => (statSync(join(a.dataDir, file)).mode & 0o077) !== 0);
    expect(open).toEqual([]);
  },
);

/** A day of work with all that goes wrong in it; the bodies of every reply. */
async function live(a: Appliance, made: string): Promise<string[]> {
  const said: string[] = [];
  const keep = ({ body }: { body: unknown }): void => void said.push(JSON.stringify(body));
  const { job, confirmation } = await submit(a, "canary", markedPart("canary"));
  keep(await confirm(a, { ...confirmation, phrase: "wrong" }));
  keep(await confirm(a, confirmation));
  await untilEnded(a, job);
  keep(await ask(a, "status"));
  keep(await ask(a, "x", { provider: "openai" }));
  keep(await a.api("POST", "/api/query", '{"prompt": '));
  keep(await a.api("GET", "/api/none", undefined, { authorization: `Bearer ${OWNER}x` }));
  keep(await a.api("GET", "/api/me", undefined, { authorization: `Bearer ${made}` }));
  keep(await a.api("POST", "/api/exec", { command: "uptime", args: {} }));
  await a.kill("hub", "SIGKILL");
  await a.start("hub");
  await untilIdle(a);
  return said;
}

/** Everything that the hub tells about itself. */
async function records(a: Appliance): Promise<string> {
  const paths = [
    "/api/audit?limit=500",
    "/api/events?format=json",
    "/api/registry",
    "/api/limits",
    "/api/tokens",
    "/api/discover",
    "/api/openapi.json",
    "/api/conversations",
    "/api/fabrication/jobs",
    "/api/jobs",
    "/api/cluster",
    "/metrics",
    "/healthz",
    "/readyz",
  ];
  const replies = await Promise.all(paths.map((path) => a.api("GET", path)));
  return replies.map(({ body }) => JSON.stringify(body)).join("\n");
}

interface Secret {
  readonly name: string;
  readonly value: string;
}

function secretsOf(a: Appliance, made: string): Secret[] {
  const codes = a.joinCodes.map((value) => ({ name: "a join code", value }));
  const named = (file: string): Secret[] =>
    globSync(`**/${file}`, { cwd: a.dataDir }).flatMap((path) => {
      const fields = JSON.parse(readFileSync(join(a.dataDir, path), "utf8")) as Record<
        string,
        unknown
      >;
      return Object.entries(fields)
        .filter(([name, value]) => /secret/i.test(name) && typeof value === "string")
        .map(([name, value]) => ({ name: `${name} of ${file}`, value: String(value) }));
    });
  return [
    { name: "the owner's token", value: OWNER },
    { name: "a maker's token", value: made },
    { name: "the password of the broker", value: MQTT_PASSWORD },
    ...codes,
    ...named("identity.json"),
    ...named("link.json"),
  ];
}

const filesOf = (a: Appliance): string[] =>
  globSync("**/*", { cwd: a.dataDir }).filter(
    (file) =>
      !KEEPERS.some((keeper) => file.endsWith(keeper)) && statSync(join(a.dataDir, file)).isFile(),
  );
