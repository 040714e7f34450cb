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
import { until } from "./appliance.ts";
import type { ClusterHub } from "./cluster.ts";

export interface Enrolled {
  readonly node: string;
  readonly publicKey: string;
  readonly secretKey: string;
  readonly secret: string;
  /** The hub that enrolled it. */
  readonly place: HubPlace;
}

/** `hub`: any of the cluster. Who leads may change meanwhile: then it is begun again, as an agent does. */
export async function enrolNode(hub: ClusterHub, name: string): Promise<Enrolled> {
  return await until("a node to be enrolled", () => enrolOnce(hub, name));
}

async function enrolOnce(hub: ClusterHub, name: string): Promise<Enrolled | undefined> {
  const { body } = await hub.api("POST", "/api/nodes/join-codes", { name });
  const { hubKey, secret: code } = decodeJoinCode(body.code);
  const keys = curveKeyPair();
  const secret = randomBytes(32).toString("hex");
  const address = (body.hub as string | undefined) ?? hub.agentAddress;
  const place = { address, publicKey: hubKey };
  const dealer = new Dealer({
    linger: 0,
    curveServerKey: hubKey,
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
    receiveTimeout: 10_000,
  });
  try {
    dealer.connect(place.address);
    const enrol = { type: "enrol", code, name, publicKey: keys.publicKey, secret };
    await dealer.send(encodeLinkFrame(NO_SESSION, [enrol]));
    for (;;) {
      const [bytes] = await dealer.receive();
      if (bytes === undefined) continue;
      for (const message of decodeLinkFrame(bytes).messages as HubMessage[]) {
        if (message.type === "denied" && message.error.code === "not_leader") return undefined;
        if (message.type === "denied") throw new Error(message.error.message);
        if (message.type === "enrolled") return { node: message.node, ...keys, secret, place };
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
