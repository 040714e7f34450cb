import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { Context, curveKeyPair, Dealer } from "zeromq";
import type { Message } from "../consensus/types.ts";
import { encodePosts, PASS_BYTES, type PeerFrameHead } from "../peers/codec.ts";
import { encodeMessages } from "../peers/message-codec.ts";
import type { Peer, PeerLinkHandler } from "../ports.ts";
import type { CurveKeys } from "./hub-keys.ts";
import { openPeerLink, type OpenPeerLink, type PeerLinkOptions } from "./peer-link.ts";
import { passesOf } from "./peer-keys.ts";

const WAIT = { timeout: 20_000, interval: 2 };
const CLUSTER = 0x1234n;
const CLUSTER_TEXT = "0000000000001234";
const CHILD = join(import.meta.dirname, "..", "peers", "testing", "peer-child.ts");

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Hub {
  readonly id: string;
  readonly keys: CurveKeys;
  readonly link: OpenPeerLink;
  readonly told: string[];
  readonly received: Message[];
  readonly posted: [from: string, body: unknown][];
  readonly peer: Peer;
}

async function openHub(
  id: string,
  changes: Partial<PeerLinkOptions> & { readonly handler?: Partial<PeerLinkHandler> } = {},
): Promise<Hub> {
  const keys = changes.keys ?? curveKeyPair();
  const told: string[] = [];
  const received: Message[] = [];
  const posted: [string, unknown][] = [];
  const link = await openPeerLink({
    bind: "tcp://127.0.0.1:0",
    hubId: id,
    clusterId: CLUSTER,
    clock: systemClock,
    log: silentLogger,
    signal: new AbortController().signal,
    ...changes,
    keys,
    handler: {
      received: (messages) => void received.push(...messages),
      posted: (from, body) => void posted.push([from, body]),
      connected: (hub) => void told.push(`connected ${hub}`),
      lost: (hub) => void told.push(`lost ${hub}`),
      piece: async () => undefined,
      ...changes.handler,
    },
  });
  cleanups.push(() => link.close());
  const peer = { id, address: link.endpoint, publicKey: keys.publicKey };
  return { id, keys, link, told, received, posted, peer };
}

async function openPair(): Promise<[Hub, Hub]> {
  const [one, two] = [await openHub("hub-1"), await openHub("hub-2")];
  one.link.use([two.peer]);
  two.link.use([one.peer]);
  await linked(one, two);
  return [one, two];
}

const linked = (...hubs: Hub[]): Promise<void> =>
  vi.waitFor(() => {
    for (const { id, link } of hubs) {
      for (const other of hubs) {
        if (other.id !== id) expect(link.links().get(other.id)?.isConnected).toBe(true);
      }
    }
  }, WAIT);

const heartbeat = (from: string, to: string, read = 0): Message => ({
  type: "heartbeat",
  from,
  to,
  term: 1,
  commit: 0,
  read,
});

/** A client with any keys: it says what it likes. */
function stranger(hub: Hub, keys: CurveKeys, options: object = {}) {
  const events: string[] = [];
  const socket = new Dealer({
    context: new Context(),
    linger: 0,
    curveServerKey: hub.keys.publicKey,
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
    ...options,
  });
  cleanups.push(() => socket.close());
  for (const name of ["handshake", "disconnect", "handshake:error:auth"] as const) {
    socket.events.on(name, () => events.push(name));
  }
  socket.connect(hub.link.endpoint);
  return { socket, events };
}

const headOf = (own: CurveKeys, to: Hub, clusterId = CLUSTER): PeerFrameHead => ({
  clusterId,
  pass: passesOf(own, to.keys.publicKey, CLUSTER_TEXT).own,
});
const postFrame = (head: PeerFrameHead, body: unknown): Buffer => {
  const [frame] = encodePosts(head, [JSON.stringify(body)]);
  if (frame === undefined) throw new Error("no frame");
  return frame;
};

async function spawnPeer(hubId: string, keys: CurveKeys, bind: string, peers: readonly Peer[]) {
  const options = JSON.stringify({ hubId, clusterId: `${CLUSTER}`, keys, bind, peers });
  const child: ChildProcess = spawn(process.execPath, [CHILD, options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanups.push(() => child.kill("SIGKILL"));
  if (child.stdout === null) throw new Error("no stdout");
  const [address] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, peer: { id: hubId, address, publicKey: keys.publicKey } };
}

test("two hubs exchange messages and posts, in order, with the sender proven", async () => {
  const [one, two] = await openPair();
  for (let read = 0; read < 500; read += 1) {
    expect(one.link.send([heartbeat("hub-1", "hub-2", read)])).toEqual([]);
    expect(one.link.post("hub-2", { read })).toBe("sent");
  }
  await vi.waitFor(() => expect(two.posted).toHaveLength(500), WAIT);
  expect(two.received).toEqual(
    Array.from({ length: 500 }, (_, read) => heartbeat("hub-1", "hub-2", read)),
  );
  expect(two.posted).toEqual(Array.from({ length: 500 }, (_, read) => ["hub-1", { read }]));
  expect(one.told).toEqual(["connected hub-2"]);
  const facts = two.link.links().get("hub-1");
  expect(facts?.heardAgoMs).toBeGreaterThanOrEqual(0);
  expect(one.link.send([heartbeat("hub-1", "hub-9")])).toEqual(["hub-9"]);
  expect(one.link.post("hub-9", 1)).toBe("absent");
});

test("PS2: all messages of one turn leave in one frame for each receiver", async () => {
  const [one, two] = await openPair();
  await vi.waitFor(() => expect(two.link.links().get("hub-1")?.framesIn).toBeGreaterThan(0), WAIT);
  const before = one.link.counts().framesOut;
  for (let read = 0; read < 50; read += 1) one.link.send([heartbeat("hub-1", "hub-2", read)]);
  await vi.waitFor(() => expect(two.received).toHaveLength(50), WAIT);
  // A `hello` may fall into this time.
  expect(one.link.counts().framesOut - before).toBeLessThanOrEqual(2);
});

test("a killed process is seen by its broken connection, and its next start is linked again", async () => {
  const one = await openHub("hub-1");
  const keys = curveKeyPair();
  const first = await spawnPeer("hub-2", keys, "tcp://127.0.0.1:0", [one.peer]);
  one.link.use([first.peer]);
  await vi.waitFor(() => expect(one.told).toEqual(["connected hub-2"]), WAIT);
  await vi.waitFor(() => {
    one.link.post("hub-2", "echo");
    expect(one.posted.length).toBeGreaterThan(0);
  }, WAIT);
  first.child.kill("SIGKILL");
  await vi.waitFor(() => expect(one.told).toEqual(["connected hub-2", "lost hub-2"]), WAIT);
  expect(one.link.send([heartbeat("hub-1", "hub-2")])).toEqual(["hub-2"]);
  expect(one.link.post("hub-2", "nobody")).toBe("absent");
  one.posted.length = 0;
  await spawnPeer("hub-2", keys, first.peer.address, [one.peer]);
  await vi.waitFor(() => expect(one.told.at(-1)).toBe("connected hub-2"), WAIT);
  await vi.waitFor(() => {
    one.link.post("hub-2", "again");
    expect(one.posted).toContainEqual(["hub-2", "again"]);
  }, WAIT);
  expect(one.posted).not.toContainEqual(["hub-2", "nobody"]);
});

test("PL2: a key that is not in use gets no connection, and gets one once it is", async () => {
  const one = await openHub("hub-1");
  const two = await openHub("hub-2");
  two.link.use([one.peer]);
  await vi.waitFor(() => expect(one.link.counts().handshakesDenied).toBeGreaterThan(0), WAIT);
  expect(two.told).toEqual([]);
  one.link.use([two.peer]);
  await linked(one, two);
});

test("a hub that holds another key than the membership says is never linked, and is once it is mended", async () => {
  const one = await openHub("hub-1");
  const two = await openHub("hub-2");
  two.link.use([one.peer]);
  one.link.use([{ ...two.peer, publicKey: curveKeyPair().publicKey }]);
  await vi.waitFor(() => expect(two.link.counts().handshakesDenied).toBeGreaterThan(1), WAIT);
  expect(one.told).toEqual([]);
  one.link.use([two.peer]);
  await linked(one, two);
});

test("a peer that holds a wrong key at first is redialled until it has the right one", async () => {
  const one = await openHub("hub-1");
  const wrong = await openHub("hub-2");
  const keys = curveKeyPair();
  one.link.use([{ id: "hub-2", address: wrong.link.endpoint, publicKey: keys.publicKey }]);
  await vi.waitFor(() => expect(wrong.link.counts().handshakesDenied).toBeGreaterThan(1), WAIT);
  const bind = wrong.link.endpoint;
  await wrong.link.close();
  const right = await vi.waitFor(() => openHub("hub-2", { keys, bind }), WAIT);
  right.link.use([one.peer]);
  await linked(one, right);
});

test("PL1: a member cannot speak for another, whatever it puts into its frames", async () => {
  const [one, two] = await openPair();
  const three = await openHub("hub-3");
  one.link.use([two.peer, three.peer]);
  const { socket, events } = stranger(one, three.keys, { routingId: "hub-2" });
  await vi.waitFor(() => expect(events).toContain("handshake"), WAIT);
  const refused = one.link.counts().framesRefused;
  await socket.send(postFrame({ clusterId: CLUSTER, pass: new Uint8Array(PASS_BYTES) }, "none"));
  await socket.send(postFrame(headOf(three.keys, two), "made for another receiver"));
  await socket.send(
    postFrame(
      { clusterId: CLUSTER, pass: passesOf(three.keys, two.keys.publicKey, CLUSTER_TEXT).theirs },
      "the other direction",
    ),
  );
  const [vote] = encodeMessages(
    headOf(three.keys, one),
    [
      {
        type: "voted",
        from: "hub-2",
        to: "hub-1",
        term: 7,
        isPre: false,
        isGranted: true,
        commit: 5,
        commitTerm: 2,
      },
    ],
    () => {},
  );
  await socket.send(vote ?? null);
  await vi.waitFor(() => expect(one.received).toHaveLength(1), WAIT);
  expect(one.received[0]?.from).toBe("hub-3"); // not what it claimed
  expect(one.link.counts().framesRefused - refused).toBe(3);
  expect(one.posted).toEqual([]);
});

test("a frame of another cluster is refused", async () => {
  const [one, two] = await openPair();
  const foreign = stranger(one, two.keys);
  await foreign.socket.send(postFrame(headOf(two.keys, one, CLUSTER + 1n), "foreign"));
  await foreign.socket.send(postFrame(headOf(two.keys, one), "ours"));
  await vi.waitFor(() => expect(one.posted).toEqual([["hub-2", "ours"]]), WAIT);
  expect(one.link.counts().framesRefused).toBe(1);
});

test("PL2 PL6: a removed hub is cut off at once: told lost, its frames dropped, its key refused", async () => {
  const [one, two] = await openPair();
  one.link.use([]);
  expect(one.told).toEqual(["connected hub-2", "lost hub-2"]);
  expect([...one.link.links().keys()]).toEqual([]);
  const refused = one.link.counts().framesRefused;
  two.link.post("hub-1", "I am still here");
  await vi.waitFor(() => expect(one.link.counts().framesRefused).toBeGreaterThan(refused), WAIT);
  expect(one.posted).toEqual([]);
  const late = stranger(one, two.keys);
  await vi.waitFor(() => expect(late.events).toContain("handshake:error:auth"), WAIT);
});

test("a hub replaced by one of the same id with other keys at another address takes its place", async () => {
  const [one, two] = await openPair();
  const other = await openHub("hub-2");
  other.link.use([one.peer]);
  one.link.use([other.peer]);
  await linked(one, other);
  expect(one.told).toEqual(["connected hub-2", "lost hub-2", "connected hub-2"]);
  two.link.post("hub-1", "the old one");
  other.link.post("hub-1", "the new one");
  await vi.waitFor(() => expect(one.posted).toEqual([["hub-2", "the new one"]]), WAIT);
});

test("PL4: a hub that stands still fills only its own link, and what is dropped is said", async () => {
  const one = await openHub("hub-1");
  const two = await openHub("hub-2");
  const stuck = await spawnPeer("hub-3", curveKeyPair(), "tcp://127.0.0.1:0", [one.peer]);
  one.link.use([two.peer, stuck.peer]);
  two.link.use([one.peer]);
  await vi.waitFor(() => expect(one.told).toContain("connected hub-3"), WAIT);
  await linked(one, two);
  stuck.child.kill("SIGSTOP");
  const filler = "x".repeat(200_000);
  let isFull = false;
  let sent = 0;
  for (let turn = 0; turn < 2_000 && !isFull; turn += 1) {
    isFull = one.link.post("hub-3", filler) !== "sent";
    const [absent = "none"] = one.link.send([heartbeat("hub-1", "hub-2", turn)]);
    expect(absent).toBe("none");
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(isFull).toBe(true); // full, or absent once ZeroMQ's own heartbeat gave it up
  await vi.waitFor(() => expect(two.received).toHaveLength(sent), WAIT);
  await vi.waitFor(() => expect(one.told).toContain("lost hub-3"), WAIT);
  stuck.child.kill("SIGCONT");
  await vi.waitFor(() => expect(one.told.at(-1)).toBe("connected hub-3"), WAIT);
});

test("PL3: garbage, odd parts, bombs and a flood are dropped, counted, and stall nobody", async () => {
  const [one, two] = await openPair();
  const three = await openHub("hub-3");
  one.link.use([two.peer, three.peer]);
  const { socket, events } = stranger(one, three.keys, { sendHighWaterMark: 0 });
  await vi.waitFor(() => expect(events).toContain("handshake"), WAIT);
  const frame = postFrame(headOf(three.keys, one), "flood");
  await socket.send(Buffer.alloc(0));
  await socket.send([frame, "a second part"]);
  for (let count = 0; count < 20_000; count += 1) {
    await socket.send(count % 2 === 0 ? frame.subarray(0, count % frame.length) : "garbage");
    if (count % 1_000 === 0) two.link.post("hub-1", count);
  }
  await vi.waitFor(() => expect(one.posted).toHaveLength(20), WAIT);
  await vi.waitFor(() => expect(one.link.counts().framesRefused).toBe(20_002), WAIT);
  await socket.send(Buffer.alloc(10 * 1_048_576));
  await vi.waitFor(() => expect(events).toContain("disconnect"), WAIT);
  two.link.post("hub-1", "alive");
  await vi.waitFor(() => expect(one.posted.at(-1)).toEqual(["hub-2", "alive"]), WAIT);
});

test("an address or key that is none is logged and stops nobody", async () => {
  const [one, two] = await openPair();
  const lines: string[] = [];
  const three = await openHub("hub-3", {
    log: { ...silentLogger, error: (_fields, message) => void lines.push(message) },
  });
  one.link.use([two.peer, three.peer]);
  three.link.use([
    { ...two.peer, id: "hub-8", address: "" },
    { ...two.peer, id: "hub-9", publicKey: "no key" },
    one.peer,
  ]);
  await linked(one, three);
  expect(lines).toHaveLength(2);
  expect(three.link.links().get("hub-8")?.isConnected).toBe(false);
});

test("a port in use is named, and an address that is none too", async () => {
  const one = await openHub("hub-1");
  await expect(openHub("hub-2", { bind: one.link.endpoint })).rejects.toMatchObject({
    code: "port_busy",
    message: expect.stringContaining(one.link.endpoint) as string,
  });
  await expect(openHub("hub-2", { bind: "tcp://nowhere" })).rejects.toMatchObject({
    code: "bad_config",
  });
});

test("PL6: close is clean: nothing is told, all promises end, the port is free again", async () => {
  const [one, two] = await openPair();
  const bind = one.link.endpoint;
  one.link.post("hub-2", "last");
  await Promise.all([one.link.close(), one.link.close()]);
  expect(one.told).toEqual(["connected hub-2"]);
  await vi.waitFor(() => expect(two.told.at(-1)).toBe("lost hub-1"), WAIT);
  expect(one.link.send([heartbeat("hub-1", "hub-2")])).toEqual(["hub-2"]);
  one.link.use([two.peer]);
  expect(one.link.links().size).toBe(0);
  const again = await vi.waitFor(() => openHub("hub-1", { bind, keys: one.keys }), WAIT);
  again.link.use([two.peer]);
  await linked(again, two);
});

test("close leaves nothing that keeps a process alive", async () => {
  const code = `
    const { openPeerLink } = await import(${JSON.stringify(join(import.meta.dirname, "peer-link.ts"))});
    const { systemClock } = await import("@gantry/shared/flow/clock.ts");
    const { silentLogger } = await import("@gantry/shared/flow/logger.ts");
    const { curveKeyPair } = await import("zeromq");
    const open = async (hubId) => {
      const keys = curveKeyPair();
      const handler = { received() {}, posted() {}, connected: (hub) => resolveUp(hub), lost() {}, piece: async () => undefined };
      let resolveUp;
      const up = new Promise((resolve) => { resolveUp = resolve; });
      const link = await openPeerLink({ bind: "tcp://127.0.0.1:0", hubId, clusterId: 1n, keys, handler,
        clock: systemClock, log: silentLogger, signal: new AbortController().signal });
      return { link, up, peer: { id: hubId, address: link.endpoint, publicKey: keys.publicKey } };
    };
    const [one, two] = [await open("a"), await open("b")];
    one.link.use([two.peer]);
    two.link.use([one.peer]);
    await Promise.all([one.up, two.up]);
    one.link.post("b", "unsent");
    await Promise.all([one.link.close(), two.link.close()]);
    console.log("closed");
  `;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanups.push(() => child.kill("SIGKILL"));
  const chunks: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => chunks.push(bytes));
  const [exitCode] = (await once(child, "exit")) as [number | null];
  expect(Buffer.concat(chunks).toString()).toBe("closed\n");
  expect(exitCode).toBe(0);
});
