import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { curveKeyPair, Dealer } from "zeromq";
import {
  decodeRefusal,
  encodeFetch,
  openFrame,
  PASS_BYTES,
  type PeerFrameHead,
} from "../peers/codec.ts";
import type { Fetched, PeerLinkHandler } from "../ports.ts";
import type { CurveKeys } from "./hub-keys.ts";
import { ASKED_MAX, PIECE_BYTES } from "./peer-bulk.ts";
import { openPeerLink } from "./peer-link.ts";
import { passesOf } from "./peer-keys.ts";

const WAIT = { timeout: 20_000, interval: 2 };
const NEVER = new AbortController().signal;
const SNAPSHOT: Fetched = { kind: "snapshot", index: 7 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function openHub(hubId: string, handler: Partial<PeerLinkHandler> = {}, bulkPort = 0) {
  const keys: CurveKeys = curveKeyPair();
  const link = await openPeerLink({
    bind: "tcp://127.0.0.1:0",
    bulkPort,
    hubId,
    clusterId: 1n,
    keys,
    clock: systemClock,
    log: silentLogger,
    signal: NEVER,
    handler: {
      received() {},
      posted() {},
      connected() {},
      lost() {},
      piece: async () => undefined,
      ...handler,
    },
  });
  cleanups.push(() => link.close());
  return { keys, link, peer: { id: hubId, address: link.endpoint, publicKey: keys.publicKey } };
}

/** `asker` fetches from `server`, which serves `piece`. */
async function openPair(piece: PeerLinkHandler["piece"], handler: Partial<PeerLinkHandler> = {}) {
  const asker = await openHub("asker", handler);
  const server = await openHub("server", { piece });
  asker.link.use([server.peer]);
  server.link.use([asker.peer]);
  // Each has heard the other, so the asker knows the bulk port.
  await vi.waitFor(() => {
    expect(asker.link.links().get("server")).toMatchObject({ isConnected: true });
    expect(asker.link.links().get("server")?.framesIn).toBeGreaterThan(0);
    expect(server.link.links().get("asker")).toMatchObject({ isConnected: true });
  }, WAIT);
  const fetch = (offset: number, sizeBytes = PIECE_BYTES, signal = NEVER, what = SNAPSHOT) =>
    asker.link.fetch("server", what, offset, sizeBytes, signal);
  return { asker, server, fetch };
}

const fileOf =
  (file: Uint8Array): PeerLinkHandler["piece"] =>
  async (_what, offset, sizeBytes) => ({
    bytes: file.subarray(offset, offset + sizeBytes),
    totalBytes: file.length,
  });

test("a thing is fetched piece by piece, at most 256 KiB at a time, byte for byte", async () => {
  const file = new Uint8Array(1_000_003).map((_, at) => (at * 31) & 255);
  const { fetch } = await openPair(fileOf(file));
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let total = 1; at < total;) {
    const { bytes, totalBytes } = await fetch(at, 10_000_000);
    expect(bytes.length).toBeLessThanOrEqual(PIECE_BYTES);
    parts.push(bytes);
    at += bytes.length;
    total = totalBytes;
  }
  expect(parts).toHaveLength(4);
  expect(Buffer.concat(parts).equals(file)).toBe(true);
});

test("the other hub is asked for exactly this thing, and says so when it has none", async () => {
  const asked: unknown[] = [];
  const { fetch } = await openPair(async (...what) => {
    asked.push(what);
    return undefined;
  });
  const blob: Fetched = { kind: "blob", sha256: "ab".repeat(32) };
  await expect(fetch(2 ** 33, 5, NEVER, blob)).rejects.toMatchObject({ code: "not_found" });
  expect(asked).toEqual([[blob, 2 ** 33, 5]]);
});

test("PB2 PB3: more than the bound is busy, a cancelled fetch ends at once, a late piece is dropped", async () => {
  const waiting: (() => void)[] = [];
  const { fetch } = await openPair(async (_what, offset) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { bytes: Uint8Array.of(offset), totalBytes: 100 };
  });
  const cancel = new AbortController();
  const first = fetch(0, 1, cancel.signal);
  const others = Array.from({ length: ASKED_MAX - 1 }, (_, at) => fetch(at + 1, 1));
  await expect(fetch(99, 1)).rejects.toMatchObject({ code: "busy" });
  await vi.waitFor(() => expect(waiting).toHaveLength(ASKED_MAX), WAIT);
  cancel.abort();
  await expect(first).rejects.toMatchObject({ code: "cancelled" });
  for (const release of waiting) release();
  const bytes = (await Promise.all(others)).map((piece) => piece.bytes[0]);
  expect(bytes).toEqual([1, 2, 3, 4, 5, 6, 7]);
  await expect(fetch(1, 1, cancel.signal)).rejects.toMatchObject({ code: "cancelled" });
});

test("PB3: a server that closes or is removed ends what was asked as unreachable", async () => {
  let isAsked = false;
  const never = new Promise<undefined>(() => {});
  const { asker, fetch } = await openPair(() => {
    isAsked = true;
    return never;
  });
  const open = fetch(0);
  await vi.waitFor(() => expect(isAsked).toBe(true), WAIT);
  asker.link.use([]);
  await expect(open).rejects.toMatchObject({ code: "unreachable" });
  await expect(fetch(0)).rejects.toMatchObject({ code: "unreachable" });
});

test("PB3: the asker's own close ends what it asked", async () => {
  const { asker, fetch } = await openPair(() => new Promise(() => {}));
  const open = fetch(0).catch((error: unknown) => error);
  await asker.link.close();
  expect(await open).toMatchObject({ code: "unreachable" });
});

test("a fault of the server's disk is told and stalls nobody", async () => {
  let isBroken = true;
  const { fetch } = await openPair(async () => {
    if (isBroken) throw new Error("the disk");
    return { bytes: Uint8Array.of(1), totalBytes: 1 };
  });
  await expect(fetch(0)).rejects.toMatchObject({ code: "internal" });
  isBroken = false;
  expect((await fetch(0)).totalBytes).toBe(1);
});

const request = (id: number) => ({ id, what: SNAPSHOT, offset: 0, sizeBytes: 1 });

test("PB2: a member that asks for too much at once is refused, and one without a pass is not heard", async () => {
  let served = 0;
  const { asker, server } = await openPair(() => {
    served += 1;
    return new Promise(() => {});
  });
  const socket = new Dealer({
    linger: 0,
    curveServerKey: server.keys.publicKey,
    curvePublicKey: asker.keys.publicKey,
    curveSecretKey: asker.keys.secretKey,
  });
  cleanups.push(() => socket.close());
  socket.connect(server.link.bulkEndpoint);
  const pass = passesOf(asker.keys, server.keys.publicKey, "0000000000000001").own;
  const head: PeerFrameHead = { clusterId: 1n, pass };
  await socket.send(encodeFetch({ ...head, pass: new Uint8Array(PASS_BYTES) }, request(99)));
  for (let id = 0; id < 40; id += 1) await socket.send(encodeFetch(head, request(id)));
  const refused: number[] = [];
  for await (const [frame] of socket) {
    if (frame === undefined) continue;
    const { id, error } = decodeRefusal(openFrame(frame, 1n).payload);
    expect(error.code).toBe("busy");
    refused.push(id);
    if (refused.length === 24) break;
  }
  expect(refused).toEqual(Array.from({ length: 24 }, (_, at) => at + 16));
  expect(served).toBe(16);
  expect(server.link.counts().framesRefused).toBe(1);
});

test("64 MB do not stand before a heartbeat", async () => {
  const order: ("beat" | "piece")[] = [];
  const piece = new Uint8Array(PIECE_BYTES).fill(1);
  const totalBytes = 67_108_864;
  let beats = 0;
  const { server, fetch } = await openPair(
    async () => {
      beats += 1;
      server.link.send([
        { type: "heartbeat", from: "server", to: "asker", term: 1, commit: 0, read: beats },
      ]);
      return { bytes: piece, totalBytes };
    },
    { received: (messages) => order.push(...messages.map(() => "beat" as const)) },
  );
  let next = 0;
  const pull = async (): Promise<void> => {
    while (next < totalBytes) {
      const at = next;
      next += PIECE_BYTES;
      await fetch(at);
      order.push("piece");
    }
  };
  await Promise.all(Array.from({ length: ASKED_MAX }, pull));
  await vi.waitFor(() => expect(order.filter((what) => what === "beat")).toHaveLength(256), WAIT);
  const gaps = order.join("").split("beat");
  const longest = Math.max(...gaps.map((gap) => gap.length / "piece".length));
  // A heartbeat was sent with each piece; behind one another they could lag by hundreds.
  expect(order.filter((what) => what === "piece")).toHaveLength(256);
  expect(longest).toBeLessThanOrEqual(4 * ASKED_MAX);
});
