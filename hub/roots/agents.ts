// Opens the link to node agents and keeps them told where the hubs are and which of them leads.

import type { HubFact } from "@gantry/shared/contract/link.ts";
import { type OpenAgentLink, openAgentLink } from "../adapters/agent-link.ts";
import { openHubKeys } from "../adapters/hub-keys.ts";
import type { Serving } from "../cluster/serving.ts";
import type { Hub } from "../hub.ts";
import type { AgentLinkHandler, FeedItem } from "../ports.ts";
import type { HubCore } from "./core.ts";
import { otherLeader } from "./front.ts";

export interface AgentsParts {
  readonly core: HubCore;
  /** Where the data is. */
  readonly root: string;
  readonly bind: string;
  readonly handler: AgentLinkHandler;
  readonly serving: Serving;
  readonly signal: AbortSignal;
}

/** Throws as openAgentLink and openHubKeys do. */
export async function openAgents(parts: AgentsParts): Promise<OpenAgentLink> {
  const { core, root, bind, handler, serving, signal } = parts;
  const { hub } = core;
  const link = await openAgentLink({
    bind,
    keys: await openHubKeys(root),
    handler,
    clock: hub.clock,
    random: hub.random,
    log: hub.log,
    signal,
    identity: () => ({
      hub: hub.id,
      term: hub.replica.status().term,
      cluster: core.clusterId,
    }),
    leading: () => {
      const leaderId = otherLeader(hub);
      const isLeading = serving.desk !== undefined;
      return leaderId === undefined ? { isLeading } : { isLeading, leaderId };
    },
    hubs: () => hubFacts(hub),
  });
  hub.feed.watch((items) => (items.some(namesHub) ? link.tellHubs() : undefined), signal);
  return link;
}

/** Where nodes find the hubs, as the log knows it. */
const hubFacts = ({ rows }: Hub): readonly HubFact[] =>
  [...rows.hot("hub").values()].map(({ id, agentAddress: address, agentKey: publicKey }) => ({
    id,
    address,
    publicKey,
  }));

const namesHub = (item: FeedItem): boolean =>
  item.kind === "lapse" ||
  (item.kind === "ledger" && item.events.some(({ type }) => type === "hub.changed"));
