// Viewers that do not read: they cost the others nothing, and the hub no memory; what they missed
// they are told, and can read again.

import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect, it } from "vitest";
import { makeSseParser, type SseEvent } from "@gantry/shared/client/sse.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import { PATIENCE_MS, watchEvents } from "./steps.ts";

const CHANGES = 20_000;
const WARM_UP = 4_000;
const SLEEPERS = 20;
const VALUE = "v".repeat(1_000);
// Kept for every sleeper, the events alone would be 20 x 20,000 x 1.3 kB = 520 MB. What may grow:
// the rings of events and watches, the log's memory (8 MB), LevelDB's write buffers (2 x 2 x 32 MB), the
// young generation of a busy hub (3 x 16 MB), garbage that is not collected yet.
const GROWTH_MAX_MB = 400;

it(
  "[M13 M19] 20 readers that sleep through 20,000 changes hold up nobody and are told of their gap",
  { timeout: 4 * PATIENCE_MS },
  async () => {
    await using a = await startAppliance({ parts: ["hub"] });
    using awake = await watchEvents(a);
    const latencyAlone = await change(a, awake, 0, WARM_UP);
    const rssBeforeMb = rssMb(a);

    const sleepers = await Promise.all(Array.from({ length: SLEEPERS }, () => fallAsleep(a)));
    const latencyBeside = await change(a, awake, WARM_UP, CHANGES);
    const growthMb = rssMb(a) - rssBeforeMb;
    await until(
      "every change to be seen",
      () => revisionsOf(awake.seen).size >= WARM_UP + CHANGES,
      PATIENCE_MS,
    );

    expect(latencyBeside / latencyAlone).toBeLessThan(5);
    expect(growthMb).toBeLessThan(GROWTH_MAX_MB);

    const [sleeper] = sleepers;
    const events = await wake(a, sleeper);
    const gap = events.find(({ type }) => type === "gap");
    const { from, to, readAt } = JSON.parse(gap?.data ?? "{}") as {
      from: number;
      to: number;
      readAt: string;
    };
    expect(to - from).toBeGreaterThan(0);
    expect(to - from).toBeLessThanOrEqual(CHANGES);
    const live = events.filter(({ id, type }) => id !== undefined && type !== "gap");
    const seen = revisionsOf(live.map(({ data }) => JSON.parse(data) as LedgerEvent));
    const missed = revisionsOf(await readAgain(a, readAt, to));
    const all = revisionsOf(awake.seen.slice(WARM_UP));
    expect(seen.size).toBeGreaterThanOrEqual(LIMIT.eventRing.max / 2);
    expect([...all].filter((id) => !seen.has(id) && !missed.has(id))).toEqual([]);
    for (const each of sleepers) each?.destroy();
  },
);

/** Positions of the flag changes. */
const revisionsOf = (events: readonly LedgerEvent[]): Set<number> =>
  new Set(events.filter(({ type }) => type === "flag.changed").map(({ id }) => id));

/** Sets flags, 32 at a time; the median time from asking to being seen by the reader, ms. */
async function change(
  a: Appliance,
  awake: { readonly seen: readonly LedgerEvent[] },
  first: number,
  count: number,
): Promise<number> {
  const authorization = `Bearer ${a.token}`;
  const seenBefore = awake.seen.length;
  const samples: number[] = [];
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const key = `slow.${(first + index) % 200}`;
      const startMs = performance.now();
      const reply = await fetch(`${a.url}/api/flags/${key}`, {
        method: "PUT",
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify({ value: VALUE }),
      });
      const { revision } = (await reply.json()) as { revision: number };
      if (index % 100 !== 0) continue;
      await until(
        "the change to be seen",
        () => awake.seen.findLast(({ id }) => id === revision),
        PATIENCE_MS,
      );
      samples.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: 32 }, writer));
  await until("all changes to be seen", () => awake.seen.length >= seenBefore + count, PATIENCE_MS);
  return samples.toSorted((x, y) => x - y)[Math.floor(samples.length / 2)] ?? Number.NaN;
}

function rssMb(a: Appliance): number {
  const status = readFileSync(`/proc/${a.pid("hub")}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
}

/** Opens a stream and stops reading after the head of the reply. */
function fallAsleep(a: Appliance): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const { host, hostname, port } = new URL(a.url);
  const socket = connect(Number(port), hostname, () => {
    socket.write(
      `GET /api/events HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${a.token}\r\n\r\n`,
    );
  });
  socket.on("error", reject);
  socket.once("data", () => {
    socket.pause();
    resolve(socket);
  });
  return promise;
}

/** Reads until the sleeper has come to the present; the events that it got. */
async function wake(a: Appliance, socket: Socket | undefined): Promise<SseEvent[]> {
  const parser = makeSseParser();
  const events: SseEvent[] = [];
  const unchunk = makeUnchunker();
  socket?.on("data", (chunk: Buffer) => events.push(...parser.push(unchunk(chunk))));
  socket?.resume();
  const last = (await a.api("PUT", "/api/flags/slow.last", { value: 1 })).body.revision;
  await until(
    "the sleeper to come to the present",
    () => events.some(({ id }) => id === String(last)),
    PATIENCE_MS,
  );
  return events;
}

/** Takes the lengths out of a body in chunked transfer coding (RFC 9112 7.1). */
function makeUnchunker(): (bytes: Buffer) => Buffer {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const parts: Buffer[] = [];
    for (;;) {
      const end = rest.indexOf("\r\n");
      const size = end === -1 ? Number.NaN : Number.parseInt(rest.subarray(0, end).toString(), 16);
      if (Number.isNaN(size) || rest.length < end + 2 + size + 2) return Buffer.concat(parts);
      parts.push(rest.subarray(end + 2, end + 2 + size));
      rest = rest.subarray(end + 2 + size + 2);
    }
  };
}

/** The events of the gap, from the address that the hub gave, page by page. */
async function readAgain(a: Appliance, readAt: string, to: number): Promise<LedgerEvent[]> {
  const events: LedgerEvent[] = [];
  for (let address: string | undefined = readAt; address !== undefined;) {
    const { body } = await a.api("GET", address);
    const page = body as { events: LedgerEvent[]; next?: number };
    events.push(...page.events);
    const isMore = page.next !== undefined && page.next < to;
    address = isMore ? `/api/events?format=json&since=${page.next}` : undefined;
  }
  return events;
}
