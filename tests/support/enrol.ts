// Test equipment: enrols a node as an agent would, without an agent, and opens registry clients for it.

import { randomBytes } from "node:crypto";
import { decodeLinkFrame, encodeLinkFrame, NO_SESSION } from "@gantry/shared/contract/frames.ts";
import { decodeJoinCode } from "@gantry/shared/contract/join-code.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { curveKeyPair, Dealer } from "zeromq";
import type { HubPlace } from "../../node-agent/agent/hub-places.ts";
import {
  openRegistryClient,
  type RegistryClient,
  type RegistryClientOptions,
} from "../../node-agent/adapters/registry-client.ts";
import type { ClusterHub } from "./cluster.ts";

export interface Enrolled {
  readonly node: string;
  readonly publicKey: string;
  readonly secretKey: string;
  readonly secret: string;
  /** The hub that enrolled it: the one that led. */
  readonly place: HubPlace;
}

/** `leader`: the hub that leads. */
export async function enrolNode(leader: ClusterHub, name: string): Promise<Enrolled> {
  const { body } = await leader.api("POST", "/api/nodes/join-codes", { name });
  const { hubKey, secret: code } = decodeJoinCode(body.code);
  const keys = curveKeyPair();
  const secret = randomBytes(32).toString("hex");
  const dealer = new Dealer({
    linger: 0,
    curveServerKey: hubKey,
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
    receiveTimeout: 10_000,
  });
  try {
    dealer.connect(leader.agentAddress);
    const enrol = { type: "enrol", code, name, publicKey: keys.publicKey, secret };
    await dealer.send(encodeLinkFrame(NO_SESSION, [enrol]));
    for (;;) {
      const [bytes] = await dealer.receive();
      if (bytes === undefined) continue;
      for (const message of decodeLinkFrame(bytes).messages as HubMessage[]) {
        if (message.type === "denied") throw new Error(message.error.message);
        if (message.type !== "enrolled") continue;
        const place = { id: leader.id, address: leader.agentAddress, publicKey: hubKey };
        return { node: message.node, ...keys, secret, place };
      }
    }
  } finally {
    dealer.close();
  }
}

export const openClient = (
  enrolled: Enrolled,
  options: Partial<RegistryClientOptions> = {},
): RegistryClient =>
  openRegistryClient({
    hubs: [enrolled.place],
    identity: enrolled,
    clock: systemClock,
    random: Math.random,
    log: silentLogger,
    ...options,
  });
