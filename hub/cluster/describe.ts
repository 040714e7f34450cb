// Where each hub is, in the log: node agents and clients learn from it where else they may turn.
//
// DH1. A hub tells its own facts; the leader writes them down, and only when they have changed.
// DH2. A hub that is no member any more has no facts: what a killed leader left is taken away.
// DH3. A hub that has not told yet is asked again soon: a client that knows only the leader, and loses
//      it before the others are in the log, would find none of them.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { HubConfig } from "@gantry/shared/contract/config.ts";
import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import { z } from "zod";
import type { HubId } from "../consensus/types.ts";
import { LOG_FORMAT } from "./formats.ts";
import { act, byHub, propose } from "../hub.ts";
import type { HubCore } from "../roots/core.ts";

export const HUB_FACTS = "facts";
const LOOK_MS = 2_000;
const SOON_MS = 100;
const ASK_MS = 1_000;

const factsSchema = z.object({
  peerAddress: z.string(),
  peerKey: z.string(),
  agentAddress: z.string(),
  agentKey: z.string(),
  httpAddress: z.string(),
  version: z.string(),
  bootId: z.string(),
  format: z.number().optional(),
});

export interface OwnFacts {
  readonly config: HubConfig;
  readonly agentEndpoint: string;
  readonly agentKey: string;
  /** Where the HTTP door listens, with its true port. */
  readonly httpAddress: string;
  readonly version: string;
}

/** As this hub knows itself: a wildcard in an address is filled in by whoever knows more. */
export function factsOf({ hub, members, bootId }: HubCore, own: OwnFacts): HubFacts {
  const peer = members.peer(hub.id);
  const { config, agentEndpoint, agentKey, httpAddress, version } = own;
  return {
    peerAddress: peer?.address ?? "",
    peerKey: peer?.publicKey ?? "",
    agentAddress: config.agentAddress ?? agentEndpoint,
    agentKey,
    httpAddress,
    version,
    bootId,
    format: LOG_FORMAT,
  };
}

/** Writes down this hub's facts, then those of the others again and again. */
export async function describeHubs(
  core: HubCore,
  own: () => HubFacts,
  signal: AbortSignal,
): Promise<void> {
  const { hub, members } = core;
  for (;;) {
    await keep(core, hub.id, own(), signal);
    await dropStrangers(core, signal);
    const others = members.others().filter((id) => !members.isWitness(id));
    const told = await Promise.all(others.map((id) => ask(core, id, signal)));
    await hub.clock.sleep(told.includes(false) ? SOON_MS : LOOK_MS, signal);
  }
}

/** False if nothing of this hub is in the log, or if it is there and does not say where (DH3). */
async function ask(core: HubCore, other: HubId, signal: AbortSignal): Promise<boolean> {
  const { hub, calls, network } = core;
  const isLinked = network.current?.links().get(other)?.isConnected === true;
  if (!isLinked) return hub.rows.get("hub", other) !== undefined;
  try {
    const told = await calls.call(other, HUB_FACTS, {}, { signal, timeoutMs: ASK_MS });
    await keep(core, other, factsSchema.parse(told), signal);
    return true;
  } catch (error) {
    if (signal.aborted) throw error;
    hub.log.debug({ peer: other, error: toErrorRecord(error) }, "a hub does not say where it is");
    return false;
  }
}

/** DH2. */
async function dropStrangers({ hub, members }: HubCore, signal: AbortSignal): Promise<void> {
  const known = [hub.id, ...members.others()];
  const strangers = [...hub.rows.hot("hub").keys()].filter((id) => !known.includes(id));
  // A refusal says that somebody else took it away in the meantime.
  for (const id of strangers) await propose(hub, { type: "hubLeft", hub: id }, byHub(hub), signal);
}

/** DH1. */
async function keep(core: HubCore, id: HubId, facts: HubFacts, signal: AbortSignal): Promise<void> {
  const { hub, members } = core;
  if (id !== hub.id && !members.others().includes(id)) return; // DH2
  const host = hostOf(members.peer(id)?.address ?? "");
  const known = {
    ...facts,
    peerAddress: members.peer(id)?.address ?? facts.peerAddress,
    agentAddress: withHost(facts.agentAddress, host),
    httpAddress: withHost(facts.httpAddress, host),
  };
  const before = hub.rows.get("hub", id);
  const isSame =
    before !== undefined &&
    Object.entries(known).every(([name, value]) => before[name as keyof HubFacts] === value);
  if (!isSame) await act(hub, { type: "hubJoined", hub: id, ...known }, byHub(hub), signal);
}

const hostOf = (address: string): string | undefined => /^tcp:\/\/(.+):\d+$/.exec(address)?.[1];

/** `0.0.0.0` and the like become the host under which others reach this hub. */
export function withHost(address: string, host: string | undefined): string {
  return host === undefined
    ? address
    : address.replace(/\/\/(0\.0\.0\.0|\*|\[::\])(?=:|$)/, `//${host}`);
}
