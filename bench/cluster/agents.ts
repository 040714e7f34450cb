// A thousand agents that beat once a second: what they cost the hub that leads. They are connections of
// this process, each with its own key, enrolled and with a session, like those of real agents.

import { randomBytes } from "node:crypto";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
import { decodeLinkFrame, encodeLinkFrame, NO_SESSION } from "@gantry/shared/contract/frames.ts";
import { decodeJoinCode } from "@gantry/shared/contract/join-code.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { curveKeyPair, Dealer } from "zeromq";
import { HUB_LINK_PROFILE } from "../../node-agent/adapters/hub-link.ts";
import { type ClusterHub, startCluster } from "../../tests/support/cluster.ts";
import { cpuSecondsOf, round } from "./load.ts";

const AT_ONCE = 25;
const IDLE_S = 4;
const BEATING_S = 8;
const SETTLE_MS = 3_000;
const CAPABILITIES = { models: [], commands: [], printers: [] };

export interface AgentsCost {
  readonly agents: number;
  /** Shares of one core of the leader: without agents, and with all of them. */
  readonly idleShare: number;
  readonly share: number;
  /** Heartbeats in a second while it was measured, up to the last that was answered `ok`. */
  readonly beatsPerS: number;
}

/** Once more where the hubs changed the leader meanwhile: its successor's cost was not looked at. */
export async function measureAgents(count: number): Promise<AgentsCost> {
  const first = await tryAgents(count);
  return first.beatsPerS > count / 2 ? first : tryAgents(count);
}

async function tryAgents(count: number): Promise<AgentsCost> {
  await using cluster = await startCluster(3);
  const leader = await cluster.leader();
  const idleShare = await shareOf(leader.pid, IDLE_S);
  const agents: Agent[] = [];
  const stop = new AbortController();
  try {
    const names = Array.from({ length: count }, (_, number) => `bench-${number}`);
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let name = names.pop(); name !== undefined; name = names.pop()) {
          agents.push(await startAgent(leader, name, stop.signal));
        }
      }),
    );
    await sleep(SETTLE_MS);
    const before = answeredOf(agents);
    const share = await shareOf(leader.pid, BEATING_S);
    const beatsPerS = Math.round((answeredOf(agents) - before) / BEATING_S);
    return { agents: count, idleShare, share, beatsPerS };
  } finally {
    stop.abort();
    for (const { socket } of agents) socket.close();
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function shareOf(pid: number, seconds: number): Promise<number> {
  const [fromS, fromMs] = [cpuSecondsOf(pid), performance.now()];
  await sleep(seconds * 1_000);
  return round(((cpuSecondsOf(pid) - fromS) * 1_000) / (performance.now() - fromMs));
}

interface Agent {
  readonly socket: Dealer;
  /** The number of its last beat that was answered. */
  answered: number;
}

const answeredOf = (agents: readonly Agent[]): number =>
  agents.reduce((sum, { answered }) => sum + answered, 0);

/** Enrols, says hello, and beats from then on at a moment of its own in each second. */
async function startAgent(leader: ClusterHub, name: string, signal: AbortSignal): Promise<Agent> {
  const { body } = await leader.api("POST", "/api/nodes/join-codes", { name });
  const { hubKey, secret: code } = decodeJoinCode(body.code);
  const keys = curveKeyPair();
  const secret = randomBytes(32).toString("hex");
  const socket = new Dealer({
    ...HUB_LINK_PROFILE,
    sendTimeout: -1,
    receiveTimeout: 30_000,
    curveServerKey: hubKey,
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
  });
  socket.connect(leader.agentAddress);
  const answer = async (type: HubMessage["type"]): Promise<HubMessage> => {
    for (;;) {
      const [bytes] = await socket.receive();
      const messages = decodeLinkFrame(bytes ?? new Uint8Array(0)).messages as HubMessage[];
      const denied = messages.find((message) => message.type === "denied");
      if (denied?.type === "denied") throw new Error(denied.error.message);
      const found = messages.find((message) => message.type === type);
      if (found !== undefined) return found;
    }
  };
  const enrol = { type: "enrol", code, name, publicKey: keys.publicKey, secret };
  await socket.send(encodeLinkFrame(NO_SESSION, [enrol]));
  const enrolled = await answer("enrolled");
  const node = enrolled.type === "enrolled" ? enrolled.node : "";
  const hello = {
    type: "hello",
    node,
    secret,
    bootId: name,
    labels: {},
    capabilities: CAPABILITIES,
    holds: [],
  };
  await socket.send(encodeLinkFrame(NO_SESSION, [hello]));
  const welcome = await answer("welcome");
  const session = Buffer.from(welcome.type === "welcome" ? welcome.session : "", "hex");
  const agent: Agent = { socket, answered: 0 };
  socket.receiveTimeout = -1;
  void listen(agent, signal);
  void beat(socket, session, signal);
  return agent;
}

async function listen(agent: Agent, signal: AbortSignal): Promise<void> {
  for await (const [bytes] of agent.socket) {
    if (signal.aborted || bytes === undefined) return;
    for (const message of decodeLinkFrame(bytes).messages as HubMessage[]) {
      if (message.type === "beat" && message.answer === "ok") agent.answered = message.seq;
    }
  }
}

async function beat(socket: Dealer, session: Uint8Array, signal: AbortSignal): Promise<void> {
  const digest = capabilitiesDigest(CAPABILITIES);
  await sleep(Math.random() * TIMEOUT.heartbeatMs);
  for (let seq = 1; !signal.aborted; seq += 1) {
    await socket.send(encodeLinkFrame(session, [{ type: "beat", seq, digest }]));
    await sleep(TIMEOUT.heartbeatMs);
  }
}
