import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { DoorBounds } from "../app.ts";
import { eventually, makeRig, type Rig } from "../testing/rig.ts";
import { openSse, type SseClient, type SseMessage } from "../testing/sse-client.ts";

type NewEvent = Omit<LedgerEvent, "id" | "atMs">;

const flag = (subject: string, data: unknown = 0): NewEvent => ({
  type: "flag.changed",
  subject,
  data,
});
const question = (person: string): NewEvent => ({
  type: "question.asked",
  subject: "cnv_1",
  person,
  data: {},
});

interface Live extends AsyncDisposable {
  readonly rig: Rig;
  readonly base: string;
  readonly port: number;
  open(query?: string, options?: { token?: string; lastId?: number }): Promise<SseClient>;
}

async function makeLive(bounds: DoorBounds = {}): Promise<Live> {
  const rig = await makeRig({}, bounds);
  const { port } = await rig.serve();
  const base = `http://127.0.0.1:${port}`;
  const clients: SseClient[] = [];
  return {
    rig,
    base,
    port,
    async open(query = "", { token = "operator-token", lastId } = {}) {
      const headers: Record<string, string> = { authorization: `Bearer ${token}` };
      if (lastId !== undefined) headers["last-event-id"] = String(lastId);
      const client = await openSse(`${base}/api/events${query}`, { headers });
      clients.push(client);
      if (client.response.ok) await eventually(() => client.text().includes("retry:"));
      return client;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      await rig[Symbol.asyncDispose]();
    },
  };
}

const subjects = (messages: readonly SseMessage[]): readonly unknown[] =>
  messages.map(({ data }) => (JSON.parse(data ?? "null") as { subject?: string }).subject);
const range = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `f${from + index}`);

describe("the live feed", () => {
  it("[M17] gives every event to each of three readers, in order", async () => {
    await using live = await makeLive();
    const clients = await Promise.all([live.open(), live.open(), live.open()]);
    for (const subject of range(1, 50)) live.rig.desk.emit(flag(subject));
    for (const client of clients) {
      expect(subjects(await client.take(50))).toEqual(range(1, 50));
    }
    expect(live.rig.door.streams()).toBe(3);
  });

  it("[K21] shows two browsers the same change of conversation, device and job within a second", async () => {
    await using live = await makeLive();
    const browsers = await Promise.all([
      live.open("", { token: "ann-token" }),
      live.open("", { token: "operator-token" }),
    ]);
    const startMs = performance.now();
    const types = ["conversation.changed", "device.changed", "print.changed"] as const;
    for (const type of types) live.rig.desk.emit({ type, subject: "x", person: "ann", data: {} });
    const [first, second] = await Promise.all(browsers.map((browser) => browser.take(3)));
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(first?.map(({ event }) => event)).toEqual(types);
    expect(second).toEqual(first);
  });

  it("[M16] names the position only at the last event of a command", async () => {
    await using live = await makeLive();
    const client = await live.open();
    live.rig.desk.emit(flag("a"), flag("b"), flag("c"));
    const messages = await client.take(3);
    expect(messages.map(({ id }) => id)).toEqual([undefined, undefined, "1"]);
    expect(messages.map(({ event }) => event)).toEqual(Array(3).fill("flag.changed"));
    expect(JSON.parse(messages[2]?.data ?? "")).toMatchObject({ id: 1, subject: "c" });
    expect(client.response.headers.get("content-type")).toContain("text/event-stream");
    expect(client.response.headers.get("x-accel-buffering")).toBe("no");
  });

  it("[M16] resumes after Last-Event-ID from memory, each event once", async () => {
    await using live = await makeLive();
    await live.open(); // events come since somebody reads
    for (const subject of range(1, 20)) live.rig.desk.emit(flag(subject));
    const client = await live.open("?since=3", { lastId: 12 });
    live.rig.desk.emit(flag("f21"));
    expect(subjects(await client.take(9))).toEqual(range(13, 21));
    expect(live.rig.desk.asked.map(({ route }) => route)).not.toContain("events");
  });

  it("[M16] resumes from the log when memory does not reach back, also while events come", async () => {
    await using live = await makeLive({ ringItemsMax: 5 });
    for (const subject of range(1, 2_500)) live.rig.desk.emit(flag(subject));
    let pages = 0;
    live.rig.desk.beforePage(() => {
      pages += 1;
      live.rig.desk.emit(flag(`f${2_500 + pages}`));
    });
    const client = await live.open("", { lastId: 100 });
    await eventually(() => pages >= 3 && client.messages.length >= 2_400 + pages);
    live.rig.desk.emit(flag("last"));
    const messages = await client.take(2_401 + pages);
    expect(subjects(messages)).toEqual([...range(101, 2_500 + pages), "last"]);
  });

  it("[M13] tells a reader who comes too late what it missed and where to read it", async () => {
    await using live = await makeLive({ ringItemsMax: 5 });
    for (const subject of range(1, 30)) live.rig.desk.emit(flag(subject));
    live.rig.desk.forgetUpTo(20);
    const client = await live.open("", { lastId: 7 });
    const [gap, ...rest] = await client.take(11);
    expect(gap?.event).toBe("gap");
    expect(gap?.id).toBeUndefined();
    expect(JSON.parse(gap?.data ?? "")).toEqual({
      from: 7,
      to: 20,
      readAt: "/api/events?format=json&since=7",
    });
    expect(subjects(rest)).toEqual(range(21, 30));
  });

  it("[M13] [M19] [M35] [A17] a paused reader delays nobody, is told of its gap, and can read it again", async () => {
    await using live = await makeLive({ ringItemsMax: 50 });
    const quick = await live.open();
    const paused = await rawStream(live.port);
    paused.socket.pause();
    const padding = "x".repeat(20_000);
    const delaysMs: number[] = [];
    for (let count = 1; count <= 600; count += 1) {
      const startMs = performance.now();
      live.rig.desk.emit(flag(`f${count}`, padding));
      if (count % 10 !== 0) continue;
      await quick.take(count);
      delaysMs.push(performance.now() - startMs);
    }
    expect(subjects(quick.messages)).toEqual(range(1, 600));
    expect(delaysMs.toSorted((a, b) => a - b)[Math.floor(delaysMs.length / 2)]).toBeLessThan(50);

    paused.socket.resume();
    await eventually(() => paused.text().includes("event: gap"));
    const gap = /event: gap\ndata: (\{.*\})/.exec(paused.text())?.[1] ?? "";
    const { from, to, readAt } = JSON.parse(gap) as { from: number; to: number; readAt: string };
    expect(to).toBeGreaterThan(from);
    await eventually(() => paused.text().includes('"subject":"f600"'));
    const seen = [...paused.text().matchAll(/"subject":"(f\d+)"/g)].map(([, subject]) => subject);
    expect(seen).toEqual([...range(1, from), ...range(to + 1, 600)]);

    const page = await fetch(live.base + readAt, {
      headers: { authorization: "Bearer operator-token" },
    });
    const { events } = (await page.json()) as { events: LedgerEvent[] };
    const missed = events.filter(({ id }) => id > from && id <= to);
    expect(missed.map(({ subject }) => subject)).toEqual(range(from + 1, to));
    paused.socket.destroy();
  });

  it("shows a viewer its own questions only, and an operator all", async () => {
    await using live = await makeLive();
    const ann = await live.open("", { token: "ann-token" });
    const operator = await live.open();
    live.rig.desk.emit(question("bob"));
    live.rig.desk.emit(question("ann"), question("bob"));
    live.rig.desk.emit(flag("f1"));
    expect((await ann.take(2)).map(({ id }) => id)).toEqual(["2", "3"]);
    expect(await operator.take(4)).toHaveLength(4);
    const page = await live.rig.ask("GET", "/api/events?format=json", { token: "ann-token" });
    const { events } = (await page.json()) as { events: LedgerEvent[] };
    expect(events.map(({ person, subject }) => person ?? subject)).toEqual(["ann", "f1"]);
  });

  it("gives only the types asked for and refuses types that do not exist", async () => {
    await using live = await makeLive();
    const client = await live.open("?types=question.asked,telemetry");
    live.rig.desk.emit(flag("f1"));
    live.rig.desk.emit(question("ann"));
    live.rig.desk.soft({ type: "node.load", node: "n1", lastSeenMs: 3 });
    live.rig.desk.soft({ type: "telemetry", device: "ender", phase: "idle" });
    const messages = await client.take(2);
    expect(messages.map(({ event }) => event)).toEqual(["question.asked", "telemetry"]);
    const wrong = await live.rig.ask("GET", "/api/events?types=wrong", { token: "ann-token" });
    expect(wrong.status).toBe(400);
  });

  it("joins live values of a device for a reader who is slow, and gives them no id", async () => {
    await using live = await makeLive();
    await live.open();
    for (let progress = 0; progress <= 100; progress += 1) {
      live.rig.desk.soft({ type: "telemetry", device: "a", phase: "printing", progress });
      live.rig.desk.soft({ type: "telemetry", device: "b", phase: "idle" });
    }
    const client = await live.open();
    const messages = await client.take(2);
    const values = messages.map(({ data }) => JSON.parse(data ?? "") as Record<string, unknown>);
    expect(values.map(({ device, progress }) => [device, progress])).toEqual([
      ["a", 100],
      ["b", undefined],
    ]);
    expect(messages.map(({ id }) => id)).toEqual([undefined, undefined]);
  });

  it("[M18] refuses one stream more than its bound and takes it when another has gone", async () => {
    await using live = await makeLive({ streamsMax: 3 });
    const first = await live.open();
    await live.open();
    await live.open();
    const refused = await live.open();
    expect(refused.response.status).toBe(429);
    expect(refused.response.headers.get("retry-after")).toBe("5");
    await first[Symbol.asyncDispose]();
    await eventually(() => live.rig.door.streams() === 2);
    expect((await live.open()).response.status).toBe(200);
  });

  it("[M18] takes 500 streams and refuses the next", async () => {
    await using rig = await makeRig();
    const token = "ann-token";
    const opened = await Promise.all(
      Array.from({ length: 500 }, () => rig.ask("GET", "/api/events", { token })),
    );
    expect(new Set(opened.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await rig.ask("GET", "/api/events", { token })).status).toBe(429);
    await Promise.all(opened.map(async ({ body }) => body?.cancel()));
    expect(rig.door.streams()).toBe(0);
  });

  it("ends the stream of a token when it is revoked, and no other", async () => {
    await using live = await makeLive();
    const ann = await live.open("", { token: "ann-token" });
    const bob = await live.open("", { token: "bob-token" });
    live.rig.desk.revoke("ann-token");
    live.rig.desk.emit({ type: "token.changed", subject: "tok_ann", data: {} });
    await eventually(() => ann.isEnded());
    expect(ann.messages.map(({ event }) => event)).toEqual(["error"]);
    expect(JSON.parse(ann.messages[0]?.data ?? "")).toMatchObject({ code: "unauthenticated" });
    live.rig.desk.emit(flag("f1"));
    expect(await bob.take(2)).toHaveLength(2);
    expect(bob.isEnded()).toBe(false);
  });

  it.each(["abc", "-1", "1.5"])("refuses %j as Last-Event-ID", async (id) => {
    await using rig = await makeRig();
    const headers = { "last-event-id": id };
    const response = await rig.ask("GET", "/api/events", { token: "ann-token", headers });
    expect(response.status).toBe(400);
  });

  it("ends every stream politely when the door closes", async () => {
    await using live = await makeLive();
    const client = await live.open();
    await live.rig.endStreams();
    await eventually(() => client.isEnded());
    expect(live.rig.door.streams()).toBe(0);
  });
});

interface RawStream {
  readonly socket: Socket;
  readonly text: () => string;
}

/** A client that can stop reading: `fetch` reads on by itself. */
async function rawStream(port: number): Promise<RawStream> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  socket.write(
    "GET /api/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer operator-token\r\n\r\n",
  );
  await eventually(() => text.includes("retry:"));
  return { socket, text: () => text.replaceAll(/\r\n[0-9a-f]+\r\n/g, "") };
}
