// The Broker port over mqtt.js: a client of a broker that runs elsewhere, e.g. Mosquitto.
//
// BX1. After each connect the command topics are subscribed again and the handler is told, because
//      the broker may have been started with an empty store.
// BX2. A QoS 1 command is acknowledged to the broker after its effect is on record.
// BX3. The broker decides who may publish; it does not tell us who did. Commands prove themselves by
//      the `token` in them, and reading is protected by the broker's own access list.

import mqtt, { type IPublishPacket, type MqttClient } from "mqtt";
import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { RECONNECT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { TOPICS } from "@gantry/shared/contract/topics.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { Broker, OpenBroker, Publication } from "../mqtt/broker.ts";

const PUBLISH_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const KEEPALIVE_S = 20;

export interface ExternalBrokerOptions {
  /** mqtt:// or mqtts://, with credentials if the broker wants them. */
  readonly url: string;
  /** Differs between hubs, or they throw each other out. */
  readonly clientId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Never waits for the broker: it may come up later, and go and come back. Throws bad_config. */
export function externalBroker(options: ExternalBrokerOptions): OpenBroker {
  const { url, clientId, clock, random, log } = options;
  return async (handler, signal) => {
    const address = withoutCredentials(url);
    const client = mqtt.connect(url, {
      clientId,
      will: { ...handler.will, payload: Buffer.from(handler.will.payload) },
      clean: true,
      resubscribe: false,
      reconnectPeriod: 0, // our own backoff, below
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepalive: KEEPALIVE_S,
    });
    const scope = makeScope((task, error) => log.error({ task, err: error }, "mqtt link failed"));
    const alive = AbortSignal.any([scope.signal, signal]);
    let failures = 0;
    let link = new AbortController(); // of this connection: what waits on it ends with it

    client.handleMessage = (packet: IPublishPacket, done) => {
      const payload =
        typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
      void acknowledgeAfter(handler.received({ topic: packet.topic, payload }), done); // BX2
    };
    client.on("connect", () => {
      failures = 0;
      link = new AbortController();
      log.info({ address }, "mqtt broker connected");
      client.subscribe([TOPICS.deviceCommand("+"), TOPICS.autonomyCommand], { qos: 1 }, (error) => {
        if (error) log.warn({ address, reason: error.message }, "mqtt subscription refused");
      });
      handler.connected(); // BX1
    });
    client.on("error", (error) => log.debug({ address, reason: error.message }, "mqtt link error"));
    client.on("close", () => {
      link.abort(new GantryError("unreachable", "The MQTT broker was lost"));
      if (alive.aborted) return;
      failures += 1;
      if (failures === 1) log.warn({ address }, "mqtt broker lost; it is redialled");
      scope.start("redial", async () => {
        await clock.sleep(backoffMs(RECONNECT, failures, random), alive);
        client.reconnect();
      });
    });

    const broker: Broker = {
      address,
      publish: (publication) =>
        publish(client, publication, clock.timeout(PUBLISH_TIMEOUT_MS, link.signal)),
      recheck: () => Promise.resolve(), // BX3: nobody is connected to us
      async close() {
        await scope.close();
        await new Promise<void>(
          (resolve) => void client.end(!client.connected, {}, () => resolve()),
        );
      },
    };
    return broker;
  };
}

async function acknowledgeAfter(work: Promise<void>, done: () => void): Promise<void> {
  await work;
  done();
}

function publish(
  client: MqttClient,
  { topic, payload, retain, qos }: Publication,
  deadline: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!client.connected) {
      reject(new GantryError("unreachable", "The MQTT broker is not connected"));
      return;
    }
    const onAbort = (): void => reject(reasonOf(deadline));
    deadline.addEventListener("abort", onAbort, { once: true });
    client.publish(topic, payload, { retain, qos }, (cause) => {
      deadline.removeEventListener("abort", onAbort);
      if (cause) reject(new GantryError("unreachable", "The MQTT broker was lost", { cause }));
      else resolve();
    });
  });
}

function withoutCredentials(url: string): string {
  try {
    const { protocol, host } = new URL(url);
    if (protocol !== "mqtt:" && protocol !== "mqtts:") throw new TypeError(protocol);
    return `${protocol}//${host}`;
  } catch (cause) {
    throw new GantryError("bad_config", "GANTRY_MQTT_URL must be mqtt://HOST or mqtts://HOST", {
      cause,
    });
  }
}
