// Outputs on real processes: a relay behind a real broker (mosquitto) and a plug behind HTTP, both played by
// this test and named as simulated. Switched at once, with the reasons where they may not be.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { hearTopic, sayToTopic } from "../../node-agent/adapters/mqtt-topic.ts";
import { freePort, startAppliance, until } from "../support/appliance.ts";
import { confirm, PATIENCE_MS } from "./steps.ts";

it(
  "[K29] a switch changes at once which tools may be used, and what is missing is explained",
  { timeout: 3 * PATIENCE_MS },
  async () => {
    const dir = await mkdtemp(join(tmpdir(), "out-"));
    const port = await freePort();
    await writeFile(join(dir, "m.conf"), `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
    const broker = spawn("mosquitto", ["-c", join(dir, "m.conf")], { stdio: "ignore" });
    const place = { host: "127.0.0.1", port };
    const { signal } = new AbortController();
    const stop = new AbortController();
    await until("the broker", () => answers(port), PATIENCE_MS);
    await sayToTopic(place, "stat/simulated-fan/POWER", "OFF", signal);
    const relay = playRelay(place, stop.signal);
    let isPlugOn = false;
    const plug = createServer((request, reply) => {
      if (request.url?.includes("turn=") === true) isPlugOn = request.url.endsWith("turn=on");
      reply.end(JSON.stringify({ device: "simulated", ison: isPlugOn }));
    });
    await new Promise<void>((resolve) => plug.listen(0, "127.0.0.1", resolve));
    const base = `http://127.0.0.1:${(plug.address() as AddressInfo).port}/relay/0`;
    const list = join(dir, "commands.json");
    await writeFile(
      list,
      JSON.stringify({
        extractor: {
          description: "The fan over the laser",
          hazard: "none",
          output: {
            mqtt: {
              ...place,
              topic: "cmnd/simulated-fan/POWER",
              stateTopic: "stat/simulated-fan/POWER",
            },
          },
        },
        laser: {
          description: "Power of the laser",
          hazard: "medium",
          needs: ["extractor"],
          output: {
            http: {
              on: `${base}?turn=on`,
              off: `${base}?turn=off`,
              state: { url: base, on: '"ison":true' },
            },
          },
        },
        "test-cut": {
          program: "/usr/bin/true",
          hazard: "none",
          effect: "idempotent",
          needs: ["extractor"],
        },
      }),
    );
    const a = await startAppliance({ env: { GANTRY_COMMANDS: list } });
    const exec = (command: string, args: object) => a.api("POST", "/api/exec", { command, args });
    try {
      await until(
        "the machine",
        async () => {
          const { status } = await exec("test-cut", {});
          return status !== 403;
        },
        PATIENCE_MS,
      );
      const refused = await exec("test-cut", {});
      expect(refused).toMatchObject({ status: 409, body: { code: "conflict" } });
      expect(JSON.stringify(refused.body)).toContain("extractor must be on before test-cut");

      expect((await exec("extractor", { on: true })).body).toMatchObject({ state: "done" });
      expect(await hearTopic(place, "stat/simulated-fan/POWER", signal)).toBe("ON");
      expect((await exec("test-cut", {})).body).toMatchObject({ state: "done" }); // at once, nothing was restarted

      const asked = await exec("laser", { on: true });
      expect(asked.body).toMatchObject({ state: "awaiting" }); // its hazard class asks for a word
      expect(isPlugOn).toBe(false);
      const { confirmations } = (await a.api("GET", "/api/confirmations")).body;
      expect((await confirm(a, confirmations[0])).status).toBe(200);
      await until("the laser's power", () => isPlugOn, PATIENCE_MS);
      const early = await exec("extractor", { on: false });
      expect(early.status).toBe(409);
      expect(JSON.stringify(early.body)).toContain("laser is on and needs it");
      isPlugOn = false; // by its own button
      expect((await exec("extractor", { on: false })).body).toMatchObject({ state: "done" });
      expect((await exec("test-cut", {})).status).toBe(409);
    } finally {
      stop.abort();
      await relay;
      await a[Symbol.asyncDispose]();
      plug.closeAllConnections();
      plug.close();
      await end(broker);
      await rm(dir, { recursive: true, force: true });
    }
  },
);

/** Does what its topic says, and says on another, retained, how it is. Asks: a subscription is one visit. */
async function playRelay(
  place: { host: string; port: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const wanted = await hearTopic(place, "cmnd/simulated-fan/POWER", signal).catch(
      () => undefined,
    );
    if (wanted !== undefined) await retain(place, "stat/simulated-fan/POWER", wanted);
  }
}

function retain(
  { host, port }: { host: string; port: number },
  topic: string,
  words: string,
): Promise<void> {
  const args = ["-h", host, "-p", String(port), "-r", "-t", topic, "-m", words];
  const child = spawn("mosquitto_pub", args, { stdio: "ignore" });
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
