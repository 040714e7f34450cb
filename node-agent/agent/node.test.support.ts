// Test equipment: the whole node without its main: the true link, journal, cache and bridge socket, on
// loopback; a fake hub in this process, a fake bridge on a real unix socket, fake hands.

import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, vi } from "vitest";
import { openAgentLink, type OpenAgentLink } from "@gantry/hub/adapters/agent-link.ts";
import type { AgentLinkOptions } from "@gantry/hub/adapters/agent-link-options.ts";
import type { AgentLinkHandler } from "@gantry/hub/ports.ts";
import type { BridgeOrder, BridgeReport, Printer } from "@gantry/shared/contract/bridge.ts";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import type { Generated, HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { curveKeyPair } from "zeromq";
import { openBlobCache } from "../adapters/blob-cache.ts";
import { connectBridge } from "../adapters/bridge-socket.ts";
import { makeHubLinks } from "../adapters/hub-link.ts";
import { makeIdentity } from "../adapters/identity.ts";
import { openJournal } from "../adapters/journal.ts";
import { type Agent, makeAgent } from "./agent.ts";
import { entrySchema, fold, makeMemory, makeTables } from "./memory.ts";
import type { Hands, Identity } from "./ports.ts";
import { startWorks } from "./works.ts";

export const WAIT = { timeout: 8_000, interval: 5 };
/** Run after each test, last first. */
export const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

// ── the fake hub ────────────────────────────────────────────────────────────────────────────────

export interface Hub {
  readonly link: OpenAgentLink;
  readonly said: NodeMessage[];
  readonly hellos: Extract<NodeMessage, { type: "hello" }>[];
  readonly told: string[];
  readonly tell: (...messages: HubMessage[]) => void;
  readonly saidOf: <T extends NodeMessage["type"]>(type: T) => Extract<NodeMessage, { type: T }>[];
}

export async function openHub(
  changes: Partial<AgentLinkHandler> = {},
  keys = curveKeyPair(),
  bind = "tcp://127.0.0.1:0",
  options: Partial<AgentLinkOptions> = {},
): Promise<Hub> {
  const said: NodeMessage[] = [];
  const hellos: Hub["hellos"] = [];
  const told: string[] = [];
  const link = await openAgentLink({
    bind,
    keys,
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
    signal: new AbortController().signal,
    handler: {
      allows: () => true,
      enrol: async (message) => {
        said.push(message);
        return { type: "enrolled", node: "node_1" };
      },
      hello: async (message) => {
        hellos.push(message);
        return undefined;
      },
      joined: (node) => void told.push(`joined ${node}`),
      received: (_node, messages) => void said.push(...messages),
      beat: () => "ok",
      left: (_node, why) => void told.push(`left ${why}`),
      ...changes,
    },
    ...options,
  });
  cleanups.push(() => link.close());
  return {
    link,
    said,
    hellos,
    told,
    tell: (...messages) => expect(link.send("node_1", messages)).toBe("sent"),
    saidOf: <T extends NodeMessage["type"]>(type: T) =>
      said.filter((message): message is Extract<NodeMessage, { type: T }> => message.type === type),
  };
}

// ── the fake bridge ─────────────────────────────────────────────────────────────────────────────

export const printer: Printer = {
  id: "ender",
  driver: "marlin",
  phase: "idle",
  isSimulated: true,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
};

export interface FakeBridge {
  readonly orders: BridgeOrder[];
  readonly report: (...reports: BridgeReport[]) => void;
  /** What to answer; default `accepted`. Undefined: never answers. */
  answer: (order: BridgeOrder) => BridgeReport | undefined;
  readonly ordersOf: (type: BridgeOrder["type"]) => BridgeOrder[];
  readonly die: () => Promise<void>;
}

export async function openBridge(path: string): Promise<FakeBridge> {
  const orders: BridgeOrder[] = [];
  const sockets = new Set<Socket>();
  const bridge: FakeBridge = {
    orders,
    report: (...reports) => sockets.forEach((socket) => socket.write(encodeSocketFrame(reports))),
    answer: ({ id }) => ({ type: "accepted", id }),
    ordersOf: (type) => orders.filter((order) => order.type === type),
    async die() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    const decoder = makeSocketDecoder();
    socket.write(encodeSocketFrame([{ type: "printers", printers: [printer] }]));
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (bytes: Buffer) => {
      for (const order of decoder.push(bytes) as BridgeOrder[]) {
        orders.push(order);
        const answer = bridge.answer(order);
        if (answer !== undefined) socket.write(encodeSocketFrame([answer]));
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  cleanups.push(() => bridge.die());
  return bridge;
}

// ── the node ────────────────────────────────────────────────────────────────────────────────────

export const generated = (changes: Partial<Generated> = {}): Generated => ({
  text: "hello world",
  finishReason: "stop",
  promptTokens: 3,
  completionTokens: 2,
  cachedTokens: 0,
  firstTokenMs: 1,
  totalMs: 2,
  ...changes,
});

export const fakeHands = (changes: Partial<Hands> = {}): Hands => ({
  models: () => [{ name: "tiny", contextTokens: 512, slots: 1, sizeBytes: 1 }],
  generate: async (_id, _request, onChunk) => {
    onChunk("hello");
    onChunk(" world");
    return generated();
  },
  embedder: { tag: "t", dimensions: 2 },
  embed: async (texts) => ({ tag: "t", vectors: texts.map(() => [1, 0]), tokens: 0 }),
  commands: [
    { name: "open-door", summary: "Opens the door", hazard: "high", effect: "once" },
    { name: "date", summary: "The date", hazard: "none", effect: "pure" },
  ],
  runCommand: async (name) => ({ ran: name }),
  ...changes,
});

export interface NodeSetup {
  readonly folder: string;
  readonly identity: Identity;
  readonly hands?: Hands;
  readonly joinSecret?: string;
  readonly saved?: Identity[];
  /** Default: the hub's own. */
  readonly address?: string;
  readonly saveIdentity?: (identity: Identity) => Promise<void>;
}

/** What is left of a node when it is killed: `kill` stops it without a word and keeps the disk. */
export interface RunningNode {
  readonly agent: Agent;
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function startNode(hub: Hub, setup: NodeSetup): Promise<RunningNode> {
  const { folder, hands = fakeHands(), identity, joinSecret, saved = [] } = setup;
  const tables = makeTables();
  const journal = await openJournal(
    join(folder, "journal"),
    (value) => entrySchema.parse(value),
    (entry) => fold(tables, entry),
  );
  const ports = { clock: systemClock, random: Math.random, log: silentLogger };
  let agent: Agent | undefined;
  const works = startWorks(
    {
      ...ports,
      hands,
      memory: makeMemory(tables, journal),
      cache: await openBlobCache(join(folder, "blobs")),
      connectBridge: (handlers, scope) =>
        connectBridge(join(folder, "bridge.sock"), ports, handlers, scope),
    },
    () => agent?.capabilitiesChanged(),
  );
  agent = makeAgent(
    {
      addresses: [setup.address ?? hub.link.endpoint],
      name: "bench",
      labels: { room: "workshop" },
      bootId: `boot_${Math.random()}`,
      identity,
      ...(joinSecret === undefined ? {} : { joinSecret }),
    },
    {
      ...ports,
      openLink: makeHubLinks(identity, ports),
      works,
      saveIdentity: setup.saveIdentity ?? (async (identity) => void saved.push(identity)),
    },
  );
  const stopping = new AbortController();
  const ended = agent.run(stopping.signal);
  ended.catch(() => {});
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    stopping.abort();
    await ended.catch(() => {});
    await journal.close();
  };
  cleanups.push(stop);
  return { agent, ended, stop };
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-agent-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export const identityFor = (hub: Hub): Identity => ({
  ...makeIdentity(hub.link.publicKey),
  node: "node_1",
});

/** A hub, a bridge and a node that serves. */
export async function openAll(hands?: Hands) {
  const hub = await openHub();
  const folder = await temporaryFolder();
  const bridge = await openBridge(join(folder, "bridge.sock"));
  const setup: NodeSetup = {
    folder,
    identity: identityFor(hub),
    ...(hands === undefined ? {} : { hands }),
  };
  const node = await startNode(hub, setup);
  await serving(node);
  await vi.waitFor(
    () => expect(hub.saidOf("printers").at(-1)?.printers).toMatchObject([{ phase: "idle" }]),
    WAIT,
  );
  return { hub, folder, bridge, setup, node };
}

export const serving = (node: RunningNode): Promise<void> =>
  vi.waitFor(() => expect(node.agent.state.kind).toBe("serving"), WAIT);

export const request = {
  model: "tiny",
  messages: [{ role: "user", content: "hi" }],
  maxTokens: 10,
  temperature: 0,
} as const;
export const ask = (id: string): HubMessage => ({
  type: "generate",
  id,
  request: { ...request, messages: [...request.messages] },
});
/** A cable between node and hub that can be cut and mended. */
export async function openCable(hub: Hub) {
  const port = Number(new URL(hub.link.endpoint).port);
  const ends = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return void near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const end of [near, far]) {
      ends.add(end);
      end.on("error", () => {});
      end.on("close", () => ends.delete(end));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const cut = (): void => {
    isCut = true;
    for (const end of ends) end.destroy();
  };
  cleanups.push(() => {
    cut();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { address: `tcp://127.0.0.1:${address.port}`, cut, mend: () => (isCut = false) };
}
