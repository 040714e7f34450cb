// A real Mosquitto (Debian package) on a free port of the loopback, with nothing kept on disk.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { connect, type MqttClient } from "mqtt";
import { onTestFinished } from "vitest";

const PROGRAM = "/usr/sbin/mosquitto";
export const hasMosquitto = existsSync(PROGRAM);

export interface Mosquitto {
  readonly url: string;
  /** SIGKILL: whatever it held in memory is gone. */
  kill(): Promise<void>;
  /** On the same port, empty. */
  start(): Promise<void>;
}

export async function startMosquitto(): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-mosquitto-"));
  const port = await freePort();
  const config = join(folder, "mosquitto.conf");
  await writeFile(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
  const url = `mqtt://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;

  const mosquitto: Mosquitto = {
    url,
    async kill() {
      if (child === undefined) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      child = undefined;
    },
    async start() {
      child = spawn(PROGRAM, ["-c", config], { stdio: "ignore" });
      const probe = await openClient(url);
      await probe.endAsync();
    },
  };
  onTestFinished(async () => {
    await mosquitto.kill();
    await rm(folder, { recursive: true });
  });
  await mosquitto.start();
  return mosquitto;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return address.port;
}

/** Connects, redialling every 50 ms until the broker is there. Closed with the test. */
export async function openClient(url: string, token?: string): Promise<MqttClient> {
  const credentials = token === undefined ? {} : { username: "any", password: token };
  const client = connect(url, { reconnectPeriod: 50, ...credentials });
  client.on("error", () => {}); // a refused dial is tried again
  onTestFinished(async () => {
    await client.endAsync(true);
  });
  await happened(client, "connect");
  return client;
}

/** Resolves with the event's first argument. */
export const happened = (
  client: MqttClient,
  event: "connect" | "close" | "error",
): Promise<unknown> => new Promise((resolve) => client.once(event, resolve));
