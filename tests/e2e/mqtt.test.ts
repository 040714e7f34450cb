// MQTT beside the rest: what it keeps comes back after a killed hub, and nothing dangerous needs it.

import { connectAsync, type MqttClient } from "mqtt";
import { describe, expect, it } from "vitest";
import { type Appliance, until } from "../support/appliance.ts";
import {
  confirm,
  markedPart,
  PATIENCE_MS,
  startFast,
  startsOf,
  submit,
  untilEnded,
  untilIdle,
} from "./steps.ts";

describe("MQTT and the appliance", { timeout: 2 * PATIENCE_MS }, () => {
  it("[K60] retained topics are back after a kill -9 of the hub and its broker", async () => {
    await using a = await startFast();
    await untilIdle(a);
    const { job, confirmation } = await submit(a, "retained", markedPart("retained"));
    await confirm(a, confirmation);
    await untilEnded(a, job);
    await a.api("POST", "/api/query", { prompt: "status", conversationId: "kept" });
    const wanted = [
      "gantry/devices/sim/state",
      `gantry/jobs/${job}`,
      "gantry/ctx/kept",
      "gantry/autonomy/status",
    ];
    const before = await retained(a, wanted);
    expect(JSON.parse(before.get(`gantry/jobs/${job}`) ?? "{}")).toMatchObject({ state: "done" });

    await a.kill("hub", "SIGKILL"); // its broker keeps nothing on disk
    await a.start("hub");
    await untilIdle(a);
    const after = await retained(a, wanted);
    expect(JSON.parse(after.get(`gantry/jobs/${job}`) ?? "{}")).toMatchObject({ state: "done" });
  });

  it("[K40] a confirmation works with the MQTT door off, and with a broker that is not there", async () => {
    for (const env of [{ GANTRY_MQTT_PORT: "off" }, { GANTRY_MQTT_URL: "mqtt://127.0.0.1:1" }]) {
      await using a = await startFast({ env });
      await untilIdle(a);
      const { job, confirmation } = await submit(a, "alone", markedPart("alone"));
      expect((await confirm(a, confirmation)).status).toBe(200);
      expect(await untilEnded(a, job)).toMatchObject({ state: "done", startedCount: 1 });
      expect(startsOf(a, "alone")).toBe(1);
    }
  });
});

/** The retained payloads of these topics, as a fresh client gets them. */
async function retained(a: Appliance, topics: readonly string[]): Promise<Map<string, string>> {
  const payloads = new Map<string, string>();
  const client: MqttClient = await connectAsync(`mqtt://127.0.0.1:${a.mqttPort}`, {
    username: "test",
    password: a.token,
    reconnectPeriod: 0,
  });
  try {
    client.on("message", (topic, payload, { retain }) => {
      if (retain) payloads.set(topic, payload.toString());
    });
    // A topic that is published while we look is not retained for us: we ask anew.
    await until(
      `retained ${topics.filter((topic) => !payloads.has(topic)).join(", ")}`,
      async () => {
        await client.unsubscribeAsync("gantry/#");
        await client.subscribeAsync("gantry/#", { qos: 1 });
        return topics.every((topic) => payloads.has(topic));
      },
      PATIENCE_MS,
    );
    return payloads;
  } finally {
    await client.endAsync(true);
  }
}
