import { connect, type MqttClient } from "mqtt";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { TOPICS } from "@gantry/shared/contract/topics.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { embeddedBroker } from "../adapters/broker-embedded.ts";
import { externalBroker } from "../adapters/broker-external.ts";
import type { OpenBroker } from "./broker.ts";
import { type MqttDoor, startMqttDoor } from "./door.ts";
import { CONTEXT_BYTES_MAX } from "./payloads.ts";
import { device, type FakeDesk, makeFakeDesk, print, talk } from "./testing/fake-desk.ts";
import { happened, hasMosquitto, openClient, startMosquitto } from "./testing/mosquitto.ts";

const SOON = { timeout: 5_000, interval: 10 };

/** What a client received: the last payload per topic, and all topics in order. */
interface Inbox {
  readonly last: Map<string, string>;
  readonly topics: string[];
}

async function listen(client: MqttClient, ...filters: string[]): Promise<Inbox> {
  const inbox: Inbox = { last: new Map(), topics: [] };
  client.on("message", (topic, payload) => {
    inbox.last.set(topic, payload.toString());
    inbox.topics.push(topic);
  });
  await client.subscribeAsync(filters, { qos: 1 });
  return inbox;
}

const soon = (check: () => void): Promise<void> => vi.waitFor(check, SOON);

async function openDoor(desk: FakeDesk, openBroker: OpenBroker): Promise<MqttDoor> {
  const door = await startMqttDoor({
    openBroker,
    desk,
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
    signal: new AbortController().signal,
  });
  onTestFinished(() => door.close());
  return door;
}

const embedded = (): OpenBroker =>
  embeddedBroker({ host: "127.0.0.1", port: 0, log: silentLogger });

const external = (url: string): OpenBroker =>
  externalBroker({
    url,
    clientId: `gantry-${process.pid}-${Math.random()}`,
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
  });

/** A desk with three people, one printer at work and one conversation. */
function workshop(): FakeDesk {
  const desk = makeFakeDesk();
  desk.token("secret-viewer", "vera", "viewer");
  desk.token("secret-operator", "olga", "operator");
  desk.token("secret-maker", "max", "maker");
  desk.devices.set("sim", device("sim", { phase: "printing", job: "prt_1" }));
  desk.prints.set("prt_1", print("prt_1"));
  desk.conversations.set("cnv_v", talk("cnv_v", "vera", 2, "hello from vera"));
  desk.conversations.set("cnv_m", talk("cnv_m", "max", 2, "hello from max"));
  return desk;
}

describe.each([
  { name: "our own broker", isPresent: true, isOurs: true },
  { name: "Mosquitto", isPresent: hasMosquitto, isOurs: false },
])("the door with $name", ({ isPresent, isOurs }) => {
  async function open(): Promise<{ desk: FakeDesk; url: string }> {
    const desk = workshop();
    if (isOurs) return { desk, url: (await openDoor(desk, embedded())).address };
    const mosquitto = await startMosquitto();
    await openDoor(desk, external(mosquitto.url));
    return { desk, url: mosquitto.url };
  }

  it.skipIf(!isPresent)("[K33] a late subscriber gets the last context, retained", async () => {
    const { url } = await open();
    const inbox = await listen(await openClient(url, "secret-operator"), "gantry/#");
    await soon(() => {
      expect(JSON.parse(inbox.last.get("gantry/ctx/cnv_v") ?? "{}")).toMatchObject({
        conversation: "cnv_v",
        person: "vera",
        messages: 2,
        last: { text: "hello from vera" },
      });
      expect(JSON.parse(inbox.last.get("gantry/jobs/prt_1") ?? "{}").state).toBe("printing");
      expect(JSON.parse(inbox.last.get("gantry/autonomy/status") ?? "{}").acceptsWork).toBe(true);
    });
  });

  it.skipIf(!isPresent)("[K21] two subscribers see the same changes within a second", async () => {
    const { desk, url } = await open();
    const one = await listen(await openClient(url, "secret-operator"), "gantry/#");
    const two = await listen(await openClient(url, "secret-operator"), "gantry/#");
    await soon(() => expect(two.last.size).toBeGreaterThan(4));
    const startMs = performance.now();
    desk.conversations.set("cnv_v", talk("cnv_v", "vera", 3, "changed"));
    desk.devices.set("sim", device("sim", { phase: "paused", job: "prt_1" }));
    desk.prints.set("prt_1", print("prt_1", { state: "paused" }));
    desk.say("conversation.changed", "cnv_v", "vera");
    desk.say("device.changed", "sim");
    desk.say("print.changed", "prt_1");
    await soon(() => {
      for (const inbox of [one, two]) {
        expect(inbox.last.get("gantry/ctx/cnv_v")).toContain("changed");
        expect(inbox.last.get("gantry/devices/sim/state")).toContain("paused");
        expect(inbox.last.get("gantry/jobs/prt_1")).toContain("paused");
        expect(inbox.last.has("gantry/events/print/changed")).toBe(true);
      }
    });
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  it.skipIf(!isPresent)("[K31] messages cross both ways: telemetry out, a command in", async () => {
    const { desk, url } = await open();
    const client = await openClient(url, "secret-operator");
    const inbox = await listen(client, "gantry/devices/#");
    desk.devices.set("sim", device("sim", { progress: 0.5, job: "prt_1" }));
    desk.soft("sim");
    await soon(() => expect(inbox.last.get("gantry/devices/sim/state")).toContain("0.5"));
    const order = { id: "o-1", command: "cancel", ...(isOurs ? {} : { token: "secret-operator" }) };
    await client.publishAsync(TOPICS.deviceCommand("sim"), JSON.stringify(order), { qos: 1 });
    await soon(() => expect(desk.orders).toHaveLength(1));
    expect(desk.orders[0]?.route).toBe("printCancelled");
    expect(desk.orders[0]?.request.params).toEqual({ id: "prt_1" });
    expect(desk.orders[0]?.request.actor?.person).toBe("olga");
    expect(desk.orders[0]?.request.replay?.key).toContain("o-1");
  });

  it.skipIf(!isPresent)(
    "[K71] an autonomy command queues a job only with the right role",
    async () => {
      const { desk, url } = await open();
      const client = await openClient(url, "secret-operator");
      const inbox = await listen(client, "gantry/autonomy/#");
      const order = { id: "o-1", command: "backup", token: "secret-operator" };
      await client.publishAsync(TOPICS.autonomyCommand, JSON.stringify(order), { qos: 1 });
      await soon(() => expect(inbox.last.get("gantry/autonomy/rejected")).toContain("forbidden"));
      expect(desk.orders).toEqual([]);
      const maker = await openClient(url, "secret-maker");
      const allowed = JSON.stringify({ ...order, token: "secret-maker" });
      await maker.publishAsync(TOPICS.autonomyCommand, allowed, { qos: 1 });
      await soon(() => expect(desk.orders).toHaveLength(1));
      expect(desk.orders[0]?.request.body).toMatchObject({ kind: "command", command: "backup" });
      expect(desk.orders[0]?.request.actor?.person).toBe("max");
    },
  );

  it.skipIf(!isPresent)(
    "[K82] an update is as small after 1,000 messages as after 10",
    async () => {
      const { desk, url } = await open();
      const inbox = await listen(await openClient(url, "secret-operator"), "gantry/ctx/#");
      const sizes: number[] = [];
      for (const total of [10, 1_000]) {
        desk.conversations.set("cnv_v", talk("cnv_v", "vera", total, "x".repeat(20_000)));
        desk.say("conversation.changed", "cnv_v", "vera");
        await soon(() => {
          expect(JSON.parse(inbox.last.get("gantry/ctx/cnv_v") ?? "{}").messages).toBe(total);
        });
        sizes.push(Buffer.byteLength(inbox.last.get("gantry/ctx/cnv_v") ?? ""));
      }
      const [small = 0, large = 0] = sizes;
      expect(large - small).toBeLessThan(10);
      expect(large).toBeLessThan(CONTEXT_BYTES_MAX);
    },
  );

  it.skipIf(!isPresent)("an ended conversation or job leaves the broker", async () => {
    const { desk, url } = await open();
    const inbox = await listen(await openClient(url, "secret-operator"), "gantry/#");
    await soon(() => expect(inbox.last.has("gantry/jobs/prt_1")).toBe(true));
    const finishedAt = new Date(Date.now() - 7_200_000).toISOString();
    desk.prints.set("prt_1", print("prt_1", { state: "done", finishedAt }));
    desk.conversations.delete("cnv_v");
    desk.say("print.changed", "prt_1");
    desk.say("conversation.changed", "cnv_v", "vera");
    await soon(() => {
      expect(inbox.last.get("gantry/jobs/prt_1")).toBe("");
      expect(inbox.last.get("gantry/ctx/cnv_v")).toBe("");
    });
  });

  it.skipIf(!isPresent)("Home Assistant finds sensors and a stop button", async () => {
    const { desk, url } = await open();
    const client = await openClient(url, "secret-viewer");
    const inbox = await listen(client, "homeassistant/#");
    await soon(() => expect(inbox.last.size).toBe(5));
    const button = JSON.parse(
      inbox.last.get("homeassistant/button/gantry_sim/stop/config") ?? "{}",
    );
    const press = isOurs
      ? button.payload_press
      : JSON.stringify({ ...JSON.parse(button.payload_press), token: "secret-viewer" });
    await client.publishAsync(button.command_topic, press, { qos: 1 });
    await soon(() => expect(desk.orders[0]?.route).toBe("stop"));
    expect(desk.orders[0]?.request.body).toEqual({ printer: "sim" });
  });
});

describe("our own broker", () => {
  it("[K33] [K60] a restart with an empty store is filled again within 5 s", async () => {
    const desk = workshop();
    const first = await openDoor(desk, embedded());
    await first.close();
    const second = await openDoor(desk, embedded());
    const startMs = performance.now();
    const inbox = await listen(await openClient(second.address, "secret-operator"), "gantry/#");
    await soon(() => expect(inbox.last.get("gantry/ctx/cnv_m")).toContain("hello from max"));
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  it("lets nobody in without a token of the hub", async () => {
    const { address } = await openDoor(workshop(), embedded());
    for (const password of [undefined, "wrong"]) {
      const more = password === undefined ? {} : { password };
      const client = connect(address, { reconnectPeriod: 0, username: "any", ...more });
      onTestFinished(() => client.endAsync(true));
      const error = await happened(client, "error");
      expect(String(error)).toMatch(/not authorized/i);
    }
  });

  it("shows a viewer their own conversations and not those of others", async () => {
    const { address } = await openDoor(workshop(), embedded());
    const inbox = await listen(await openClient(address, "secret-viewer"), "gantry/#");
    await soon(() => expect(inbox.last.has("gantry/ctx/cnv_v")).toBe(true));
    await soon(() => expect(inbox.last.has("gantry/jobs/prt_1")).toBe(true));
    expect(inbox.topics).not.toContain("gantry/ctx/cnv_m");
  });

  it("refuses to subscribe outside its own topics, and stays connected", async () => {
    const { address } = await openDoor(workshop(), embedded());
    const client = await openClient(address, "secret-operator");
    const granted = await client.subscribeAsync(["gantry/#", "homeassistant/#"]);
    expect(granted.map(({ qos }) => qos)).toEqual([0, 0]);
    for (const filter of ["#", "$SYS/#", "+/+", "$gantry/#"]) {
      await expect(client.subscribeAsync(filter)).rejects.toThrow(/subscribe/i);
    }
    expect(client.connected).toBe(true);
  });

  it("[K31] acknowledges a denied publish once, drops it and says why", async () => {
    const desk = workshop();
    const { address } = await openDoor(desk, embedded());
    const client = await openClient(address, "secret-viewer");
    let connects = 0;
    client.on("connect", () => (connects += 1));
    const inbox = await listen(client, "gantry/#");
    const lie = { topic: "gantry/devices/sim/state", payload: '{"lie":true}' };
    await client.publishAsync(lie.topic, lie.payload, { qos: 1, retain: true });
    await soon(() => expect(inbox.last.get("gantry/devices/sim/rejected")).toContain("forbidden"));
    const order = JSON.stringify({ id: "o-1", command: "cancel" });
    await client.publishAsync(TOPICS.deviceCommand("sim"), order, { qos: 1 });
    await soon(() => expect(inbox.last.get("gantry/devices/sim/rejected")).toContain("operator"));
    expect([...inbox.last.values()].join()).not.toContain("lie");
    expect(desk.orders).toEqual([]);
    expect(connects).toBe(0);
  });

  it("acknowledges a command only after it is on record", async () => {
    const desk = workshop();
    const { promise, resolve } = Promise.withResolvers<void>();
    desk.gate = promise;
    const { address } = await openDoor(desk, embedded());
    const client = await openClient(address, "secret-operator");
    const order = JSON.stringify({ id: "o-1", command: "pause" });
    let ordersAtAck = -1;
    const acknowledged = client
      .publishAsync(TOPICS.deviceCommand("sim"), order, { qos: 1 })
      .then(() => (ordersAtAck = desk.orders.length));
    const ping = await openClient(address, "secret-operator"); // the broker itself is not held up
    await ping.subscribeAsync("gantry/#");
    expect(ordersAtAck).toBe(-1);
    resolve();
    await acknowledged;
    expect(ordersAtAck).toBe(1);
  });

  it.each([
    ["not JSON", "bad_json"],
    [JSON.stringify({ command: "cancel" }), "bad_request"],
    [JSON.stringify({ id: "1", command: "M112" }), "bad_request"],
    [JSON.stringify({ id: "1", command: "cancel", phrase: "print bracket" }), "bad_request"],
    [JSON.stringify({ command: "stop", id: "x".repeat(20_000) }), "too_large"],
  ])("refuses the command %.40s", async (payload, code) => {
    const desk = workshop();
    const { address } = await openDoor(desk, embedded());
    const client = await openClient(address, "secret-operator");
    const inbox = await listen(client, TOPICS.rejected("sim"));
    await client.publishAsync(TOPICS.deviceCommand("sim"), payload, { qos: 1 });
    await soon(() => expect(inbox.last.get(TOPICS.rejected("sim"))).toContain(code));
    expect(desk.orders).toEqual([]);
  });

  it("cuts off a client whose token was revoked", async () => {
    const desk = workshop();
    const { address } = await openDoor(desk, embedded());
    const client = await openClient(address, "secret-maker");
    const closed = happened(client, "close");
    desk.revoke("secret-maker");
    desk.say("token.changed", "tok-max", "max");
    await closed;
  });

  it("does not let another person take over a client id", async () => {
    const { address } = await openDoor(workshop(), embedded());
    const options = { clientId: "panel", reconnectPeriod: 0, username: "any" };
    const mine = connect(address, { ...options, password: "secret-maker" });
    onTestFinished(() => mine.endAsync(true));
    await happened(mine, "connect");
    const theirs = connect(address, { ...options, password: "secret-viewer" });
    onTestFinished(() => theirs.endAsync(true));
    await happened(theirs, "error");
    expect(mine.connected).toBe(true);
  });

  it("names the variable when the port is taken", async () => {
    const { address } = await openDoor(workshop(), embedded());
    const port = Number(new URL(address).port);
    const second = embeddedBroker({ host: "127.0.0.1", port, log: silentLogger });
    await expect(openDoor(workshop(), second)).rejects.toMatchObject({
      code: "port_busy",
      message: expect.stringContaining("GANTRY_MQTT_PORT"),
    });
  });
});

describe.skipIf(!hasMosquitto)("Mosquitto", () => {
  it("[K60] killed and started empty: all retained topics are back within 5 s", async () => {
    const mosquitto = await startMosquitto();
    const desk = workshop();
    await openDoor(desk, external(mosquitto.url));
    const before = await listen(await openClient(mosquitto.url), "gantry/#", "homeassistant/#");
    await soon(() => expect(before.last.size).toBe(10));
    await mosquitto.kill();
    await mosquitto.start();
    const startMs = performance.now();
    const after = await listen(await openClient(mosquitto.url), "gantry/#", "homeassistant/#");
    await soon(() => expect(after.last).toEqual(before.last));
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  it("[K40] while it is down the door stays up, and what changed arrives afterwards", async () => {
    const mosquitto = await startMosquitto();
    const desk = workshop();
    await openDoor(desk, external(mosquitto.url));
    const first = await listen(await openClient(mosquitto.url), "gantry/#");
    await soon(() => expect(first.last.has("gantry/jobs/prt_1")).toBe(true));
    await mosquitto.kill();
    desk.prints.set("prt_1", print("prt_1", { state: "done" }));
    desk.say("print.changed", "prt_1");
    await mosquitto.start();
    const late = await listen(await openClient(mosquitto.url), "gantry/#");
    await soon(() => expect(late.last.get("gantry/jobs/prt_1")).toContain('"done"'));
  });

  it("refuses a command without a valid token", async () => {
    const mosquitto = await startMosquitto();
    const desk = workshop();
    await openDoor(desk, external(mosquitto.url));
    const client = await openClient(mosquitto.url);
    const inbox = await listen(client, "gantry/#");
    await soon(() => expect(inbox.last.size).toBeGreaterThan(0));
    const order = JSON.stringify({ id: "o-1", command: "cancel", token: "stolen" });
    await client.publishAsync(TOPICS.deviceCommand("sim"), order, { qos: 1 });
    await soon(() => expect(inbox.last.get(TOPICS.rejected("sim"))).toContain("unauthenticated"));
    expect(desk.orders).toEqual([]);
  });
});
