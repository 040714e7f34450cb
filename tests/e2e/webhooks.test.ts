// Webhooks on real processes, with receivers that are slow, away or unwilling.

import { createHmac } from "node:crypto";
import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { startAppliance, until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";
import { type Received, startReceiver } from "../support/receiver.ts";

const env = { GANTRY_EGRESS_ALLOW: "127.0.0.1" };
interface Asked {
  api(method: string, path: string, body?: unknown): Promise<Reply>;
}
type Reply = { readonly status: number; readonly body: any }; // eslint-disable-line typescript/no-explicit-any

async function hook(at: Asked, url: string, types: readonly string[] = ["flag.changed"]) {
  const made = await at.api("POST", "/api/webhooks", { url, types });
  expect(made).toMatchObject({ status: 201 });
  return made.body as { id: string; secret: string };
}
const setFlag = (at: Asked, number: number): Promise<Reply> =>
  at.api("PUT", `/api/flags/f.${number}`, { value: number });
const subjects = (received: readonly Received[]): string[] =>
  received.map(({ body }) => (JSON.parse(body) as { subject: string }).subject);

test("[M22] [M50] signed over the exact bytes, counted, and the counts outlive kill -9; the secret is told once", async () => {
  await using app = await startAppliance({ parts: ["hub"], env });
  await using receiver = await startReceiver();
  const { id, secret } = await hook(app, receiver.url);
  await setFlag(app, 1);
  await app.api("PUT", "/api/flags/f.1", { value: "ä\u0000€" });
  await until("two deliveries", () => receiver.received.length === 2);
  for (const { headers, body } of receiver.received) {
    const stamp = String(headers["webhook-timestamp"]);
    expect(Math.abs(Date.now() / 1_000 - Number(stamp))).toBeLessThan(300);
    const mac = createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64"));
    mac.update(`${String(headers["webhook-id"])}.${stamp}.${body}`);
    expect(headers["webhook-signature"]).toBe(`v1,${mac.digest("base64")}`);
  }
  const counted = await until("the counts", async () => {
    const { body } = await app.api("GET", `/api/webhooks/${id}`);
    return body.delivery_count === 2 && body;
  });
  await app.kill("hub", "SIGKILL");
  await app.start("hub");
  expect((await app.api("GET", `/api/webhooks/${id}`)).body).toEqual(counted);
  const seen = await Promise.all(
    ["/api/webhooks", "/api/events?format=json", "/api/audit"].map((path) => app.api("GET", path)),
  );
  expect(JSON.stringify(seen)).not.toContain(secret.slice("whsec_".length));
  expect(app.output("hub")).not.toContain(secret.slice("whsec_".length));
});

test("[M23] an unwilling receiver is asked again after 1, 2 and 4 s, then it is a dead letter; a person redelivers it", async () => {
  await using app = await startAppliance({ parts: ["hub"], env });
  await using receiver = await startReceiver();
  const { id } = await hook(app, receiver.url);
  receiver.answer = (response) => void response.writeHead(500).end();
  await setFlag(app, 1);
  const dead = await until("a dead letter", async () => {
    const { body } = await app.api("GET", `/api/webhooks/${id}/dead`);
    return body.deadLetters[0];
  });
  expect(dead).toMatchObject({ attempts: 4, error: { code: "unreachable" }, type: "flag.changed" });
  const times = receiver.received.map(({ atMs }) => atMs);
  // Backoff takes away a tenth at most; a busy machine may only add.
  const waits = times.slice(1).map((time, place) => time - (times[place] ?? 0));
  expect(waits.map((wait, place) => wait >= 890 * 2 ** place)).toEqual([true, true, true]);
  expect(receiver.ids()).toEqual([dead.id]);
  expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);

  receiver.answer = (response) => void response.writeHead(200).end("thanks");
  const again = await app.api("POST", `/api/webhooks/${id}/redeliver`, { deliveries: [dead.id] });
  expect(again).toMatchObject({ status: 202, body: { count: 1 } });
  await until("the redelivery", async () => {
    const { body } = await app.api("GET", `/api/webhooks/${id}`);
    return body.dead === 0 && body.delivery_count === 1 && body.failure_count === 1;
  });
  expect(receiver.ids()).toEqual([dead.id]);
});

test("[M25] [M40] [A11] through kill -9 of the hub every event is delivered, each under one id and in order", async () => {
  await using app = await startAppliance({ parts: ["hub"], env });
  await using receiver = await startReceiver();
  await hook(app, receiver.url);
  let number = 0;
  for (let kills = 0; kills < 3; kills += 1) {
    const burst = Array.from({ length: 40 }, async (_, place) => setFlag(app, number + place));
    await Promise.all(burst);
    number += 40;
    await app.kill("hub", "SIGKILL"); // in the middle of the deliveries
    await app.start("hub");
  }
  await until("all of them", () => receiver.ids().length >= number);
  const told = new Map(
    receiver.received.map(({ headers, body }) => [String(headers["webhook-id"]), body] as const),
  );
  expect(told.size).toBe(number);
  for (const { headers, body } of receiver.received) {
    expect(body).toBe(told.get(String(headers["webhook-id"])));
  }
  const positions = receiver.ids().map((id) => Number(id.split(".")[1]));
  expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  const wanted = Array.from({ length: number }, (_, place) => `f.${place}`);
  expect(new Set(subjects(receiver.received))).toEqual(new Set(wanted));
});

test("who has no valid token any more is told nothing, and with a new one all that came meanwhile (WH5)", async () => {
  await using app = await startAppliance({ parts: ["hub"], env });
  await using mine = await startReceiver();
  await using theirs = await startReceiver();
  const person = { person: "bea", role: "operator" };
  const made = (await app.api("POST", "/api/tokens", person)).body as { id: string; token: string };
  const as = { authorization: `Bearer ${made.token}` };
  const types = ["flag.changed"];
  const hooked = await app.api("POST", "/api/webhooks", { url: theirs.url, types }, as);
  expect(hooked).toMatchObject({ status: 201 });
  await hook(app, mine.url);
  await setFlag(app, 1);
  await until("one event each", () => mine.received.length + theirs.received.length === 2);
  expect((await app.api("DELETE", `/api/tokens/${made.id}`)).status).toBeLessThan(300);
  await setFlag(app, 2);
  await setFlag(app, 3);
  await until("my events", () => mine.received.length === 3);
  expect(theirs.received).toHaveLength(1);
  await app.api("POST", "/api/tokens", person);
  await until("what came meanwhile", () => theirs.received.length === 3);
  expect(subjects(theirs.received)).toEqual(["f.1", "f.2", "f.3"]);
});

test("nothing is lost when the leader is killed, and the next one goes on from the cursor", async () => {
  await using receiver = await startReceiver();
  await using cluster = await startCluster(3, { env });
  let leader = await cluster.leader();
  const { id } = await hook(leader, receiver.url);
  for (let number = 0; number < 20; number += 1) await setFlag(leader, number);
  await leader.kill("SIGKILL");
  leader = await cluster.leader();
  for (let number = 20; number < 40; number += 1) await setFlag(leader, number);
  await until("all of them", () => new Set(subjects(receiver.received)).size === 40);
  const next = leader;
  await until("the counts", async () => {
    const { body } = await next.api("GET", `/api/webhooks/${id}`);
    return body.delivery_count >= 40 && body.failure_count === 0;
  });
  // What was posted and not yet told of may come twice; never under another id.
  expect(receiver.ids()).toHaveLength(40);
});

test("a receiver that never answers delays no other one, and prefixes and * choose events", async () => {
  await using app = await startAppliance({ parts: ["hub"], env });
  await using silent = await startReceiver();
  await using quick = await startReceiver();
  await using all = await startReceiver();
  silent.answer = () => {}; // holds the request until the test ends
  await hook(app, silent.url, ["*"]);
  await hook(app, quick.url, ["flag.*"]);
  await hook(app, all.url, ["*"]);
  for (let number = 0; number < 50; number += 1) await setFlag(app, number);
  await until("the quick one to have all", () => quick.ids().length === 50);
  expect(silent.received.length).toBeLessThanOrEqual(1);
  await app.api("POST", "/api/tokens", { person: "bob", role: "viewer" });
  await until("another event", () =>
    all.received.some(({ body }) => /"token\.changed"/.test(body)),
  );
  expect(quick.ids()).toHaveLength(50);
  // Of webhooks themselves nobody is told, or it would never end.
  expect(all.received.some(({ body }) => /"webhook\./.test(body))).toBe(false);
  const none = await app.api("POST", "/api/webhooks", { url: quick.url, types: ["nothing.such"] });
  expect(none).toMatchObject({ status: 400, body: { code: "bad_request" } });
});

test("more events than are kept in memory for a slow receiver: it gets them all, once and in order", async () => {
  await using app = await startAppliance({ parts: ["hub"], env });
  await using receiver = await startReceiver();
  const held: ServerResponse[] = [];
  receiver.answer = (response) => void held.push(response);
  await hook(app, receiver.url);
  const EVENTS = 1_200; // more than LIVE_MAX of hub/hands/webhooks.ts
  await setFlag(app, 0);
  await until("the first to be there", () => receiver.received.length === 1);
  for (let number = 1; number < EVENTS; number += 50) {
    await Promise.all(
      Array.from({ length: Math.min(50, EVENTS - number) }, (_, place) =>
        setFlag(app, number + place),
      ),
    );
  }
  receiver.answer = (response) => void response.writeHead(204).end();
  for (const response of held) response.writeHead(204).end();
  await until("all of them", () => receiver.ids().length >= EVENTS, 60_000);
  // A first try that was given up meanwhile is made again, under its own id.
  expect(receiver.ids()).toHaveLength(EVENTS);
  const positions = receiver.ids().map((id) => Number(id.split(".")[1]));
  expect(positions).toEqual(positions.toSorted((a, b) => a - b));
});

test("nothing is sent to where it may not: unlisted addresses, and listed ones that send it on", async () => {
  await using app = await startAppliance({ parts: ["hub"] });
  const refused = await Promise.all(
    [
      "http://127.0.0.1:9/",
      "http://169.254.169.254/latest/meta-data",
      "http://[::ffff:7f00:1]/",
      "http://0x7f.1/",
      "http://10.0.0.1/",
      "https://example.org/",
    ].map((url) => app.api("POST", "/api/webhooks", { url })),
  );
  expect(refused.map(({ status, body }) => [status, body.code])).toEqual(
    refused.map(() => [403, "egress_denied"]),
  );

  await using open = await startReceiver();
  await using inner = await startReceiver();
  await using listed = await startAppliance({
    parts: ["hub"],
    env: { GANTRY_EGRESS_ALLOW: new URL(open.url).host },
  });
  open.answer = (response) => void response.writeHead(307, { location: inner.url }).end();
  const { id } = await hook(listed, open.url);
  await setFlag(listed, 1);
  await until("a dead letter", async () => {
    const { body } = await listed.api("GET", `/api/webhooks/${id}`);
    return body.dead === 1;
  });
  expect(inner.received).toEqual([]);
});
