import { connect } from "node:net";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { DoorBounds } from "./app.ts";
import type { DoorEnv } from "./door.ts";
import { listen } from "./server.ts";
import { eventually, makeRig, type Rig } from "./testing/rig.ts";
import { openSocket, type SocketClient } from "./testing/socket-client.ts";
import { TEST_TLS } from "./testing/tls.ts";

type NewEvent = Omit<LedgerEvent, "id" | "atMs">;
const flag = (subject: string, data: unknown = 0): NewEvent => ({
  type: "flag.changed",
  subject,
  data,
});
const node = (run: string, place: string): NewEvent => ({
  type: "run.node",
  subject: run,
  data: { run, what: "finished", place },
});

const question = (person: string): NewEvent => ({
  type: "question.asked",
  subject: person,
  person,
  data: {},
});

interface Live extends AsyncDisposable {
  readonly rig: Rig;
  readonly port: number;
  open(path?: string, headers?: Record<string, string>): Promise<SocketClient>;
}

const OPERATOR = { authorization: "Bearer operator-token" };

async function makeLive(bounds: DoorBounds = {}): Promise<Live> {
  const rig = await makeRig({}, bounds);
  const { port } = await rig.serve();
  rig.desk.on("run", () => ({}));
  const clients: SocketClient[] = [];
  return {
    rig,
    port,
    async open(path = "/api/events", headers = OPERATOR) {
      const client = await openSocket(`ws://127.0.0.1:${port}${path}`, { headers });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.socket.terminate();
      await rig[Symbol.asyncDispose]();
    },
  };
}

const subjects = (messages: SocketClient["messages"] | readonly { data?: unknown }[]): unknown[] =>
  messages.map(({ data }) => (data as { subject?: string }).subject);
const range = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `f${from + index}`);

describe("event streams over WebSocket", () => {
  it("[A94] every viewer gets every event, in order, with its log position", async () => {
    await using live = await makeLive();
    const clients = await Promise.all([live.open(), live.open(), live.open()]);
    for (const subject of range(1, 500)) live.rig.desk.emit(flag(subject));
    for (const client of clients) {
      const messages = await client.take(500);
      expect(subjects(messages)).toEqual(range(1, 500));
      expect(messages.map(({ id }) => id)).toEqual(Array.from({ length: 500 }, (_, at) => at + 1));
      expect(messages[0]).toMatchObject({ event: "flag.changed", data: { type: "flag.changed" } });
    }
    expect(live.rig.door.streams()).toBe(3);
    for (const { socket } of clients) socket.close();
    await eventually(() => live.rig.door.streams() === 0);
  });

  it("of one run has that run's alone", async () => {
    await using live = await makeLive();
    const client = await live.open("/api/runs/run_1/events");
    live.rig.desk.emit(node("run_2", "a"));
    live.rig.desk.emit(node("run_1", "b"));
    live.rig.desk.emit(flag("f1"));
    live.rig.desk.emit(node("run_1", "c"));
    const messages = await client.take(2);
    expect(messages.map(({ data }) => (data as { data: { place: string } }).data.place)).toEqual([
      "b",
      "c",
    ]);
  });

  it.each([
    ["in the address", "/api/events?since=3", {}],
    ["in the header", "/api/events", { "last-event-id": "3" }],
  ])("goes on after the last id that the viewer has, %s", async (_, path, headers) => {
    await using live = await makeLive();
    for (const subject of range(1, 6)) live.rig.desk.emit(flag(subject));
    const client = await live.open(path, { ...OPERATOR, ...headers });
    live.rig.desk.emit(flag("f7"));
    expect(subjects(await client.take(4))).toEqual(range(4, 7));
  });

  it("shows only what its viewer may see, and the types that were asked for", async () => {
    await using live = await makeLive();
    const own = await live.open("/api/events?types=question.asked", {
      authorization: "Bearer ann-token",
    });
    live.rig.desk.emit(question("bob"));
    live.rig.desk.emit(flag("f1"));
    live.rig.desk.emit(question("ann"));
    expect(subjects(await own.take(1))).toEqual(["ann"]);
  });

  it.each([
    ["no token", "/api/events", {}, 401, "unauthenticated"],
    ["a wrong token", "/api/events", { authorization: "Bearer nonsense" }, 401, "unauthenticated"],
    [
      "a page of somebody else's, whatever it brings",
      "/api/events",
      { ...OPERATOR, origin: "https://evil.example" },
      403,
      "bad_origin",
    ],
    [
      "somebody else's name for us",
      "/api/events",
      { ...OPERATOR, host: "evil.example" },
      421,
      "bad_host",
    ],
    [
      "a cookie and no page",
      "/api/events",
      { cookie: "gantry_session=operator-token" },
      403,
      "bad_origin",
    ],
    ["a path without a stream", "/api/flags", OPERATOR, 404, "not_found"],
    ["a backup", "/api/backup", OPERATOR, 404, "not_found"],
    ["an answer that is one page", "/api/events?format=json", OPERATOR, 400, "bad_request"],
    ["a query that is none", "/api/events?since=x", OPERATOR, 400, "bad_request"],
    ["an unknown type", "/api/events?types=nonsense", OPERATOR, 400, "bad_request"],
  ])("refuses %s (WS1)", async (_, path, headers: Record<string, string>, status, code) => {
    await using live = await makeLive();
    const { refused } = await live.open(path, headers);
    expect([refused?.status, refused?.body.code]).toEqual([status, code]);
    expect(live.rig.door.streams()).toBe(0);
  });

  it("takes a cookie from our own page", async () => {
    await using live = await makeLive();
    const headers = {
      cookie: "gantry_session=operator-token",
      origin: `http://127.0.0.1:${live.port}`,
    };
    const client = await live.open("/api/events", headers);
    live.rig.desk.emit(flag("f1"));
    expect(subjects(await client.take(1))).toEqual(["f1"]);
  });

  it("refuses one more than there may be, and takes it when one has left", async () => {
    await using live = await makeLive({ streamsMax: 1 });
    const first = await live.open();
    expect((await live.open()).refused).toMatchObject({ status: 429, body: { code: "busy" } });
    first.socket.close();
    await eventually(() => live.rig.door.streams() === 0);
    expect((await live.open()).refused).toBeUndefined();
  });

  it("ends with the token, and says why", async () => {
    await using live = await makeLive();
    const client = await live.open("/api/events", { authorization: "Bearer ann-token" });
    live.rig.desk.revoke("ann-token");
    live.rig.desk.emit({ type: "token.changed", subject: "tok_ann", data: {} });
    const messages = await client.take(1);
    expect(messages.at(-1)).toMatchObject({ event: "error", data: { code: "unauthenticated" } });
    await eventually(() => client.closed() === 1_001);
  });

  it("reads nothing: the first message ends it, a large one at once (WS3)", async () => {
    await using live = await makeLive();
    const [one, two] = await Promise.all([live.open(), live.open()]);
    one.socket.send("hello");
    two.socket.send("x".repeat(100_000));
    await eventually(() => one.closed() === 1_003 && two.closed() !== undefined);
    await eventually(() => live.rig.door.streams() === 0);
  });

  it("a viewer that takes nothing delays nobody, and is told what it missed (WS2)", async () => {
    await using live = await makeLive({ ringItemsMax: 100 });
    const [slow, quick] = await Promise.all([live.open(), live.open()]);
    slow.socket.pause();
    const big = "x".repeat(50_000);
    for (let n = 1; n <= 1_000; n += 1) {
      live.rig.desk.emit(flag(`f${n}`, big));
      if (n % 50 === 0) await quick.take(n);
    }
    expect(subjects(await quick.take(1_000))).toEqual(range(1, 1_000));
    slow.socket.resume();
    await eventually(() => slow.messages.some(({ id }) => id === 1_000));
    expect(slow.messages.map(({ event }) => event)).toContain("gap");
    expect(slow.messages.length).toBeLessThan(1_000);
  });

  it("ends with the door", async () => {
    await using live = await makeLive();
    const client = await live.open();
    await live.rig.endStreams();
    await eventually(() => client.closed() === 1_001);
  });

  it("goes through TLS", async () => {
    await using rig = await makeRig({ isTls: true });
    const { port } = await rig.serve({ tls: TEST_TLS });
    const options = { headers: OPERATOR, ca: TEST_TLS.cert };
    await using client = await openSocket(`wss://localhost:${port}/api/events`, options);
    rig.desk.emit(flag("f1"));
    expect(subjects(await client.take(1))).toEqual(["f1"]);
  });
});

it("drops a viewer that answers no ping before the next one, and keeps one that does (WS2)", async () => {
  const app = new Hono<DoorEnv>();
  const pipes: ReadableStreamDefaultController<Uint8Array>[] = [];
  app.get("/api/events", () => {
    const body = new ReadableStream<Uint8Array>({ start: (pipe) => void pipes.push(pipe) });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const server = await listen(app, { host: "127.0.0.1", port: 0 }, systemClock);
  const url = `ws://127.0.0.1:${server.port}/api/events`;
  await using dead = await openSocket(url, { autoPong: false });
  await using alive = await openSocket(url);
  let pings = 0;
  alive.socket.on("ping", () => (pings += 1));
  for (let beat = 1; beat <= 3; beat += 1) {
    for (const pipe of pipes.filter((_, at) => at === 1 || beat <= 2))
      pipe.enqueue(new TextEncoder().encode(": ping\n\n"));
    await eventually(() => pings >= beat);
    await fetch(`http://127.0.0.1:${server.port}/`); // answered after the pong, which was sent before
  }
  await eventually(() => dead.closed() === 1_006);
  expect(alive.closed()).toBeUndefined();
  alive.socket.terminate();
  await server.close(async () => {});
});

describe("what is no WebSocket", () => {
  it("but offers another upgrade is answered as if it had not", async () => {
    await using live = await makeLive();
    live.rig.desk.on("live", () => ({ status: "ok" }));
    const socket = connect(live.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.write(
      "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
    );
    await eventually(() => text.includes("200 OK"));
    socket.destroy();
  });

  it("and says it is one is refused, whatever it sends, and the door goes on", async () => {
    await using live = await makeLive();
    live.rig.desk.on("live", () => ({ status: "ok" }));
    const random = seededRandom(20_261_124);
    const noise = (): string =>
      Array.from({ length: between(random, 0, 60) }, () =>
        String.fromCharCode(between(random, 33, 126)),
      ).join("");
    for (let n = 0; n < 60; n += 1) {
      const socket = connect(live.port, "127.0.0.1");
      socket.on("error", () => undefined);
      const over = new Promise((resolve) => socket.once("close", resolve));
      const path = n % 3 === 0 ? "/api/events" : `/${noise()}`;
      socket.write(
        `GET ${path} HTTP/1.1\r\nhost: ${n % 4 === 0 ? noise() : "localhost"}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${noise()}\r\nsec-websocket-version: ${n % 5}\r\n${n % 2 === 0 ? "authorization: Bearer operator-token\r\n" : ""}\r\n${noise()}`,
      );
      socket.resume();
      socket.end();
      await over;
    }
    expect((await fetch(`http://127.0.0.1:${live.port}/healthz`)).status).toBe(200);
    await eventually(() => live.rig.door.streams() === 0);
  });
});
