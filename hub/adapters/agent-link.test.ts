import { randomBytes } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import {
  decodeLinkFrame,
  encodeLinkFrame,
  type LinkFrame,
  NO_SESSION,
} from "@gantry/shared/contract/frames.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { curveKeyPair, Dealer } from "zeromq";
import type { AgentLinkHandler } from "../ports.ts";
import { openAgentLink, type OpenAgentLink } from "./agent-link.ts";
import type { AgentLinkOptions } from "./agent-link-options.ts";

const WAIT = { timeout: 4_000, interval: 5 };
const nodeKeys = curveKeyPair();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A hub that lets `nodeKeys` in and writes down what it was told. */
function recordingHandler(changes: Partial<AgentLinkHandler> = {}) {
  const told: string[] = [];
  const received: NodeMessage[] = [];
  const handler: AgentLinkHandler = {
    allows: (key) => key === nodeKeys.publicKey,
    enrol: async () => ({ type: "enrolled", node: "node_1" }),
    hello: async () => undefined,
    joined: (node, bootId) => void told.push(`joined ${node} ${bootId}`),
    received: (_node, messages) => void received.push(...messages),
    beat: () => "ok",
    left: (node, why) => void told.push(`left ${node} ${why}`),
    ...changes,
  };
  return { handler, told, received };
}

async function openHub(
  changes: Partial<AgentLinkHandler> = {},
  options: Partial<AgentLinkOptions> = {},
) {
  const { handler, told, received } = recordingHandler(changes);
  const keys = curveKeyPair();
  const link = await openAgentLink({
    bind: "tcp://127.0.0.1:0",
    keys,
    handler,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    signal: new AbortController().signal,
    ...options,
  });
  cleanups.push(() => link.close());
  return { link, told, received };
}

interface Peer {
  readonly socket: Dealer;
  readonly frames: LinkFrame[];
  readonly events: string[];
  readonly messages: () => HubMessage[];
  readonly say: (session: Uint8Array, ...messages: unknown[]) => Promise<void>;
}

/** `curve` empty: a client that speaks the NULL mechanism. */
function connect(
  link: OpenAgentLink,
  options: object = {},
  curve: object = {
    curveServerKey: link.publicKey,
    curvePublicKey: nodeKeys.publicKey,
    curveSecretKey: nodeKeys.secretKey,
  },
): Peer {
  const socket = new Dealer({ linger: 0, ...curve, ...options });
  cleanups.push(() => socket.close());
  const frames: LinkFrame[] = [];
  const events: string[] = [];
  for (const name of ["handshake", "disconnect"] as const) {
    socket.events.on(name, () => events.push(name));
  }
  void (async () => {
    for await (const [bytes] of socket) {
      if (bytes !== undefined) frames.push(decodeLinkFrame(bytes));
    }
  })();
  socket.connect(link.endpoint);
  return {
    socket,
    frames,
    events,
    messages: () => frames.flatMap(({ messages }) => messages as HubMessage[]),
    say: (session, ...messages) => socket.send(encodeLinkFrame(session, messages)),
  };
}

const hello = (bootId = "boot_1", node = "node_1") => ({
  type: "hello",
  node,
  secret: "secret",
  bootId,
  labels: {},
  capabilities: { models: [], commands: [], printers: [] },
  holds: [],
});

const sessionOf = (peer: Peer): Uint8Array => {
  const welcome = peer.messages().findLast(({ type }) => type === "welcome");
  if (welcome?.type !== "welcome") throw new Error("no welcome yet");
  return Uint8Array.from(Buffer.from(welcome.session, "hex"));
};

async function join(link: OpenAgentLink, bootId?: string): Promise<Peer & { session: Uint8Array }> {
  const peer = connect(link);
  await peer.say(NO_SESSION, hello(bootId));
  const session = await vi.waitFor(() => sessionOf(peer), WAIT);
  return { ...peer, session };
}

test("[A44] an enrolled node says hello, is welcome, and talks in its session", async () => {
  const { link, told, received } = await openHub();
  const peer = await join(link);
  expect(told).toEqual(["joined node_1 boot_1"]);
  expect(peer.session).toHaveLength(16);
  await peer.say(peer.session, { type: "beat", seq: 7, digest: "d" });
  await peer.say(peer.session, { type: "chunk", id: "r", text: "hi" });
  await vi.waitFor(() => {
    expect(peer.messages()).toContainEqual({ type: "beat", seq: 7, answer: "ok" });
    expect(received).toEqual([{ type: "chunk", id: "r", text: "hi" }]);
  }, WAIT);
  expect([...link.heard().keys()]).toEqual(["node_1"]);
});

test("a node enrols before it has a session", async () => {
  const { link } = await openHub();
  const peer = connect(link);
  const enrol = { type: "enrol", code: "c", name: "n", publicKey: "k", secret: "s" };
  await peer.say(NO_SESSION, enrol);
  await vi.waitFor(
    () => expect(peer.messages()).toEqual([{ type: "enrolled", node: "node_1" }]),
    WAIT,
  );
});

test("all messages of one turn leave in one frame, and a large batch in frames within bounds", async () => {
  const { link } = await openHub();
  const peer = await join(link);
  const before = peer.frames.length;
  for (let index = 0; index < 50; index += 1) {
    expect(link.send("node_1", [{ type: "cancel", id: `${index}` }])).toBe("sent");
  }
  await vi.waitFor(() => expect(peer.messages()).toHaveLength(51), WAIT);
  expect(peer.frames.length - before).toBe(1);
  const piece = { type: "piece", sha256: "s", offset: 0, isLast: false } as const;
  const bytes = "a".repeat(350_000);
  link.send(
    "node_1",
    Array.from({ length: 30 }, () => ({ ...piece, bytes })),
  );
  await vi.waitFor(() => expect(peer.messages()).toHaveLength(81), WAIT);
  expect(peer.frames.length - before).toBe(1 + 4);
});

test("a stop goes before what is queued, and a full queue takes nothing", async () => {
  const { link } = await openHub();
  const peer = await join(link);
  const cancels: HubMessage[] = Array.from({ length: 4_095 }, () => ({ type: "cancel", id: "x" }));
  expect(link.send("node_1", cancels)).toBe("sent");
  expect(link.send("node_1", [{ type: "stop", id: "s" }])).toBe("sent");
  expect(link.send("node_1", [{ type: "cancel", id: "y" }])).toBe("full");
  await vi.waitFor(() => expect(peer.messages()).toHaveLength(1 + 4_096), WAIT);
  expect(peer.messages()[1]).toEqual({ type: "stop", id: "s" });
  expect(link.send("node_2", [{ type: "stop", id: "s" }])).toBe("absent");
});

test("an unknown key, a wrong hub key and a client without CURVE never get in", async () => {
  const { link, told } = await openHub();
  const stranger = curveKeyPair();
  const peers = [
    connect(link, { curvePublicKey: stranger.publicKey, curveSecretKey: stranger.secretKey }),
    connect(link, { curveServerKey: stranger.publicKey, reconnectInterval: -1 }),
    connect(link, { reconnectInterval: -1 }, {}),
  ];
  for (const peer of peers) void peer.say(NO_SESSION, hello()).catch(() => {});
  await vi.waitFor(() => expect(link.counts().handshakesDenied).toBeGreaterThanOrEqual(3), WAIT);
  expect(peers.flatMap(({ events }) => events)).not.toContain("handshake");
  expect(told).toEqual([]);
  expect(link.counts().framesIn).toBe(0);
});

test("AL1: a wrong, a missing and a stolen session secret are dropped, counted and answered unknown", async () => {
  const { link, received } = await openHub();
  const peer = await join(link);
  const thief = connect(link);
  await thief.say(randomBytes(16), { type: "chunk", id: "r", text: "wrong" });
  await thief.say(NO_SESSION, { type: "chunk", id: "r", text: "none" });
  await thief.say(peer.session, { type: "chunk", id: "r", text: "replayed from another route" });
  await vi.waitFor(() => expect(link.counts().framesRefused).toBe(3), WAIT);
  const unknown = { type: "beat", seq: 0, answer: "unknown" };
  await vi.waitFor(() => expect(thief.messages()).toContainEqual(unknown), WAIT);
  expect(received).toEqual([]);
  await peer.say(peer.session, { type: "chunk", id: "r", text: "mine" });
  await vi.waitFor(() => expect(received).toHaveLength(1), WAIT);
});

test("AL2: a client that asks for the routing id of another cannot take its route", async () => {
  const { link } = await openHub();
  const first = connect(link, { routingId: "node_1" });
  await first.say(NO_SESSION, hello());
  await vi.waitFor(() => sessionOf(first), WAIT);
  const thief = connect(link, { routingId: "node_1" });
  await vi.waitFor(() => expect(thief.events).toContain("handshake"), WAIT);
  void thief.say(NO_SESSION, hello("boot_2")).catch(() => {});
  link.send("node_1", [{ type: "cancel", id: "for the first" }]);
  await vi.waitFor(
    () => expect(first.messages()).toContainEqual({ type: "cancel", id: "for the first" }),
    WAIT,
  );
  expect(thief.messages()).toEqual([]);
});

test("AL3: garbage, foreign versions, odd parts and frames of 10 MB are refused and the rest goes on", async () => {
  const { link, received } = await openHub();
  const peer = await join(link);
  const random = seededRandom(20_261_121);
  const valid = Buffer.from(encodeLinkFrame(peer.session, [{ type: "chunk", id: "r", text: "x" }]));
  for (let round = 0; round < 300; round += 1) {
    const mangled = Buffer.from(valid);
    const at = Math.floor(random() * mangled.length);
    mangled[at] = (mangled[at] ?? 0) ^ (1 + Math.floor(random() * 255));
    const cut = mangled.subarray(0, Math.floor(random() * (mangled.length + 1)));
    await peer.socket.send(round % 3 === 0 ? mangled : cut);
  }
  await peer.socket.send([valid, "a second part"]);
  for (const odd of [null, 7, [], { type: "nobody" }, { type: "chunk", id: 1 }, hello()]) {
    await peer.say(peer.session, odd);
  }
  const bomb = connect(link);
  await vi.waitFor(() => expect(bomb.events).toContain("handshake"), WAIT);
  await bomb.socket.send(Buffer.alloc(10 * 1_048_576));
  await vi.waitFor(() => expect(bomb.events).toContain("disconnect"), WAIT);
  received.length = 0;
  await peer.say(peer.session, { type: "chunk", id: "last", text: "alive" });
  await vi.waitFor(
    () => expect(received).toContainEqual({ type: "chunk", id: "last", text: "alive" }),
    WAIT,
  );
  expect(link.counts().framesRefused).toBeGreaterThan(200);
});

test("AL5: a newer start supersedes the older one, which is told", async () => {
  const { link, told } = await openHub();
  const older = await join(link, "boot_1");
  const newer = await join(link, "boot_2");
  expect(told).toEqual(["joined node_1 boot_1", "left node_1 superseded", "joined node_1 boot_2"]);
  await vi.waitFor(
    () => expect(older.messages().at(-1)).toMatchObject({ error: { code: "superseded" } }),
    WAIT,
  );
  link.send("node_1", [{ type: "cancel", id: "c" }]);
  await vi.waitFor(() => expect(newer.messages().at(-1)).toMatchObject({ id: "c" }), WAIT);
});

test("AL5: of two hellos at once, the one that arrived later wins even if judged first", async () => {
  const judged = new Map<string, () => void>();
  const { link, told } = await openHub({
    hello: ({ bootId }) =>
      new Promise((resolve) => {
        judged.set(bootId, () => resolve(undefined));
      }),
  });
  const first = connect(link);
  await first.say(NO_SESSION, hello("boot_1"));
  await vi.waitFor(() => expect(judged.has("boot_1")).toBe(true), WAIT);
  const second = connect(link);
  await second.say(NO_SESSION, hello("boot_2"));
  await vi.waitFor(() => expect(judged.has("boot_2")).toBe(true), WAIT);
  judged.get("boot_2")?.();
  await vi.waitFor(() => expect(told).toEqual(["joined node_1 boot_2"]), WAIT);
  judged.get("boot_1")?.();
  await vi.waitFor(() => expect(first.messages()).toMatchObject([{ type: "denied" }]), WAIT);
  expect(told).toEqual(["joined node_1 boot_2"]);
});

test("a dropped node is out at once: its frames are unknown, its next hello is judged anew", async () => {
  let isRemoved = false;
  const denied = {
    type: "denied",
    error: { code: "forbidden", message: "This node was removed" },
  } as const;
  const { link, told, received } = await openHub({
    hello: async () => (isRemoved ? denied : undefined),
  });
  const peer = await join(link);
  isRemoved = true;
  link.drop("node_1");
  expect(told.at(-1)).toBe("left node_1 dropped");
  await peer.say(peer.session, { type: "chunk", id: "r", text: "x" });
  await peer.say(NO_SESSION, hello());
  await vi.waitFor(() => expect(peer.messages().at(-1)).toEqual(denied), WAIT);
  expect(received).toEqual([]);
});

test("[S19] [S52] AL4: a silent node is left after the lease, one that beats stays", async () => {
  const { link, told } = await openHub({}, { leaseMs: 300 });
  const peer = await join(link);
  const untilMs = performance.now() + 900;
  for (let seq = 1; performance.now() < untilMs; seq += 2) {
    await peer.say(peer.session, { type: "beat", seq, digest: "d" });
    const answer = { type: "beat", seq, answer: "ok" };
    await vi.waitFor(() => expect(peer.messages().at(-1)).toEqual(answer), WAIT);
  }
  expect(told).toEqual(["joined node_1 boot_1"]);
  const fromMs = performance.now();
  await vi.waitFor(() => expect(told.at(-1)).toBe("left node_1 silent"), WAIT);
  expect(performance.now() - fromMs).toBeLessThan(1_000);
});

test("AL7: of beats that say nothing new every second is answered; news always", async () => {
  const answers = ["ok", "ok", "mismatch", "ok"] as const;
  let beats = 0;
  const { link } = await openHub({ beat: () => answers[beats++] ?? "ok" });
  const peer = await join(link);
  for (const seq of [1, 2, 4, 5]) {
    await peer.say(peer.session, { type: "beat", seq, digest: "d" });
  }
  await vi.waitFor(
    () =>
      expect(peer.messages().filter(({ type }) => type === "beat")).toEqual([
        { type: "beat", seq: 1, answer: "ok" },
        { type: "beat", seq: 4, answer: "mismatch" },
        { type: "beat", seq: 5, answer: "ok" },
      ]),
    WAIT,
  );
});

test("AL6: a hub that does not lead opens no session, and says who leads and where", async () => {
  const hubs = [{ id: "hub_2", address: "tcp://127.0.0.1:1", publicKey: "k".repeat(40) }];
  let isLeading = false;
  const asked: string[] = [];
  const { link, told } = await openHub(
    {
      hello: async () => {
        asked.push("hello");
        return undefined;
      },
      enrol: async () => {
        asked.push("enrol");
        return { type: "enrolled", node: "node_1" };
      },
    },
    { leading: () => ({ isLeading, leaderId: "hub_2" }), hubs: () => hubs },
  );
  const peer = connect(link);
  const refusal = [
    { type: "hubs", hubs },
    { type: "denied", error: { code: "not_leader", details: { hub: "hub_2" } } },
  ];
  await peer.say(NO_SESSION, hello());
  await vi.waitFor(() => expect(peer.messages()).toMatchObject(refusal), WAIT);
  await peer.say(NO_SESSION, { type: "enrol", code: "c", name: "n", publicKey: "k", secret: "s" });
  await vi.waitFor(() => expect(peer.messages()).toMatchObject([...refusal, ...refusal]), WAIT);
  expect([asked, told]).toEqual([[], []]);

  isLeading = true; // elected
  await peer.say(NO_SESSION, hello());
  await vi.waitFor(
    () => expect(peer.messages().at(-1)).toMatchObject({ type: "welcome", hubs }),
    WAIT,
  );
});

test("AL6: a node that asked while nobody led hears of the leader as soon as there is one, once", async () => {
  const { link } = await openHub({}, { leading: () => ({ isLeading: false }) });
  const peer = connect(link);
  await peer.say(NO_SESSION, hello());
  const denied = { type: "denied", error: { code: "not_leader" } };
  await vi.waitFor(() => expect(peer.messages()).toMatchObject([denied]), WAIT);
  link.announce("hub_2");
  link.announce("hub_2");
  await peer.say(NO_SESSION, hello());
  const heard = [denied, { type: "notLeader", hub: "hub_2" }, denied];
  await vi.waitFor(() => expect(peer.messages()).toMatchObject(heard), WAIT);
});

test("AL6: a hub that steps down tells every node, ends its session, and takes no word of it any more", async () => {
  const { link, told, received } = await openHub();
  const peer = await join(link);
  link.tellHubs();
  await vi.waitFor(() => expect(peer.messages().at(-1)).toEqual({ type: "hubs", hubs: [] }), WAIT);
  link.dropAll("hub_3");
  await vi.waitFor(
    () => expect(peer.messages().at(-1)).toEqual({ type: "notLeader", hub: "hub_3" }),
    WAIT,
  );
  expect(told.at(-1)).toBe("left node_1 deposed");
  expect([link.heard().size, link.send("node_1", [{ type: "cancel", id: "x" }])]).toEqual([
    0,
    "absent",
  ]);
  await peer.say(peer.session, { type: "printers", printers: [] });
  await vi.waitFor(() => expect(peer.messages().at(-1)).toMatchObject({ answer: "unknown" }), WAIT);
  expect(received).toEqual([]);
});

test("AL4: our own stall accuses nobody", async () => {
  const { link, told } = await openHub({}, { leaseMs: 500 });
  const peer = await join(link);
  const stallUntilMs = performance.now() + 1_200;
  while (performance.now() < stallUntilMs); // the loop stands still, as in a long native call
  await peer.say(peer.session, { type: "beat", seq: 1, digest: "d" });
  await vi.waitFor(
    () => expect(peer.messages()).toContainEqual({ type: "beat", seq: 1, answer: "ok" }),
    WAIT,
  );
  expect(told).toEqual(["joined node_1 boot_1"]);
});

test("a port in use is named, and an address that is none too", async () => {
  const { link } = await openHub();
  const again = openHub({}, { bind: link.endpoint });
  await expect(again).rejects.toMatchObject({
    code: "port_busy",
    message: expect.stringContaining(link.endpoint) as string,
  });
  await expect(openHub({}, { bind: "tcp://nowhere" })).rejects.toBeInstanceOf(GantryError);
});

test("bye ends the session after what was said before it", async () => {
  const { link, told, received } = await openHub();
  const peer = await join(link);
  await peer.say(peer.session, { type: "chunk", id: "r", text: "last" }, { type: "bye" });
  await vi.waitFor(() => expect(told.at(-1)).toBe("left node_1 bye"), WAIT);
  expect(received).toEqual([{ type: "chunk", id: "r", text: "last" }]);
  expect(link.heard().size).toBe(0);
});
