import { describe, expect, it } from "vitest";
import { present } from "@gantry/shared/base/assert.ts";
import type { DeskParts } from "../../desk/context.ts";
import { registryUseCases } from "../../desk/registry.ts";
import { type FakeHub, makeFakeHub } from "../../registry/testing/fake-hub.ts";
import { makeRegistryWatches } from "../../registry/watching.ts";
import { eventually, makeRig, type Rig } from "../testing/rig.ts";
import { openSse, type SseClient } from "../testing/sse-client.ts";

interface WatchRig extends AsyncDisposable {
  readonly rig: Rig;
  readonly hub: FakeHub;
  set(value: number): void;
  watch(query?: string, headers?: Record<string, string>): Promise<SseClient>;
}

async function makeWatchRig(ringMax = 100): Promise<WatchRig> {
  const rig = await makeRig();
  const hub = makeFakeHub();
  const signal = new AbortController().signal;
  const bounds = { ringMax, lagMax: ringMax };
  const watches = makeRegistryWatches(hub.hub, signal, bounds);
  const registry = { watches, keepAlive: () => "log" as const };
  const parts = { hub: hub.hub, registry } as unknown as DeskParts; // all that the use case uses
  const useCase = present(registryUseCases(parts).registryWatch, "the use case");
  rig.desk.on("registryWatch", (request, options) => useCase(parts, request, options));
  const { port } = await rig.serve();
  return {
    rig,
    hub,
    set(value) {
      hub.rig.act({ type: "flagSet", key: `f${value % 3}`, value });
      hub.publish();
    },
    watch: (query = "", headers = {}) =>
      openSse(`http://127.0.0.1:${port}/api/registry/watch${query}`, {
        headers: { authorization: "Bearer viewer-token", ...headers },
      }),
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

const told = (client: SseClient): string[] =>
  client.messages.map(({ event, id }) => `${event ?? ""} ${id ?? "-"}`);

describe("GET /api/registry/watch", () => {
  it("streams a snapshot and then deltas, each with its revision as id", async () => {
    await using line = await makeWatchRig();
    line.set(1);
    await using client = await line.watch();
    await client.take(1);
    line.set(2);
    await client.take(2);
    line.set(3);
    await client.take(3);
    expect(told(client)).toEqual(["snapshot 1", "delta 2", "delta 3"]);
    expect(JSON.parse(client.messages[2]?.data ?? "")).toMatchObject({
      type: "delta",
      revision: 3,
      changes: [{ key: "flag/f0", value: { value: 3 } }],
    });
  });

  it("goes on after Last-Event-ID, which wins over since", async () => {
    await using line = await makeWatchRig();
    for (let n = 1; n <= 4; n += 1) line.set(n);
    await using client = await line.watch("?since=0", { "last-event-id": "2" });
    await client.take(2);
    expect(told(client)).toEqual(["delta 3", "delta 4"]);
  });

  it("since now begins when it was asked, not when it is first read", async () => {
    await using line = await makeWatchRig();
    line.set(1);
    await using client = await line.watch("?since=now");
    line.set(2);
    await client.take(2);
    expect(told(client)).toEqual(["progress 1", "delta 2"]);
  });

  it("says compacted and sends a snapshot where the past is no longer kept", async () => {
    await using line = await makeWatchRig(2);
    for (let n = 1; n <= 9; n += 1) line.set(n);
    await using client = await line.watch("?since=3");
    await client.take(2);
    expect(told(client)).toEqual(["compacted -", "snapshot 9"]);
  });

  it("refuses a bad selector, kind or place before the stream begins, and counts no stream for it", async () => {
    await using line = await makeWatchRig();
    const codes = [];
    for (const [query, headers] of [
      ["?selector=a%3D", {}],
      ["?kinds=secrets", {}],
      ["", { "last-event-id": "x" }],
      ["?since=-1", {}],
    ] as const) {
      const reply = await line.rig.ask("GET", `/api/registry/watch${query}`, {
        token: "viewer-token",
        headers,
      });
      codes.push(`${reply.status} ${((await reply.json()) as { code: string }).code}`);
    }
    expect(codes).toEqual([
      "400 bad_selector",
      "400 bad_request",
      "400 bad_request",
      "400 bad_request",
    ]);
    expect(line.rig.door.streams()).toBe(0);
    expect((await line.rig.ask("GET", "/api/registry/watch")).status).toBe(401);
  });

  it("gives one look with format=json", async () => {
    await using line = await makeWatchRig();
    line.set(1);
    const reply = await line.rig.ask("GET", "/api/registry/watch?format=json", {
      token: "viewer-token",
    });
    expect(await reply.json()).toMatchObject({ revision: 1, messages: [{ type: "snapshot" }] });
  });

  it("ends when the token is revoked, and frees its place (WD3)", async () => {
    await using line = await makeWatchRig();
    line.set(1);
    await using client = await line.watch();
    await client.take(1);
    expect(line.rig.door.streams()).toBe(1);
    line.rig.desk.revoke("viewer-token");
    line.rig.desk.emit({ type: "token.changed", subject: "tok", data: {} });
    line.set(2);
    line.set(3);
    await eventually(() => client.isEnded());
    expect(client.messages.at(-1)?.event).toBe("error");
    await eventually(() => line.rig.door.streams() === 0);
  });
});

const put = (line: WatchRig, header: string, path = "/api/flags/a"): Promise<Response> =>
  line.rig.ask("PUT", path, {
    token: "operator-token",
    body: { value: 1 },
    headers: { "gantry-session": header },
  });

describe("Gantry-Session", () => {
  it("goes to the desk as id, number and hash of the request", async () => {
    await using line = await makeWatchRig();
    line.rig.desk.on("flagSet", () => ({ key: "a", value: 1, revision: 1 }));
    for (const path of ["/api/flags/a", "/api/flags/a", "/api/flags/b"]) {
      expect((await put(line, "ses_1/7", path)).status).toBe(200);
    }
    const [first, again, other] = line.rig.desk.asked.map(({ request }) => request.session);
    expect(first).toMatchObject({ id: "ses_1", seq: 7 });
    expect(again).toEqual(first);
    expect(other?.requestSha256).not.toBe(first?.requestSha256);
  });

  it("is refused where it cannot be read or cannot number the request", async () => {
    await using line = await makeWatchRig();
    for (const header of ["ses_1", "ses_1/0", "/1", "ses 1/1"]) {
      expect((await put(line, header)).status).toBe(400);
    }
    const token = await line.rig.ask("POST", "/api/tokens", {
      token: "admin-token",
      body: { person: "bo", role: "viewer" },
      headers: { "gantry-session": "ses_1/1" },
    });
    expect(token.status).toBe(400);
    expect(line.rig.desk.asked).toEqual([]);
  });
});
