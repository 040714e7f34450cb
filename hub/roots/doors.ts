// Opens the doors: HTTP, and MQTT by our own broker or another one. Each is a worker thread.
//
// DO1. A broker that other hubs speak to as well hears the leader alone: orders would be done, and
//      events told, once for each hub.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { HubConfig } from "@gantry/shared/contract/config.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { DataDir } from "../adapters/data-dir.ts";
import { type DoorWorker, startDoor } from "../door/workers.ts";
import type { HealthBoard } from "../health.ts";
import type { Desk } from "../ports.ts";

const CONSOLE_DIR = join(import.meta.dirname, "..", "console", "dist");
/** Our own broker has no bound on what comes before a login: never on a network. */
const BROKER_HOST = "127.0.0.1";
const HTTP = new URL("../http/worker.ts", import.meta.url);
const MQTT = new URL("../mqtt/worker.ts", import.meta.url);

export interface DoorParts {
  readonly config: HubConfig;
  readonly paths: DataDir;
  readonly version: string;
  readonly desk: Desk;
  readonly board: HealthBoard;
  readonly scope: Scope;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Doors {
  /** Of every hub; the first is HTTP. They open while the log is read. */
  readonly opening: readonly Promise<DoorWorker>[];
  /** What a leader does besides (DO1). */
  speakMqtt(signal: AbortSignal): Promise<void>;
}

export function openDoors(parts: DoorParts): Doors {
  const { config, paths, version, desk, board, scope, clock, log } = parts;
  const start = (name: string, entry: URL, data: Record<string, unknown>): Promise<DoorWorker> =>
    startDoor({
      name,
      entry,
      data: { ...data, logLevel: config.logLevel },
      desk,
      scope,
      clock,
      log,
    });
  const http = (): Promise<DoorWorker> => start("http", HTTP, httpData(config, paths, version));
  const opening = [board.starting("http", http)];

  const { mqttUrl: url, hubId } = config;
  const port = Number(config.mqttPort);
  if (url !== undefined) {
    board.watch("mqtt", () => ({ state: "ready", note: "the leader speaks to the broker" }));
  } else if (Number.isInteger(port)) {
    const data = { hubId, broker: { host: BROKER_HOST, port } };
    opening.push(board.starting("mqtt", () => start("mqtt", MQTT, data)));
  } else {
    board.watch("mqtt", () => ({ state: "off" }));
  }

  return {
    opening,
    async speakMqtt(signal) {
      if (url === undefined) return;
      const door = await board.starting("mqtt", () =>
        start("mqtt", MQTT, { hubId, broker: { url } }),
      );
      await untilAborted(signal);
      await door.stop();
      board.watch("mqtt", () => ({ state: "ready", note: "the leader speaks to the broker" }));
    },
  };
}

function httpData(config: HubConfig, paths: DataDir, version: string): Record<string, unknown> {
  const { httpHost: host, httpPort: port, tlsCert, tlsKey } = config;
  const tls =
    tlsCert === undefined || tlsKey === undefined
      ? {}
      : { tls: { cert: readFileSync(tlsCert, "utf8"), key: readFileSync(tlsKey, "utf8") } };
  return {
    door: {
      names: config.httpNames.map((name) => name.toLowerCase()),
      isTls: "tls" in tls,
      consoleDir: CONSOLE_DIR,
      version,
    },
    listen: { host, port, ...tls },
    blobsDir: paths.blobs,
  };
}

const untilAborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", resolve, { once: true });
  });
