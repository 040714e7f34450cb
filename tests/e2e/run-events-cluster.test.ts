// The events of a run on three real hubs: whoever followed it at one goes on at another.

import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { SocketMessage } from "@gantry/shared/contract/sockets.ts";
import { until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";

const PATIENCE_MS = 90_000;
const PASSES = 12;

interface Told {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: any; // eslint-disable-line typescript/no-explicit-any
}

interface Viewer extends AsyncDisposable {
  readonly told: readonly Told[];
}

/** Reads what the stream of a run tells, from the event after `lastId` on. */
function follow(hub: ClusterHub, cluster: TestCluster, run: string, lastId = "0"): Viewer {
  const end = new AbortController();
  const told: Told[] = [];
  const reading = (async () => {
    const headers = { authorization: `Bearer ${cluster.token}`, "last-event-id": lastId };
    const { signal } = end;
    const reply = await fetch(`${hub.url}/api/runs/${run}/events`, { headers, signal });
    const decoder = new TextDecoder();
    let rest = "";
    for await (const piece of reply.body ?? []) {
      const blocks = (rest + decoder.decode(piece, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const member = (name: string): string | undefined =>
          block
            .split("\n")
            .find((line) => line.startsWith(`${name}: `))
            ?.slice(name.length + 2);
        const data = member("data");
        if (data === undefined) continue;
        told.push({ id: member("id"), event: member("event") ?? "", data: JSON.parse(data) });
      }
    }
  })().catch(() => undefined); // we left, or the hub did
  return {
    told,
    async [Symbol.asyncDispose]() {
      end.abort();
      await reading;
    },
  };
}

/** The same over WebSocket. */
function followSocket(hub: ClusterHub, cluster: TestCluster, run: string, since = "0"): Viewer {
  const told: Told[] = [];
  const url = `${hub.url.replace("http", "ws")}/api/runs/${run}/events?since=${since}`;
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${cluster.token}` } });
  socket.on("message", (text: Buffer) => {
    const { id, event, data } = JSON.parse(text.toString("utf8")) as SocketMessage;
    if (data !== undefined)
      told.push({ id: id === undefined ? undefined : String(id), event, data });
  });
  socket.on("error", () => undefined); // a hub that is not there: nothing is told
  return {
    told,
    async [Symbol.asyncDispose]() {
      socket.terminate();
    },
  };
}

const isEnd = ({ event, data }: Told): boolean =>
  event === "run.changed" && data.data.state === "done";
const keyOf = ({ event, data }: Told): string => `${data.id} ${event} ${JSON.stringify(data.data)}`;

describe("the events of a run on three hubs", () => {
  it("[M70] [M16] go on at another hub after Last-Event-ID, each once, also after the end", async () => {
    await using cluster = await startCluster(3);
    await cluster.leader();
    const [first, second, third] = cluster.hubs;
    if (first === undefined || second === undefined || third === undefined)
      throw new Error("three");
    const waits = Object.fromEntries(
      Array.from({ length: PASSES }, (_, n) => [`w${n}`, { type: "timer", delayMs: 150 }]),
    );
    const edges = Array.from({ length: PASSES - 1 }, (_, n) => ({
      from: `w${n}`,
      to: `w${n + 1}`,
    }));
    const run: string = await until(
      "the run to be taken",
      async () => {
        const body = { graph: { nodes: waits, edges } };
        const headers = { "idempotency-key": "start" };
        const reply = await first.api("POST", "/api/runs", body, headers).catch(() => undefined);
        return reply?.body.run?.id;
      },
      PATIENCE_MS,
    );
    await using here = follow(first, cluster, run);
    await until("some events", () => here.told.length >= 5, PATIENCE_MS);
    const seen = [...here.told];
    await here[Symbol.asyncDispose]();
    const at = seen.findLastIndex(({ id }) => id !== undefined);
    await using there = follow(second, cluster, run, seen[at]?.id);
    await until("the end, at another hub", () => there.told.some(isEnd), PATIENCE_MS);
    await using later = follow(third, cluster, run);
    await until("all of it, at the third", () => later.told.some(isEnd), PATIENCE_MS);
    await using byWire = followSocket(third, cluster, run, seen[at]?.id);
    await until("the rest, by WebSocket", () => byWire.told.some(isEnd), PATIENCE_MS);
    expect(byWire.told).toEqual(there.told);
    const joined = [...seen.slice(0, at + 1), ...there.told].map(keyOf);
    expect(joined).toEqual(later.told.map(keyOf));
    expect(new Set(joined).size).toBe(joined.length);
    const fired = later.told.filter(({ event, data }) => event === "run.node" && data.data.place);
    expect(new Set(fired.map(({ data }) => data.data.place)).size).toBe(PASSES);
  }, 180_000);
});
