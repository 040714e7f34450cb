// A hub for tests, in a process of its own so that it can be killed: the true agent link with keys in
// a folder and a handler that lets the first node in and does what it reads on stdin.
//
//   stdin, JSON lines:  [node, ...messages] to send, or {leader, term, hubs}: what it knows of its cluster
//   stdout, JSON lines: what the node said
//   arguments: folder, address, and its id where it is one of several hubs

import { createInterface } from "node:readline";
import { openAgentLink } from "@gantry/hub/adapters/agent-link.ts";
import { openHubKeys } from "@gantry/hub/adapters/hub-keys.ts";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
import { encodeJoinCode } from "@gantry/shared/contract/join-code.ts";
import type { HubFact, HubMessage } from "@gantry/shared/contract/link.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";

interface View {
  readonly leader?: string;
  readonly term: number;
  readonly hubs: readonly HubFact[];
}

const [folder = "", bind = "", id = "hub_1"] = process.argv.slice(2);
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const keys = await openHubKeys(folder);
let digest = "";
let view: View = { leader: id, term: 1, hubs: [] };

const link = await openAgentLink({
  bind,
  keys,
  clock: systemClock,
  random: Math.random,
  log: silentLogger,
  signal: new AbortController().signal,
  identity: () => ({ hub: id, term: view.term, cluster: "stub" }),
  leading: () => ({
    isLeading: view.leader === id,
    ...(view.leader === undefined ? {} : { leaderId: view.leader }),
  }),
  hubs: () => view.hubs,
  handler: {
    allows: () => true,
    enrol: async (message) => {
      say(message);
      return { type: "enrolled", node: "node_1" };
    },
    hello: async (message) => {
      say(message);
      digest = capabilitiesDigest(message.capabilities);
      return undefined;
    },
    joined: (node, bootId) => say({ type: "joined", node, bootId }),
    received: (_node, messages) => messages.forEach(say),
    beat: (_node, told) => (told === digest ? "ok" : "mismatch"),
    left: (node, why) => say({ type: "left", node, why }),
  },
});
say({
  type: "listening",
  endpoint: link.endpoint,
  publicKey: keys.publicKey,
  code: encodeJoinCode({ hubKey: keys.publicKey, secret: "0123456789abcdef" }),
});

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line) as View | [string, ...HubMessage[]];
  if (!Array.isArray(told)) {
    see(told);
    continue;
  }
  const [node, ...messages] = told;
  say({ type: "outcome", outcome: link.send(node, messages) });
}
await link.close();

function see(next: View): void {
  const isDeposed = view.leader === id && next.leader !== id;
  view = next;
  if (isDeposed) link.dropAll(next.leader);
  if (next.leader !== undefined) link.announce(next.leader);
  link.tellHubs();
}
