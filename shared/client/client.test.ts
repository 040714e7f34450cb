import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GantryError } from "../base/errors.ts";
import { seededRandom } from "../base/prng.ts";
import { type Clock, systemClock } from "../flow/clock.ts";
import { type Client, type ClientOptions, makeClient } from "./client.ts";
import {
  type FakeHub,
  makeFakeHub,
  sendJson,
  sendProblem,
  sseText,
  startEvents,
} from "./testing/fake-hub.ts";
import type { FeedEvent } from "./watch.ts";

let hub: FakeHub;
beforeEach(async () => {
  hub = await makeFakeHub();
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
});

const clientOf = (options: Partial<ClientOptions> = {}): Client =>
  makeClient({
    baseUrl: hub.url,
    token: "gt_secret",
    clock: systemClock,
    random: seededRandom(1),
    ...options,
  });

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof GantryError ? error.code : `not a GantryError: ${String(error)}`;
};

describe("a call", () => {
  it("fills the path, the query and the body, and sends token and request id", async () => {
    hub.json("PUT /api/flags/a%3Ab", { key: "a:b", value: 1, revision: 3 });
    hub.json("GET /api/devices", { devices: [] });
    const client = clientOf({ requestId: "req_fixed" });
    const flag = await client.flagSet({ key: "a:b", body: { value: 1 }, ifRevision: 2 });
    expect(flag.revision).toBe(3);
    await client.devices({ query: { kind: "printer" } });
    const [put, get] = hub.seen;
    expect(put).toMatchObject({ body: { value: 1 }, headers: { "if-match": "2" } });
    expect(get?.url).toBe("/api/devices?kind=printer");
    expect(get?.headers).toMatchObject({
      authorization: "Bearer gt_secret",
      "x-request-id": "req_fixed",
    });
  });

  it("turns a problem into its code with details", async () => {
    hub.on("GET /api/fabrication/jobs/x", (_, reply) =>
      sendProblem(reply, "gcode_too_hot", "Line 7 asks for 400 C", { line: 7 }),
    );
    const error: unknown = await clientOf()
      .print({ id: "x" })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GantryError);
    expect(error).toMatchObject({
      code: "gcode_too_hot",
      message: "Line 7 asks for 400 C",
      details: { line: 7 },
    });
  });

  it("reads errors of the OpenAI routes", async () => {
    const error = { message: "No model is loaded", type: "server_error", code: "no_model" };
    hub.on("GET /v1/models", (_, reply) => sendJson(reply, { error }, 503));
    const asked = clientOf().models();
    await expect(asked).rejects.toThrow("No model is loaded");
    expect(await codeOf(asked)).toBe("no_model");
  });

  it("takes 503 without a word, of a door that closes, for a hub that is not there", async () => {
    hub.on("GET /api/devices", (_, reply) => void reply.writeHead(503).end());
    expect(await codeOf(clientOf().devices())).toBe("unreachable");
  });

  it("gives a code of a newer hub the most general one of its status", async () => {
    hub.on("GET /api/devices", (_, reply) =>
      sendJson(reply, { code: "from_the_future", detail: "?", status: 404 }, 404),
    );
    expect(await codeOf(clientOf().devices())).toBe("not_found");
  });

  it("says when the far end is no hub", async () => {
    hub.on("GET /api/devices", (_, reply) => void reply.writeHead(200).end("<html>router</html>"));
    hub.on("GET /api/flags", (_, reply) => void reply.writeHead(418).end("<html>teapot</html>"));
    expect(await codeOf(clientOf().devices())).toBe("unreachable");
    expect(await codeOf(clientOf().flags())).toBe("bad_request");
  });

  it("names the address and what to do when nobody listens", async () => {
    const gone = await makeFakeHub();
    await gone[Symbol.asyncDispose]();
    const client = clientOf({ baseUrl: gone.url });
    await expect(client.devices()).rejects.toThrow(
      `The hub at ${gone.url} does not answer (connection refused). Start it with npm start`,
    );
  });

  it("tries a read twice when the hub is busy, and no more (CL1)", async () => {
    hub.on("GET /api/devices", (_, reply, nth) =>
      nth === 0 ? sendProblem(reply, "busy", "full") : sendJson(reply, { devices: [] }),
    );
    hub.on("GET /api/flags", (_, reply) => sendProblem(reply, "busy", "full"));
    expect(await clientOf().devices()).toEqual({ devices: [] });
    expect(await codeOf(clientOf().flags())).toBe("busy");
    expect(hub.seen).toHaveLength(4);
  });

  it("repeats what changes something under one Idempotency-Key (CL1)", async () => {
    hub.on("POST /api/fabrication/stop", (_, reply, nth) =>
      nth === 0 ? void reply.destroy() : sendJson(reply, { stopped: ["sim"], unreachable: [] }),
    );
    hub.on("DELETE /api/flags/a", (_, reply, nth) =>
      nth === 0 ? sendProblem(reply, "busy", "full") : sendJson(reply, { ok: true }),
    );
    await clientOf().stop({ body: {} });
    const keys = hub.seen.map((seen) => seen.headers["idempotency-key"]);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^req_/);
    expect(keys[1]).toBe(keys[0]);
    await clientOf().flagDeleted({ key: "a" });
    const [, , first, second] = hub.seen.map((seen) => seen.headers["idempotency-key"]);
    expect(first).toMatch(/^req_/);
    expect(second).toBe(first);
  });

  it("ends by its time-out and by the caller's signal (CL2)", async () => {
    hub.on("GET /api/devices", () => undefined);
    expect(await codeOf(clientOf().devices({ timeoutMs: 30 }))).toBe("timeout");
    const controller = new AbortController();
    const asked = clientOf().devices({ signal: controller.signal });
    controller.abort();
    expect(await codeOf(asked)).toBe("cancelled");
  });

  it("refuses a path parameter that is empty", async () => {
    expect(await codeOf(clientOf().print({ id: "" }))).toBe("bad_request");
  });
});

describe("upload", () => {
  it("sends the parts of a form in pieces and tells how far it is", async () => {
    hub.json("POST /api/fabrication/jobs", { job: { id: "prt_1", state: "awaiting" } }, 202);
    const pieces = [new TextEncoder().encode("G28\n"), new TextEncoder().encode("G1 X5\n")];
    const sent: number[] = [];
    const reply = await clientOf().upload({
      printer: "sim",
      name: "a part",
      bytes: (async function* () {
        yield* pieces;
      })(),
      onProgress: (bytes) => sent.push(bytes),
    });
    expect(reply.job.id).toBe("prt_1");
    expect(sent).toEqual([4, 10]);
    const [seen] = hub.seen;
    const boundary = /boundary=(\S+)$/.exec(String(seen?.headers["content-type"]))?.[1] ?? "";
    const parts = seen?.text.split(`--${boundary}`) ?? [];
    expect(parts.map((part) => part.split("\r\n\r\n")[1])).toEqual([
      undefined,
      "sim\r\n",
      "a part\r\n",
      "G28\nG1 X5\n\r\n",
      undefined,
    ]);
    expect(parts[4]).toBe("--\r\n");
  });
});

const REPLY = { result: { output: "Hello", verbosity: 2 }, conversationId: "cnv_1" };

const collect = async (client: Client): Promise<unknown[]> => {
  const pieces: unknown[] = [];
  for await (const piece of client.stream({ prompt: "hi" })) pieces.push(piece);
  return pieces;
};

describe("stream", () => {
  it("gives tokens as they come, then the reply", async () => {
    hub.on("POST /api/query", (_, reply) => {
      startEvents(reply).write(": ping\n\n" + sseText("token", { text: "Hel" }));
      reply.write(sseText("token", { text: "lo" }) + sseText("unknown", {}));
      reply.end(sseText("reply", REPLY));
    });
    expect(await collect(clientOf())).toEqual([
      { kind: "token", text: "Hel" },
      { kind: "token", text: "lo" },
      { kind: "reply", reply: REPLY },
    ]);
    expect(hub.seen[0]?.body).toEqual({ prompt: "hi", stream: true });
  });

  it("takes a plain JSON reply as well", async () => {
    hub.json("POST /api/query", REPLY);
    expect(await collect(clientOf())).toEqual([{ kind: "reply", reply: REPLY }]);
  });

  it("throws what an error event says, at once", async () => {
    hub.on("POST /api/query", (_, reply) => {
      startEvents(reply).write(sseText("token", { text: "x" }));
      reply.end(sseText("error", { code: "model_failed", detail: "It died" }));
    });
    expect(await codeOf(collect(clientOf()))).toBe("model_failed");
    expect(hub.seen).toHaveLength(1);
  });

  it("asks again under the same key when the line breaks, and gives no text twice (CL5)", async () => {
    hub.on("POST /api/query", (_, reply, nth) => {
      startEvents(reply);
      if (nth === 0) reply.write(sseText("token", { text: "Hel" }), () => reply.destroy());
      if (nth === 1) reply.end(sseText("token", { text: "He" }));
      if (nth < 2) return;
      reply.write(sseText("token", { text: "Hell" }) + sseText("token", { text: "o" }));
      reply.end(sseText("reply", REPLY));
    });
    expect(await collect(clientOf({ clock: hasty }))).toEqual([
      { kind: "token", text: "Hel" },
      { kind: "token", text: "l" },
      { kind: "token", text: "o" },
      { kind: "reply", reply: REPLY },
    ]);
    const keys = hub.seen.map((seen) => seen.headers["idempotency-key"]);
    expect(new Set(keys).size).toBe(1);
  });

  it("gives an answer that keeps breaking off at the same place up (CL5)", async () => {
    hub.on("POST /api/query", (_, reply) => {
      startEvents(reply).end(sseText("token", { text: "x" }));
    });
    expect(await codeOf(collect(clientOf({ clock: hasty })))).toBe("interrupted");
    expect(hub.seen).toHaveLength(6);
  });
});

/** Waits between tries are short; time-outs stay what they are. */
const hasty: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms / 100, signal),
};

const take = async (client: Client, count: number, since?: number): Promise<FeedEvent[]> => {
  const controller = new AbortController();
  const events: FeedEvent[] = [];
  const start = since === undefined ? {} : { since };
  for await (const event of client.events({ ...start, signal: controller.signal })) {
    events.push(event);
    if (events.length === count) controller.abort();
  }
  return events;
};

describe("events", () => {
  it("resumes after the last id when the stream breaks (W1)", async () => {
    hub.on("GET /api/events", (_, reply, nth) => {
      startEvents(reply);
      if (nth === 0) reply.end(sseText("print.changed", { a: 1 }, 41) + sseText("telemetry", {}));
      if (nth === 1) reply.end("retry: 5\nid: 50\n\n");
      if (nth === 2) reply.write(sseText("print.changed", { a: 2 }, 51));
    });
    const events = await take(clientOf(), 3, 40);
    expect(events.map((event) => event.id)).toEqual([41, undefined, 51]);
    expect(hub.seen.map((seen) => seen.headers["last-event-id"])).toEqual(["40", "41", "50"]);
  });

  it("goes on after a hub that is starting, and ends at a refusal (W2)", async () => {
    hub.on("GET /api/events", (_, reply, nth) => {
      if (nth === 0) return sendProblem(reply, "starting", "soon");
      if (nth === 1) return void startEvents(reply).write(sseText("a", {}, 1));
      return sendProblem(reply, "unauthenticated", "no");
    });
    expect(await take(clientOf(), 1)).toHaveLength(1);
    expect(await codeOf(take(clientOf(), 1))).toBe("unauthenticated");
  });

  it("ends with what an error event says", async () => {
    hub.on("GET /api/events", (_, reply) => {
      startEvents(reply).write(sseText("error", { code: "unauthenticated", detail: "revoked" }));
    });
    expect(await codeOf(take(clientOf(), 1))).toBe("unauthenticated");
  });

  it("counts three heartbeats of silence as a break (W3)", async () => {
    // Every wait of this clock is a thousand times shorter.
    const hasty = {
      ...systemClock,
      timeout: (ms: number, parent?: AbortSignal) => systemClock.timeout(ms / 1_000, parent),
      sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / 1_000, signal),
    };
    hub.on("GET /api/events", (_, reply, nth) => {
      startEvents(reply).write(": ping\n\n");
      if (nth > 0) reply.write(sseText("a", {}, 2));
    });
    const client = clientOf({ clock: hasty });
    expect((await take(client, 1)).map((event) => event.id)).toEqual([2]);
    expect(hub.seen.length).toBeGreaterThan(1);
  });

  it("asks for one page of past events", async () => {
    hub.json("GET /api/events", { events: [], next: 9 });
    expect(await clientOf().eventsPage({ since: 3 })).toEqual({ events: [], next: 9 });
    expect(hub.seen[0]?.url).toBe("/api/events?since=3&format=json");
  });
});
