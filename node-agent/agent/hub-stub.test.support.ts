// A hub for tests, in a process of its own so that it can be killed: the true agent link with keys in
// a folder and a handler that lets the first node in and does what it reads on stdin.
//
//   stdin, JSON lines:  [node, ...messages] to send · stdout, JSON lines: what the node said
//   arguments: folder, address, names of flags (`forget`: answers beats with unknown once)

import { createInterface } from "node:readline";
import { openAgentLink } from "@gantry/hub/adapters/agent-link.ts";
import { openHubKeys } from "@gantry/hub/adapters/hub-keys.ts";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
import { encodeJoinCode } from "@gantry/shared/contract/join-code.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";

const [folder = "", bind = ""] = process.argv.slice(2);
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const keys = await openHubKeys(folder);
let digest = "";

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
  code: encodeJoinCode({ hubKey: keys.publicKey, secret: "0123456789abcdef" }),
});

for await (const line of createInterface({ input: process.stdin })) {
  const [node, ...messages] = JSON.parse(line) as [string, ...HubMessage[]];
  say({ type: "outcome", outcome: link.send(node, messages) });
}
await link.close();
