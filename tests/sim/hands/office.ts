// What lives in a hub's process besides the replica, put together as hub/main.ts does: the real hands,
// registry loop, reigns and calls between hubs, on simulated links and clocks.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { OpenAgentLink } from "../../../hub/adapters/agent-link.ts";
import { NO_PROVIDERS } from "../../../hub/adapters/provider-file.ts";
import { LOG_FORMAT } from "../../../hub/cluster/formats.ts";
import type { Members } from "../../../hub/cluster/members.ts";
import { makeServing, type Serving } from "../../../hub/cluster/serving.ts";
import { isMember } from "../../../hub/consensus/membership.ts";
import type { HubId } from "../../../hub/consensus/types.ts";
import { makeFeed } from "../../../hub/feed/feed.ts";
import { makeSoftState } from "../../../hub/feed/soft.ts";
import type { HealthBoard } from "../../../hub/health.ts";
import type { Hub } from "../../../hub/hub.ts";
import { ledgerTimeMs } from "../../../hub/ledger/context.ts";
import { makeMetrics } from "../../../hub/metrics.ts";
import { makePeerCalls, type PeerCalls } from "../../../hub/peers/calls.ts";
import type { BlobStore, OrderedStore, PeerLinkFacts } from "../../../hub/ports.ts";
import { makeStamps } from "../../../hub/registry/replicated-time.ts";
import type { Reign } from "../../../hub/replica/options.ts";
import type { Replica } from "../../../hub/replica/replica.ts";
import type { HubCore } from "../../../hub/roots/core.ts";
import { otherLeader } from "../../../hub/roots/front.ts";
import { type Hands, makeHands } from "../../../hub/roots/hands.ts";
import { answerOthers } from "../../../hub/roots/others.ts";
import { makeReigning, type Reigning } from "../../../hub/roots/reigning.ts";
import type { Network } from "../network.ts";
import type { World } from "../world.ts";
import { insist } from "./insist.ts";
import type { Life, LifeHooks } from "../replica/member.ts";
import { addressOf, openHubEnd } from "./hub-end.ts";
import type { Lines } from "./lines.ts";

export interface OfficeParts {
  readonly world: World;
  readonly network: Network;
  readonly lines: Lines;
  /** All hubs there are, members or not. */
  readonly ids: readonly HubId[];
  readonly witnesses: ReadonlySet<HubId>;
  readonly electionTicks: number;
  readonly blobs: BlobStore;
  readonly offices: Map<HubId, Office>;
  readonly isPaused: (hub: HubId) => boolean;
  readonly onSend: (office: Office, node: string, messages: readonly HubMessage[]) => void;
}

/** One life of it. */
export interface Office {
  readonly hubId: HubId;
  readonly hub: Hub;
  readonly hands: Hands;
  readonly serving: Serving;
  readonly calls: PeerCalls;
  /** Virtual ms at which the last reign of this life ended; undefined while one lasts. */
  readonly deposedAt: number | undefined;
  /** How this hub's ledger differs from the leader's. */
  readonly disagreement: () => string | undefined;
}

const POST_MS_MAX = 3;
const CLUSTER = "00000000000000c5";

/** CURVE keys are not used here; they only name a hub. */
export const keyOf = (hub: HubId): string => hub.padEnd(40, "k");

export function startOffice(life: Life, parts: OfficeParts): LifeHooks {
  return parts.witnesses.has(life.hub) ? WITNESS : startStateful(life, parts);
}

/** It holds no state, and so has neither hands nor a door. */
const WITNESS: LifeHooks = {
  onEvents: () => {},
  onReign: () => {},
  onLeader: () => {},
  onInstalled: () => {},
  opened: () => {},
};

function startStateful(life: Life, parts: OfficeParts): LifeHooks {
  const { world, offices } = parts;
  const feed = makeFeed();
  const serving = makeServing();
  const { signal: never } = new AbortController(); // its own: listeners of a signal live as long as it
  let link: OpenAgentLink | undefined;
  let reigning: Reigning | undefined;
  let early: Reign | undefined;
  let deposedAt: number | undefined = 0;
  const log = tellingLogger(world, life.hub);
  const calls = makePeerCalls({
    link: { post: (to, body) => postTo(to, body) },
    clock: life.clock,
    log,
    bootId: `${life.hub}-${world.events}`,
  });

  function postTo(to: HubId, body: unknown): "sent" | "absent" {
    if (life.isOver()) return "absent";
    const text = JSON.stringify(body);
    world.after(world.random() * POST_MS_MAX, () => {
      if (parts.network.isBlocked(life.hub, to)) return;
      const other = offices.get(to);
      if (other !== undefined)
        others.get(other)?.(() => other.calls.posted(life.hub, JSON.parse(text)));
    });
    return "sent";
  }

  function open(replica: Replica, ledgerStore: OrderedStore): void {
    const { rows } = replica.ledger;
    const { clock } = life;
    const hub: Hub = {
      id: life.hub,
      replica,
      rows,
      feed,
      soft: makeSoftState(feed),
      clock,
      stampMs: makeStamps(clock, () => ledgerTimeMs(rows)),
      random: life.random,
      log,
      metrics: makeMetrics(),
    };
    const core = coreOf(life, parts, hub, ledgerStore, calls);
    const theLink = (): OpenAgentLink => {
      if (link === undefined) throw new GantryError("starting", "The agent link is not open yet");
      return link;
    };
    const paths = { root: "/nowhere", gcode: "/nowhere" } as Parameters<
      typeof makeHands
    >[0]["paths"];
    const exam = { core, version: "0.0.0", root: "/nowhere" };
    const board = { report: () => ({}) } as unknown as HealthBoard;
    const hands = makeHands({
      core,
      blobs: parts.blobs,
      paths,
      board,
      link: theLink,
      egressAllow: [],
      mcpServers: [],
      providers: NO_PROVIDERS,
      exam,
      signal: never,
    });
    link = openHubEnd({
      life,
      isPaused: () => parts.isPaused(life.hub),
      lines: parts.lines,
      clock,
      log,
      publicKey: keyOf(life.hub),
      handler: hands.handler,
      identity: () => ({ hub: hub.id, term: replica.status().term, cluster: CLUSTER }),
      leading() {
        const leaderId = otherLeader(hub);
        const isLeading = serving.desk !== undefined;
        return leaderId === undefined ? { isLeading } : { isLeading, leaderId };
      },
      hubs: () =>
        [...rows.hot("hub").values()].map(({ id, agentAddress: address, agentKey: publicKey }) => ({
          id,
          address,
          publicKey,
        })),
      onSend: (node, messages) => parts.onSend(office, node, messages),
    });
    const facts = (): HubFacts => factsOf(life.hub);
    const others_ = answerOthers({ core, blobs: hands.blobs, serving, facts, exam, signal: never });
    reigning = makeReigning({
      core,
      hands,
      serving,
      link: theLink,
      facts,
      agreement: others_.agreement,
      giveOwnerToken: () => Promise.resolve(),
      speakMqtt: (signal) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    });
    const office: Office = {
      hubId: life.hub,
      hub,
      hands,
      serving,
      calls,
      get deposedAt() {
        return deposedAt;
      },
      disagreement: others_.disagreement,
    };
    offices.set(life.hub, office);
    others.set(office, life.happens);
    if (early !== undefined) reigning.take(early);
  }

  return {
    onEvents: (events) => feed.publish(events),
    onReign(reign) {
      deposedAt = reign === undefined ? world.now : undefined;
      early = reign;
      reigning?.take(reign);
      serving.ring();
    },
    onLeader(leader) {
      if (leader !== null) link?.announce(leader);
      serving.ring();
    },
    onInstalled: () => feed.lapse(),
    opened: open,
  };
}

/** How something reaches the process of an office. */
const others = new WeakMap<Office, (run: () => void) => void>();

function factsOf(hub: HubId): HubFacts {
  return {
    peerAddress: addressOf(hub),
    peerKey: keyOf(hub),
    agentAddress: addressOf(hub),
    agentKey: keyOf(hub),
    httpAddress: "",
    version: "0.0.0",
    bootId: hub,
    format: LOG_FORMAT,
  };
}

/** What the hands use of it; the rest is never touched here. */
function coreOf(
  life: Life,
  parts: OfficeParts,
  hub: Hub,
  ledgerStore: OrderedStore,
  calls: PeerCalls,
): HubCore {
  const { network, ids, witnesses } = parts;
  const rest = ids.filter((id) => id !== life.hub);
  const others = (): HubId[] => {
    const { membership } = hub.replica.status();
    return rest.filter((id) => isMember(membership, id));
  };
  const members = {
    others,
    stateful: () => others().filter((id) => !witnesses.has(id)),
    isWitness: (id: HubId) => witnesses.has(id),
    witnesses,
    peer: (id: HubId) => ({ id, address: addressOf(id), publicKey: keyOf(id) }),
    told: () => ({ peers: [], witnesses: [], former: [] }),
    take: () => Promise.resolve(),
    untold: () => [],
    isFormer: () => false,
    isRemoved: false,
  } as unknown as Members;
  const linkFacts = (id: HubId): PeerLinkFacts => ({
    isConnected: !network.isBlocked(life.hub, id) && !network.isBlocked(id, life.hub),
    heardAgoMs: 0,
    framesOut: 0,
    framesIn: 0,
    framesDropped: 0,
  });
  return {
    hub,
    ledgerStore,
    members,
    calls,
    network: { current: { links: () => new Map(others().map((id) => [id, linkFacts(id)])) } },
    pulse: { facts: () => ({}) },
    timing: { electionTicks: parts.electionTicks, heartbeatTicks: 5 },
    clusterId: CLUSTER,
    founders: ids,
    isWitness: false,
    bootId: life.hub,
    close: () => Promise.resolve(),
  } as unknown as HubCore;
}

/** A task that fails other than by an error of ours is a bug. */
function tellingLogger(world: World, hub: HubId): Logger {
  const say =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      const text = `${hub} ${level}: ${message} ${JSON.stringify(fields)}`;
      world.note(() => text);
      if (level === "error") insist(world, !text.includes('"internal"'), () => `HX0 ${text}`);
    };
  return { error: say("error"), warn: say("warn"), info: () => {}, debug: () => {} };
}
