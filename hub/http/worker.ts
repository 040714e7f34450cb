// The worker thread of the HTTP door: its composition root. It gets a desk port and a configuration,
// listens, and says so; told to stop, it lets requests end and goes.

import { flushCompileCache } from "node:module";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { gatherLines, makeLogger } from "@gantry/shared/adapters/pino.ts";
import { present } from "@gantry/shared/base/assert.ts";
import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { openBlobFiles } from "../adapters/blob-files.ts";
import { connectDesk } from "../door/connect-desk.ts";
import { makeApp } from "./app.ts";
import type { DoorConfig } from "./door.ts";
import { type HttpServer, listen, type ListenOptions } from "./server.ts";

/** `workerData` of this worker. `deskPort` is in its transfer list too. */
export interface HttpWorkerData {
  readonly deskPort: MessagePort;
  readonly door: DoorConfig;
  readonly listen: ListenOptions;
  readonly blobsDir: string;
  readonly logLevel: string;
}

/** What the worker says to its parent. After `failed` and `stopped` it ends by itself. */
export type HttpWorkerMessage =
  | { readonly type: "listening"; readonly host: string; readonly port: number }
  | { readonly type: "failed"; readonly error: ErrorRecord }
  | { readonly type: "stopped" };

/** The one thing its parent says. */
export interface HttpWorkerOrder {
  readonly type: "stop";
}

const parent = present(parentPort, "the parent of the HTTP worker");
const say = (message: HttpWorkerMessage): void => parent.postMessage(message);

const data = workerData as HttpWorkerData; // its parent makes it with this type
const log = makeLogger(data.logLevel, { part: "http" }, gatherLines());
const scope = makeScope((task, error) => log.error({ task, err: error }, "task failed"));

async function start(): Promise<HttpServer> {
  const { app } = makeApp({
    desk: connectDesk(data.deskPort),
    blobs: await openBlobFiles(data.blobsDir),
    config: data.door,
    clock: systemClock,
    random: Math.random,
    log,
    scope,
  });
  return listen(app, data.listen, systemClock);
}

/** Lets go of everything that keeps this thread alive, after the last word. */
async function leave(last: HttpWorkerMessage): Promise<void> {
  await scope.close();
  data.deskPort.close();
  say(last);
  parent.close();
}

try {
  const server = await start();
  parent.once("message", () => {
    void server.close(() => scope.close()).then(() => leave({ type: "stopped" }));
  });
  log.info({ host: server.host, port: server.port }, "listening");
  say({ type: "listening", host: server.host, port: server.port });
  flushCompileCache();
} catch (error) {
  if (!(error instanceof GantryError)) log.error({ err: error }, "the door did not start");
  await leave({ type: "failed", error: toErrorRecord(error) });
}
