// A whole node and three hubs of one cluster: who leads changes, and the node follows.

import { expect, test, vi } from "vitest";
import { join } from "node:path";
import type { AgentLinkHandler } from "@gantry/hub/ports.ts";
import type { HubFact, HubMessage } from "@gantry/shared/contract/link.ts";
import { curveKeyPair } from "zeromq";
import { makeIdentity, readIdentity, writeIdentity } from "../adapters/identity.ts";
import { holdAnswer } from "./held-answer.test.support.ts";
import {
  ask,
  fakeHands,
  type Hub,
  openBridge,
  openHub,
  type RunningNode,
  serving,
  startNode,
  temporaryFolder,
  WAIT,
} from "./node.test.support.ts";
import type { Hands, Identity } from "./ports.ts";

const IDS = ["hub_1", "hub_2", "hub_3"] as const;
type Id = (typeof IDS)[number];

interface Cluster {
  readonly hubs: Readonly<Record<Id, Hub>>;
  readonly facts: readonly HubFact[];
  /** How often a connection to this hub was opened. */
  readonly dials: Readonly<Record<Id, () => number>>;
  /** What a hub says of itself; a deposed one that has not noticed says what was. */
  readonly view: Record<Id, { leader: Id | undefined; term: number }>;
  /** All hubs know at once; the one that led tells its nodes. */
  elect(leader: Id | undefined, term: number): void;
  closeAll(): Promise<void>;
  reopen(): Promise<void>;
}

async function openCluster(changes: Partial<Record<Id, Partial<AgentLinkHandler>>> = {}) {
  const keys = { hub_1: curveKeyPair(), hub_2: curveKeyPair(), hub_3: curveKeyPair() };
  const first = { leader: "hub_1" as Id | undefined, term: 1 };
  const view: Cluster["view"] = { hub_1: { ...first }, hub_2: { ...first }, hub_3: { ...first } };
  const dialled = { hub_1: 0, hub_2: 0, hub_3: 0 };
  const facts: HubFact[] = [];

  async function open(id: Id, bind = "tcp://127.0.0.1:0"): Promise<Hub> {
    const handler: Partial<AgentLinkHandler> = {
      allows: () => {
        dialled[id] += 1;
        return true;
      },
      ...changes[id],
    };
    return openHub(handler, keys[id], bind, {
      hubs: () => facts,
      identity: () => ({ hub: id, term: view[id].term, cluster: "c1" }),
      leading: () => {
        const { leader } = view[id];
        if (leader === undefined) return { isLeading: false };
        return { isLeading: leader === id, leaderId: leader };
      },
    });
  }

  const hubs = {
    hub_1: await open("hub_1"),
    hub_2: await open("hub_2"),
    hub_3: await open("hub_3"),
  };
  for (const id of IDS) {
    const { endpoint, publicKey } = hubs[id].link;
    facts.push({ id, address: endpoint, publicKey });
  }
  const cluster: Cluster = {
    hubs,
    facts,
    view,
    dials: { hub_1: () => dialled.hub_1, hub_2: () => dialled.hub_2, hub_3: () => dialled.hub_3 },
    elect(leader, term) {
      const before = IDS.filter((id) => view[id].leader === id);
      for (const id of IDS) view[id] = { leader, term };
      for (const id of before) if (id !== leader) hubs[id].link.dropAll(leader);
    },
    closeAll: async () => void (await Promise.all(IDS.map((id) => hubs[id].link.close()))),
    async reopen() {
      for (const id of IDS) {
        const fact = facts.find((known) => known.id === id);
        hubs[id] = await open(id, fact?.address);
      }
    },
  };
  return cluster;
}

interface Member {
  readonly node: RunningNode;
  readonly folder: string;
}

/** A node that was enrolled with the first hub, knows its address alone, and serves. */
async function startMember(cluster: Cluster, hands?: Hands): Promise<Member> {
  const folder = await temporaryFolder();
  const identity = { ...makeIdentity(cluster.hubs.hub_1.link.publicKey), node: "node_1" };
  await writeIdentity(folder, identity);
  const node = await startNode(cluster.hubs.hub_1, {
    folder,
    identity,
    ...(hands === undefined ? {} : { hands }),
    saveIdentity: (changed) => writeIdentity(folder, changed),
  });
  await serving(node);
  return { node, folder };
}

const servedBy = (node: RunningNode, hub: Id): Promise<void> =>
  vi.waitFor(() => expect(node.agent.state).toMatchObject({ kind: "serving", hub }), WAIT);

const warm = (cluster: Cluster): Promise<void> =>
  vi.waitFor(
    () => expect(IDS.map((id) => cluster.dials[id]() > 0)).toEqual([true, true, true]),
    WAIT,
  );

const print = (job: string, token: number): HubMessage => ({
  type: "print",
  printer: "ender",
  job,
  token,
  sha256: "0".repeat(64),
  sizeBytes: 10,
});

test("a node with the code of a hub that does not lead is led to the leader, enrols there and keeps the list", async () => {
  const cluster = await openCluster();
  cluster.elect("hub_2", 4);
  const folder = await temporaryFolder();
  const node = await startNode(cluster.hubs.hub_1, {
    folder,
    identity: makeIdentity(cluster.hubs.hub_1.link.publicKey),
    joinSecret: "sesame",
    saveIdentity: (identity) => writeIdentity(folder, identity),
  });
  await servedBy(node, "hub_2");
  expect(cluster.hubs.hub_2.saidOf("enrol")).toHaveLength(1);
  expect(cluster.hubs.hub_1.said).toEqual([]);
  expect(await readIdentity(folder)).toMatchObject({
    node: "node_1",
    hubKey: cluster.hubs.hub_1.link.publicKey,
    hubs: cluster.facts,
    reign: { cluster: "c1", term: 4 },
  });
});

test("AG5: a leader that steps down sends its node on, which is there with one hello on a connection that was ready", async () => {
  const cluster = await openCluster();
  const { node } = await startMember(cluster);
  await warm(cluster);
  const dials = cluster.dials.hub_3();
  cluster.elect("hub_3", 2);
  await servedBy(node, "hub_3");
  const hellos = IDS.map((id) => cluster.hubs[id].hellos.length);
  expect(hellos).toEqual([1, 0, 1]); // nobody else was asked, nobody twice
  expect(cluster.dials.hub_3()).toBe(dials);
  expect(cluster.hubs.hub_1.told.at(-1)).toBe("left deposed");
});

test("AG1: an election in the middle of an answer costs no word of it, and no work", async () => {
  const held = holdAnswer();
  const hands: Hands = { ...held.hands, runCommand: () => held.ended.then(() => "done") };
  const cluster = await openCluster();
  const { node } = await startMember(cluster, hands);
  const { hub_1, hub_3 } = cluster.hubs;
  const job = { type: "job", job: "job_1", token: 5, kind: "command", timeoutMs: 60_000 } as const;
  hub_1.tell(ask("r1"), { ...job, input: { command: "open-door" } });
  await vi.waitFor(() => expect(hub_1.saidOf("chunk")).toHaveLength(1), WAIT);
  cluster.elect(undefined, 1); // nobody leads for a while
  await vi.waitFor(() => expect(node.agent.state.kind).not.toBe("serving"), WAIT);
  held.say("during ");
  cluster.elect("hub_3", 2);
  await servedBy(node, "hub_3");
  expect(hub_3.hellos.at(-1)?.holds).toEqual([{ job: "job_1", token: 5 }]);
  held.say("after");
  held.end();
  await vi.waitFor(() => expect(hub_3.saidOf("generated")).toHaveLength(1), WAIT);
  await vi.waitFor(
    () =>
      expect(hub_3.saidOf("result")).toContainEqual({
        type: "result",
        job: "job_1",
        token: 5,
        result: "done",
      }),
    WAIT,
  );
  const texts = [...hub_1.saidOf("chunk"), ...hub_3.saidOf("chunk")].map(({ text }) => text);
  expect(texts.join("")).toBe("before during after");
});

test("AG5: while nobody leads the node asks on, and goes to the leader when it is announced", async () => {
  const cluster = await openCluster();
  const { node } = await startMember(cluster);
  await warm(cluster);
  cluster.elect(undefined, 1);
  const asked = (): number => cluster.hubs.hub_2.link.counts().framesIn;
  await vi.waitFor(() => expect(asked()).toBeGreaterThan(1), WAIT);
  const before = asked();
  cluster.view.hub_3 = { leader: "hub_3", term: 2 }; // hub_2 knows it by announcement alone
  cluster.hubs.hub_2.link.announce("hub_3");
  await servedBy(node, "hub_3");
  expect(cluster.hubs.hub_3.hellos).toHaveLength(1);
  expect(asked() - before).toBeLessThan(3);
});

test("SK2: every hub goes away and comes back with another leader; the node finds it by itself", async () => {
  const cluster = await openCluster();
  const { node } = await startMember(cluster);
  await warm(cluster);
  await cluster.closeAll();
  await vi.waitFor(() => expect(node.agent.state.kind).not.toBe("serving"), WAIT);
  for (const id of IDS) cluster.view[id] = { leader: "hub_2", term: 7 };
  await cluster.reopen();
  await servedBy(node, "hub_2");
});

test("the list outlives a restart: a node whose configured address leads nowhere follows the list", async () => {
  const cluster = await openCluster();
  const { node, folder } = await startMember(cluster);
  await node.stop();
  cluster.elect("hub_3", 2);
  const identity = await readIdentity(folder);
  if (identity === undefined) throw new Error("no identity");
  expect(identity.hubs).toEqual(cluster.facts);
  const again = await startNode(cluster.hubs.hub_1, {
    folder,
    identity,
    address: "tcp://127.0.0.1:1",
  });
  await servedBy(again, "hub_3");
});

test("a new list is kept, and its new hub is connected at once", async () => {
  const cluster = await openCluster();
  const { folder } = await startMember(cluster);
  const keys = curveKeyPair();
  let dials = 0;
  const fourth = await openHub({ allows: () => (dials += 1) > 0 }, keys);
  const hubs = [
    ...cluster.facts,
    { id: "hub_4", address: fourth.link.endpoint, publicKey: keys.publicKey },
  ];
  cluster.hubs.hub_1.tell({ type: "hubs", hubs });
  await vi.waitFor(() => expect(dials).toBe(1), WAIT);
  await vi.waitFor(async () => expect((await readIdentity(folder))?.hubs).toEqual(hubs), WAIT);
});

test("SK4: a hub that hears and never answers delays nobody", async () => {
  const never = Promise.withResolvers<undefined>();
  const cluster = await openCluster({ hub_1: { hello: () => never.promise } });
  cluster.view.hub_2 = { leader: "hub_2", term: 2 };
  cluster.view.hub_3 = { leader: undefined, term: 2 };
  const folder = await temporaryFolder();
  const fresh = makeIdentity(cluster.hubs.hub_1.link.publicKey);
  const identity = { ...fresh, node: "node_1", hubs: cluster.facts };
  const node = await startNode(cluster.hubs.hub_1, { folder, identity });
  await servedBy(node, "hub_2");
  never.resolve(undefined); // its link could not be closed otherwise
});

test("SK3: hubs that name each other are not asked as fast as the network allows", async () => {
  const cluster = await openCluster();
  const { node } = await startMember(cluster);
  const fromMs = performance.now();
  cluster.view.hub_2 = { leader: "hub_3", term: 2 };
  cluster.view.hub_3 = { leader: "hub_2", term: 2 };
  const { hub_1 } = cluster.hubs;
  cluster.view.hub_1 = { leader: "hub_2", term: 2 };
  hub_1.link.dropAll("hub_2");
  const frames = (): number => cluster.hubs.hub_2.link.counts().framesIn;
  await vi.waitFor(() => expect(frames()).toBeGreaterThan(5), WAIT);
  const passedMs = performance.now() - fromMs;
  expect(frames()).toBeLessThanOrEqual(passedMs / 45 + 1);
  cluster.elect("hub_2", 3);
  await servedBy(node, "hub_2");
});

test("AL1: orders of a deposed hub that has not noticed are refused as stale, only its emergency stop is obeyed", async () => {
  const cluster = await openCluster();
  const folder = await temporaryFolder();
  const bridge = await openBridge(join(folder, "bridge.sock"));
  const ran: string[] = [];
  const identity = { ...makeIdentity(cluster.hubs.hub_1.link.publicKey), node: "node_1" };
  const hands = fakeHands({ runCommand: async (name) => ran.push(name) });
  const setup = {
    folder,
    identity,
    hands,
    saveIdentity: (next: Identity) => writeIdentity(folder, next),
  };
  const node = await startNode(cluster.hubs.hub_1, setup);
  await servedBy(node, "hub_1");
  const { hub_1, hub_2 } = cluster.hubs;
  // hub_2 was elected behind hub_1's back, and the node came to hear of it.
  cluster.view.hub_2 = { leader: "hub_2", term: 2 };
  cluster.view.hub_3 = { leader: "hub_2", term: 2 };
  hub_1.tell({ type: "notLeader", hub: "hub_2" });
  await servedBy(node, "hub_2");

  const job = { type: "job", job: "job_9", token: 9, kind: "command", timeoutMs: 5_000 } as const;
  hub_1.tell(print("prt_9", 9), { ...job, input: { command: "open-door" } }, ask("r9"));
  await vi.waitFor(() => {
    expect(hub_1.saidOf("printRefused")).toMatchObject([
      { job: "prt_9", error: { code: "stale_token" } },
    ]);
    expect(hub_1.saidOf("result")).toMatchObject([
      { job: "job_9", error: { code: "stale_token" } },
    ]);
    expect(hub_1.saidOf("failed")).toMatchObject([{ id: "r9", error: { code: "stale_token" } }]);
  }, WAIT);
  hub_1.tell({ type: "stop", id: "s1", printer: "ender" });
  await vi.waitFor(() => expect(bridge.ordersOf("stop")).toHaveLength(1), WAIT);
  expect([ran, bridge.orders.map(({ type }) => type)]).toEqual([[], ["stop"]]);
  expect(hub_2.saidOf("printRefused")).toEqual([]);

  // The node is started again and hears the deposed hub first: the higher term is remembered.
  await node.stop();
  const kept = await readIdentity(folder);
  expect(kept?.reign).toEqual({ cluster: "c1", term: 2 });
  cluster.view.hub_2 = { leader: undefined, term: 2 };
  cluster.view.hub_3 = { leader: undefined, term: 2 };
  const again = await startNode(hub_1, { ...setup, identity: kept ?? identity });
  const refusal = { job: "prt_10", error: { code: "stale_token" } };
  await vi.waitFor(() => {
    hub_1.tell(print("prt_10", 10)); // repeated, as hubs do: the session is a new one after each hello
    expect(hub_1.saidOf("printRefused").at(-1)).toMatchObject(refusal);
  }, WAIT);
  expect(again.agent.state.kind).not.toBe("serving");
  cluster.view.hub_3 = { leader: "hub_3", term: 3 };
  await servedBy(again, "hub_3");
  expect(bridge.ordersOf("start")).toEqual([]);
});

test("a leader with a higher term that welcomes the node late is followed", async () => {
  const slow = Promise.withResolvers<void>();
  const cluster = await openCluster({
    hub_2: { hello: () => slow.promise.then(() => undefined) },
  });
  cluster.view.hub_2 = { leader: "hub_2", term: 5 };
  const folder = await temporaryFolder();
  const fresh = makeIdentity(cluster.hubs.hub_1.link.publicKey);
  cluster.view.hub_1 = { leader: "hub_2", term: 1 };
  const node = await startNode(cluster.hubs.hub_1, {
    folder,
    identity: { ...fresh, node: "node_1" },
  });
  await vi.waitFor(
    () => expect(cluster.hubs.hub_2.link.counts().framesIn).toBeGreaterThan(0),
    WAIT,
  );
  cluster.view.hub_1 = { leader: "hub_1", term: 1 };
  await servedBy(node, "hub_1");
  slow.resolve();
  await servedBy(node, "hub_2");
});
