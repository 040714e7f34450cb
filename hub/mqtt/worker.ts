// The worker thread of the MQTT door: its composition root. It gets a desk port and a configuration,
// opens the broker, and says so; told to stop, it goes.

import { flushCompileCache } from "node:module";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { makeLogger, registerSecret } from "@gantry/shared/adapters/pino.ts";
import { present } from "@gantry/shared/base/assert.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { embeddedBroker } from "../adapters/broker-embedded.ts";
import { externalBroker } from "../adapters/broker-external.ts";
import { connectDesk } from "../door/connect-desk.ts";
import type { DoorWorkerMessage } from "../door/workers.ts";
import { startMqttDoor } from "./door.ts";

export interface MqttWorkerData {
  readonly deskPort: MessagePort;
  /** Either our own broker here, or the address of another one. */
  readonly broker: { readonly host: string; readonly port: number } | { readonly url: string };
  /** Names this hub to a broker that others use too. */
  readonly hubId: string;
  readonly logLevel: string;
}

const parent = present(parentPort, "the parent of the MQTT worker");
const say = (message: DoorWorkerMessage): void => parent.postMessage(message);

async function start({ deskPort, broker, hubId, logLevel }: MqttWorkerData): Promise<void> {
  const log = makeLogger(logLevel, { part: "mqtt" });
  const scope = makeScope((task, error) => log.error({ task, err: error }, "task failed"));
  if ("url" in broker) registerSecret(new URL(broker.url).password);
  const random = Math.random;
  const openBroker =
    "url" in broker
      ? externalBroker({
          url: broker.url,
          clientId: `gantry-${hubId}`,
          clock: systemClock,
          random,
          log,
        })
      : embeddedBroker({ ...broker, log });
  const desk = connectDesk(deskPort);
  const door = await startMqttDoor({
    openBroker,
    desk,
    clock: systemClock,
    random,
    log,
    signal: scope.signal,
  });
  async function stop(): Promise<void> {
    await door.close();
    await scope.close();
    deskPort.close();
    say({ type: "stopped" });
    parent.close();
  }
  parent.once("message", () => void stop());
  log.info({ address: door.address }, "listening");
  say({ type: "listening", address: door.address });
  flushCompileCache();
}

try {
  await start(workerData as MqttWorkerData); // its parent makes it with this type
} catch (error) {
  say({ type: "failed", error: toErrorRecord(error) });
  (workerData as MqttWorkerData).deskPort.close();
  parent.close();
}
