// The whole node without its main: the true link, journal, cache and bridge socket, on loopback; a fake
// hub in this process, a fake bridge on a real unix socket, fake hands.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { openAgentLink, type OpenAgentLink } from "@gantry/hub/adapters/agent-link.ts";
import type { AgentLinkHandler } from "@gantry/hub/ports.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { BridgeOrder, BridgeReport, Printer } from "@gantry/shared/contract/bridge.ts";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
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

const WAIT = { timeout: 8_000, interval: 5 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

// ── the fake hub ────────────────────────────────────────────────────────────────────────────────

interface Hub {
  readonly link: OpenAgentLink;
  readonly said: NodeMessage[];
  readonly hellos: Extract<NodeMessage, { type: "hello" }>[];
  readonly told: string[];
  readonly tell: (...messages: HubMessage[]) => void;
  readonly saidOf: <T extends NodeMessage["type"]>(type: T) => Extract<NodeMessage, { type: T }>[];
}

async function openHub(
  changes: Partial<AgentLinkHandler> = {},
  keys = curveKeyPair(),
  bind = "tcp://127.0.0.1:0",
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

const printer: Printer = {
  id: "ender",
  driver: "marlin",
  phase: "idle",
  isSimulated: true,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
};

interface FakeBridge {
  readonly orders: BridgeOrder[];
  readonly report: (...reports: BridgeReport[]) => void;
  /** What to answer; default `accepted`. Undefined: never answers. */
  answer: (order: BridgeOrder) => BridgeReport | undefined;
  readonly ordersOf: (type: BridgeOrder["type"]) => BridgeOrder[];
  readonly die: () => Promise<void>;
}

async function openBridge(path: string): Promise<FakeBridge> {
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

const generated = (changes: Partial<Generated> = {}): Generated => ({
  text: "hello world",
  finishReason: "stop",
  promptTokens: 3,
  completionTokens: 2,
  cachedTokens: 0,
  firstTokenMs: 1,
  totalMs: 2,
  ...changes,
});

const fakeHands = (changes: Partial<Hands> = {}): Hands => ({
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

interface NodeSetup {
  readonly folder: string;
  readonly identity: Identity;
  readonly hands?: Hands;
  readonly joinSecret?: string;
  readonly saved?: Identity[];
  /** Default: the hub's own. */
  readonly address?: string;
}

/** What is left of a node when it is killed: `kill` stops it without a word and keeps the disk. */
interface RunningNode {
  readonly agent: Agent;
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

async function startNode(hub: Hub, setup: NodeSetup): Promise<RunningNode> {
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
      saveIdentity: async (identity) => void saved.push(identity),
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

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-agent-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const identityFor = (hub: Hub): Identity => ({
  ...makeIdentity(hub.link.publicKey),
  node: "node_1",
});

/** A hub, a bridge and a node that serves. */
async function openAll(hands?: Hands) {
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

const serving = (node: RunningNode): Promise<void> =>
  vi.waitFor(() => expect(node.agent.state.kind).toBe("serving"), WAIT);

const request = {
  model: "tiny",
  messages: [{ role: "user", content: "hi" }],
  maxTokens: 10,
  temperature: 0,
} as const;
const ask = (id: string): HubMessage => ({
  type: "generate",
  id,
  request: { ...request, messages: [...request.messages] },
});
const doorJob = (job: string, token: number): HubMessage => ({
  type: "job",
  job,
  token,
  kind: "command",
  input: { command: "open-door", args: {} },
  timeoutMs: 5_000,
});

// ── sessions ────────────────────────────────────────────────────────────────────────────────────

test("[A44] a node with a join code enrols, keeps who it is, says hello and beats", async () => {
  const hub = await openHub();
  const saved: Identity[] = [];
  const identity = makeIdentity(hub.link.publicKey);
  const folder = await temporaryFolder();
  const node = await startNode(hub, { folder, identity, joinSecret: "sesame", saved });
  await serving(node);
  expect(hub.saidOf("enrol")).toMatchObject([
    { code: "sesame", name: "bench", publicKey: identity.publicKey, secret: identity.secret },
  ]);
  expect(saved).toEqual([{ ...identity, node: "node_1" }]);
  expect(hub.hellos).toMatchObject([
    { node: "node_1", labels: { name: "bench", room: "workshop" } },
  ]);
  await node.stop();
  await vi.waitFor(() => expect(hub.told).toEqual(["joined node_1", "left bye"]), WAIT);
});

test.for(["forbidden", "superseded", "join_code_used"] as const)(
  "AG4: a denial with %s ends the agent with that code",
  async (code) => {
    const hub = await openHub({
      hello: async () => ({ type: "denied", error: { code, message: "no" } }),
    });
    const folder = await temporaryFolder();
    const node = await startNode(hub, { folder, identity: identityFor(hub) });
    await expect(node.ended).rejects.toMatchObject({ code });
    expect(node.agent.state.kind).toBe("ended");
  },
);

test("a denial that may pass is asked again", async () => {
  let denials = 0;
  const hub = await openHub({
    hello: async () => {
      denials += 1;
      if (denials > 2) return undefined;
      return { type: "denied", error: { code: "starting", message: "soon" } };
    },
  });
  const node = await startNode(hub, {
    folder: await temporaryFolder(),
    identity: identityFor(hub),
  });
  await serving(node);
  expect(denials).toBe(3);
});

test("AG3: a hub that forgot this node hears its whole registration within one beat", async () => {
  const { hub } = await openAll();
  hub.link.drop("node_1");
  const fromMs = performance.now();
  await vi.waitFor(() => expect(hub.hellos).toHaveLength(2), WAIT);
  expect(performance.now() - fromMs).toBeLessThan(1_500);
  expect(hub.hellos[1]?.capabilities.printers).toMatchObject([{ id: "ender" }]);
});

test("a mismatch is answered with capabilities, and a new model is told at once", async () => {
  const models = [{ name: "tiny", contextTokens: 512, slots: 1, sizeBytes: 1 }];
  const { hub, node } = await openAll(fakeHands({ models: () => models }));
  hub.said.length = 0;
  models.push({ name: "large", contextTokens: 512, slots: 1, sizeBytes: 2 });
  node.agent.capabilitiesChanged();
  await vi.waitFor(
    () => expect(hub.saidOf("capabilities").at(-1)?.capabilities.models).toEqual(models),
    WAIT,
  );
});

test("the heartbeat's digest is the one that the hub computes", async () => {
  const digests: string[] = [];
  const hub = await openHub({
    beat: (_node, digest) => {
      digests.push(digest);
      return "ok";
    },
  });
  await startNode(hub, { folder: await temporaryFolder(), identity: identityFor(hub) });
  await vi.waitFor(() => expect(digests.length).toBeGreaterThan(0), WAIT);
  const capabilities = hub.hellos[0]?.capabilities;
  if (capabilities === undefined) throw new Error("no hello");
  expect(digests[0]).toBe(capabilitiesDigest(capabilities));
});

// ── answers ─────────────────────────────────────────────────────────────────────────────────────

test("a generation streams its text and ends with one result", async () => {
  const { hub } = await openAll();
  hub.tell(ask("r1"));
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  expect(
    hub
      .saidOf("chunk")
      .map(({ text }) => text)
      .join(""),
  ).toBe("hello world");
  expect(hub.saidOf("generated")[0]?.result).toEqual(generated());
});

test("cancel reaches the model, and a model that is not held is capability_missing", async () => {
  const hands = fakeHands({
    generate: (_id, { model }, _onChunk, signal) =>
      new Promise((resolve, reject) => {
        if (model !== "tiny") reject(new GantryError("capability_missing", "not held"));
        signal.addEventListener("abort", () =>
          resolve(generated({ text: "", finishReason: "cancelled" })),
        );
      }),
  });
  const { hub } = await openAll(hands);
  hub.tell(ask("r1"), { type: "cancel", id: "r1" });
  hub.tell({ type: "generate", id: "r2", request: { ...request, messages: [], model: "none" } });
  await vi.waitFor(() => {
    expect(hub.saidOf("generated")[0]?.result.finishReason).toBe("cancelled");
    expect(hub.saidOf("failed")).toMatchObject([
      { id: "r2", error: { code: "capability_missing" } },
    ]);
  }, WAIT);
});

test("texts are embedded", async () => {
  const { hub } = await openAll();
  hub.tell({ type: "embed", id: "e1", texts: ["a", "b"] });
  const embedded = {
    type: "embedded",
    id: "e1",
    tag: "t",
    tokens: 0,
    vectors: [
      [1, 0],
      [1, 0],
    ],
  };
  await vi.waitFor(() => expect(hub.saidOf("embedded")).toEqual([embedded]), WAIT);
});

test("G1: a generation goes on while the hub is away and its result is told in the next session", async () => {
  const release = Promise.withResolvers<void>();
  let say: ((text: string) => void) | undefined;
  const hands = fakeHands({
    generate: async (_id, _request, onChunk) => {
      say = onChunk;
      onChunk("before ");
      await release.promise;
      return generated({ text: "before during after" });
    },
  });
  const { hub, node } = await openAll(hands);
  hub.tell(ask("r1"));
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(1), WAIT);
  hub.link.drop("node_1");
  say?.("during ");
  await vi.waitFor(() => expect(hub.hellos).toHaveLength(2), WAIT);
  await serving(node);
  say?.("after");
  release.resolve();
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  expect(hub.saidOf("generated")[0]?.result.text).toBe("before during after");
  const texts = hub.saidOf("chunk").map(({ text }) => text);
  expect(texts.at(-1)).toBe("after");
});

/** A cable between node and hub that can be cut and mended. */
async function openCable(hub: Hub) {
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

test("[D6] AG1: a cable that is cut in the middle of an answer costs no word of it", async () => {
  const release = Promise.withResolvers<void>();
  let say: ((text: string) => void) | undefined;
  const hands = fakeHands({
    generate: async (_id, _request, onChunk) => {
      say = onChunk;
      onChunk("before ");
      await release.promise;
      return generated({ text: "before during after" });
    },
  });
  const hub = await openHub();
  const cable = await openCable(hub);
  const node = await startNode(hub, {
    folder: await temporaryFolder(),
    identity: identityFor(hub),
    hands,
    address: cable.address,
  });
  await serving(node);
  hub.tell(ask("r1"));
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(1), WAIT);
  cable.cut();
  await vi.waitFor(() => expect(node.agent.state.kind).toBe("seeking"), WAIT);
  say?.("during ");
  cable.mend();
  const fromMs = performance.now();
  await serving(node);
  expect(performance.now() - fromMs).toBeLessThan(2_000);
  say?.("after");
  release.resolve();
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  const text = hub.saidOf("chunk").map((chunk) => chunk.text);
  expect(text.join("")).toBe("before during after");
  expect(hub.told).toEqual(["joined node_1", "joined node_1"]); // the same boot: nobody left
});

// ── jobs ────────────────────────────────────────────────────────────────────────────────────────

test("[K76] JB3: a job that is told again is not run again, and its result is repeated until recorded", async () => {
  let runs = 0;
  const hands = fakeHands({
    runCommand: async () => {
      runs += 1;
      return { opened: true };
    },
  });
  const { hub } = await openAll(hands);
  hub.tell(doorJob("job_1", 5), doorJob("job_1", 5));
  await vi.waitFor(() => expect(hub.saidOf("result").length).toBeGreaterThan(1), WAIT);
  hub.tell(doorJob("job_1", 5), doorJob("job_1", 9));
  const later = { type: "result", job: "job_1", token: 9, result: { opened: true } };
  await vi.waitFor(() => expect(hub.saidOf("result")).toContainEqual(later), WAIT);
  expect(runs).toBe(1);
  hub.tell({ type: "recorded", job: "job_1", token: 9 });
  hub.tell({ type: "embed", id: "after", texts: ["x"] });
  await vi.waitFor(() => expect(hub.saidOf("embedded")).toHaveLength(1), WAIT);
  hub.link.drop("node_1");
  await vi.waitFor(() => expect(hub.hellos).toHaveLength(2), WAIT);
  expect(hub.hellos[1]?.holds).toEqual([]);
});

test("JB1: a lower token for a job is stale and nothing is done", async () => {
  const ran: number[] = [];
  const hands = fakeHands({ runCommand: async () => ran.push(1) });
  const { hub } = await openAll(hands);
  hub.tell(doorJob("job_1", 5));
  await vi.waitFor(() => expect(hub.saidOf("result")).not.toEqual([]), WAIT);
  hub.tell(doorJob("job_1", 4));
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result")).toContainEqual(
        expect.objectContaining({
          token: 4,
          error: expect.objectContaining({ code: "stale_token" }),
        }),
      ),
    WAIT,
  );
  expect(ran).toHaveLength(1);
});

test("[K76] JB2: after a restart the result is repeated, a lower token stays stale, nothing runs again", async () => {
  let runs = 0;
  const hands = fakeHands({ runCommand: async () => (runs += 1) });
  const { hub, setup, node } = await openAll(hands);
  hub.tell(doorJob("job_1", 5));
  await vi.waitFor(() => expect(hub.saidOf("result")).not.toEqual([]), WAIT);
  await node.stop();
  hub.said.length = 0;
  const again = await startNode(hub, setup);
  await serving(again);
  expect(hub.hellos.at(-1)?.holds).toEqual([{ job: "job_1", token: 5 }]);
  const result = { type: "result", job: "job_1", token: 5, result: 1 };
  await vi.waitFor(() => expect(hub.saidOf("result")).toContainEqual(result), WAIT);
  hub.tell(doorJob("job_1", 4), doorJob("job_1", 5));
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result").some(({ error }) => error?.code === "stale_token")).toBe(true),
    WAIT,
  );
  expect(runs).toBe(1);
});

test("a cancelled job ends as cancelled, and one that was stopped as interrupted", async () => {
  const hands = fakeHands({
    runCommand: (_name, _args, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  });
  const { hub, node } = await openAll(hands);
  hub.tell(doorJob("job_1", 1), doorJob("job_2", 2), { type: "cancelJob", job: "job_1", token: 1 });
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result")).toMatchObject([{ job: "job_1", error: { code: "cancelled" } }]),
    WAIT,
  );
  await node.stop();
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result").at(-1)).toMatchObject({
        job: "job_2",
        error: { code: "interrupted" },
      }),
    WAIT,
  );
});

// ── prints ──────────────────────────────────────────────────────────────────────────────────────

const gcode = Buffer.from("G28\nG1 X10 F1200\n".repeat(40_000)); // 680 kB: three pieces
const print = (
  job: string,
  token: number,
  bytes = gcode,
): Extract<HubMessage, { type: "print" }> => ({
  type: "print",
  printer: "ender",
  job,
  token,
  sha256: sha256(bytes),
  sizeBytes: bytes.length,
});

/** Answers `fetch` as a hub does, in pieces of 256 KiB. */
function serveBlob(hub: Hub, bytes = gcode): void {
  const answered = new Set<NodeMessage>();
  const serve = (): void => {
    for (const message of hub.saidOf("fetch")) {
      if (answered.has(message)) continue;
      answered.add(message);
      const { sha256, offset } = message;
      const piece = bytes.subarray(offset, offset + 262_144);
      const isLast = offset + piece.length >= bytes.length;
      hub.tell({ type: "piece", sha256, offset, bytes: piece.toString("base64"), isLast });
    }
  };
  const timer = setInterval(serve, 2);
  cleanups.push(() => clearInterval(timer));
}

test("PT2: a print is fetched in pieces, verified, given to the bridge once and told until recorded", async () => {
  const { hub, bridge, folder } = await openAll();
  serveBlob(hub);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  expect(hub.saidOf("fetch").map(({ offset }) => offset)).toEqual([0, 262_144, 524_288]);
  const [start] = bridge.ordersOf("start");
  if (start?.type !== "start") throw new Error("no start");
  expect(await readFile(start.path)).toEqual(gcode);
  hub.tell(print("prt_1", 3)); // told again, as after an election
  const job = { type: "job", printer: "ender", job: "prt_1", token: 3, startedCount: 1 } as const;
  bridge.report({ ...job, phase: "started", progress: 0 });
  bridge.report({ ...job, phase: "started", progress: 0.4 });
  bridge.report({ ...job, phase: "done", progress: 1 });
  const phases = () => hub.saidOf("printJob").map(({ phase }) => phase);
  await vi.waitFor(
    () => expect(phases().slice(0, 4)).toEqual(["started", "done", "started", "done"]),
    WAIT,
  );
  hub.tell({ type: "recorded", job: "prt_1", token: 3, phase: "started" });
  hub.tell({ type: "recorded", job: "prt_1", token: 3, phase: "done" });
  await vi.waitFor(() => expect(bridge.ordersOf("acknowledge")).toHaveLength(1), WAIT);
  expect(bridge.ordersOf("start")).toHaveLength(1);
  await vi.waitFor(async () => expect(await readdir(join(folder, "blobs"))).toEqual([]), WAIT);
});

test("PT1: after a restart a lower token is refused and the bridge hears nothing of it", async () => {
  const { hub, bridge, setup, node } = await openAll();
  serveBlob(hub);
  hub.tell(print("prt_1", 7));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  await node.stop();
  const again = await startNode(hub, setup);
  await serving(again);
  hub.tell(print("prt_0", 6));
  hub.tell({ type: "printWish", printer: "ender", job: "prt_0", token: 6, wish: "cancel" });
  await vi.waitFor(() => expect(hub.saidOf("printRefused")).toHaveLength(2), WAIT);
  expect(hub.saidOf("printRefused")[0]).toMatchObject({
    job: "prt_0",
    error: { code: "stale_token" },
  });
  expect(bridge.orders.map(({ type }) => type)).toEqual(["start"]);
});

test("bytes that are not the promised ones are refused", async () => {
  const { hub, bridge } = await openAll();
  const other = Buffer.from(gcode);
  other[1_000] = 0;
  serveBlob(hub, other);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(
    () =>
      expect(hub.saidOf("printRefused")).toMatchObject([{ error: { code: "checksum_mismatch" } }]),
    WAIT,
  );
  expect(bridge.orders).toEqual([]);
});

test("a bridge's refusal is the hub's to know", async () => {
  const { hub, bridge } = await openAll();
  bridge.answer = ({ id }) => ({
    type: "refused",
    id,
    error: { code: "bed_not_clear", message: "A part is in the bed" },
  });
  serveBlob(hub);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(
    () => expect(hub.saidOf("printRefused")).toMatchObject([{ error: { code: "bed_not_clear" } }]),
    WAIT,
  );
});

test("PT3: a stop goes to the bridge at once and ends the print that is still being fetched", async () => {
  const { hub, bridge } = await openAll();
  hub.tell(print("prt_1", 3)); // nobody answers its fetch
  await vi.waitFor(() => expect(hub.saidOf("fetch")).toHaveLength(1), WAIT);
  hub.tell({ type: "stop", id: "s1" });
  await vi.waitFor(
    () =>
      expect(hub.saidOf("stopped")).toEqual([{ type: "stopped", id: "s1", printers: ["ender"] }]),
    WAIT,
  );
  await vi.waitFor(
    () => expect(hub.saidOf("printJob")).toMatchObject([{ phase: "cancelled", startedCount: 0 }]),
    WAIT,
  );
  expect(bridge.orders.filter(({ type }) => type !== "stop")).toEqual([]);
});

test("wishes and resets go to the bridge with their token", async () => {
  const { hub, bridge } = await openAll();
  serveBlob(hub);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  for (const wish of ["pause", "resume", "cancel"] as const) {
    hub.tell({ type: "printWish", printer: "ender", job: "prt_1", token: 3, wish });
    await vi.waitFor(() => expect(bridge.ordersOf(wish)).toMatchObject([{ token: 3 }]), WAIT);
  }
  hub.tell({ type: "resetPrinter", id: "x", printer: "ender" });
  await vi.waitFor(
    () => expect(bridge.ordersOf("reset")).toMatchObject([{ printer: "ender" }]),
    WAIT,
  );
  await vi.waitFor(() => expect(hub.saidOf("stopped")).toMatchObject([{ id: "x" }]), WAIT);
});

test("a cancel of a print that the bridge never began is told as cancelled, not as refused", async () => {
  const { hub, bridge } = await openAll();
  bridge.answer = ({ id }) => ({
    type: "refused",
    id,
    error: { code: "not_found", message: "no such job" },
  });
  hub.tell({ type: "printWish", printer: "ender", job: "prt_1", token: 3, wish: "cancel" });
  await vi.waitFor(
    () =>
      expect(hub.saidOf("printJob")).toMatchObject([
        { job: "prt_1", phase: "cancelled", startedCount: 0 },
      ]),
    WAIT,
  );
  expect(hub.saidOf("printRefused")).toEqual([]);
});

test("a dead bridge: printers are offline, prints and stops say device_offline; it is found again", async () => {
  const { hub, bridge, folder } = await openAll();
  await bridge.die();
  await vi.waitFor(
    () => expect(hub.saidOf("printers").at(-1)?.printers).toMatchObject([{ phase: "offline" }]),
    WAIT,
  );
  hub.tell(print("prt_1", 3), { type: "stop", id: "s1", printer: "ender" });
  await vi.waitFor(() => {
    expect(hub.saidOf("printRefused")).toMatchObject([{ error: { code: "device_offline" } }]);
    expect(hub.saidOf("stopped")).toMatchObject([
      { printers: [], error: { code: "device_offline" } },
    ]);
  }, WAIT);
  await openBridge(join(folder, "bridge.sock"));
  await vi.waitFor(
    () => expect(hub.saidOf("printers").at(-1)?.printers).toMatchObject([{ phase: "idle" }]),
    WAIT,
  );
});

test("PT4: a start whose answer was lost is given again with the same token, never told as refused", async () => {
  const { hub, bridge, folder } = await openAll();
  serveBlob(hub);
  bridge.answer = () => undefined;
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  await bridge.die();
  const next = await openBridge(join(folder, "bridge.sock"));
  await vi.waitFor(
    () => expect(next.ordersOf("start")).toMatchObject([{ job: "prt_1", token: 3 }]),
    WAIT,
  );
  expect(hub.saidOf("printRefused")).toEqual([]);
});
