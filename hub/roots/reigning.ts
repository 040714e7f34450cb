// What this hub does while it leads, and that it ends when another hub does. One reign at a time.

import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import type { OpenAgentLink } from "../adapters/agent-link.ts";
import { type Agreement, tellStamps } from "../cluster/agreement.ts";
import { describeHubs } from "../cluster/describe.ts";
import { doReign } from "../cluster/reign.ts";
import type { Serving } from "../cluster/serving.ts";
import { relaySoft } from "../cluster/soft-relay.ts";
import { untilNodesBack } from "../hands/nodes-back.ts";
import type { Reign } from "../replica/options.ts";
import type { HubCore } from "./core.ts";
import { otherLeader } from "./front.ts";
import type { Hands } from "./hands.ts";

export interface ReigningParts {
  readonly core: HubCore;
  readonly hands: Hands;
  readonly serving: Serving;
  readonly link: () => OpenAgentLink;
  readonly facts: () => HubFacts;
  readonly agreement: Agreement;
  /** Before anything else in the first reign of a cluster. */
  readonly giveOwnerToken: (signal: AbortSignal) => Promise<void>;
  readonly speakMqtt: (signal: AbortSignal) => Promise<void>;
}

export interface Reigning {
  /** This hub leads, or (undefined) leads no more. */
  take(reign: Reign | undefined): void;
  /** No reign is under way. */
  settled(): Promise<void>;
}

export function makeReigning(parts: ReigningParts): Reigning {
  const { core, hands, serving, link } = parts;
  const { hub, members, calls } = core;
  let reigning = Promise.resolve();

  /** What only the leader does, by name, until its reign ends. */
  const tasksOf = ({ term }: Reign): Parameters<typeof doReign>[0]["tasks"] => ({
    "describe hubs": (signal) => describeHubs(core, parts.facts, signal),
    registry: (signal) => hands.registry.run(term, signal),
    queues: (signal) => hands.queues.run(signal), // before the duties: they read its index
    duties: (signal) => hands.duties.run(signal),
    "looks at the fleet": (signal) => hands.fleet.run(signal),
    schedules: (signal) => hands.clockwork.run(signal),
    webhooks: (signal) => hands.webhooks.run(term, signal),
    ...hands.mind.tasks,
    "settle prices": (signal) => hands.money.run(signal), // before questions are asked again
    runs: (signal) => hands.runs.run(signal),
    "goals and standing jobs": (signal) => hands.goals.run(signal),
    "versions of patches": (signal) => hands.patchLibrary.run(signal),
    "pack ended runs": (signal) => hands.runHistory.run(signal),
    "other MCP servers": (signal) => hands.foreign.run(signal),
    async agents(signal) {
      if (hub.rows.hot("agentTurn").size > 0) await untilNodesBack(hub, link, signal);
      await hands.agents.run(signal);
    },
    async "resume questions"(signal) {
      if (hub.rows.hot("question").size > 0) await untilNodesBack(hub, link, signal);
      await hands.ask.resume(signal);
    },
    "compare ledgers": (signal) => tellStamps(core, parts.agreement, signal),
    "speak MQTT": (signal) => parts.speakMqtt(signal),
    "relay live values": (signal) =>
      relaySoft(
        { soft: hub.soft, calls, others: () => members.stateful(), clock: hub.clock },
        signal,
      ),
  });

  return {
    take(reign) {
      if (reign === undefined) {
        serving.end();
        link().dropAll(otherLeader(hub));
        return;
      }
      const each = {
        hub,
        members,
        calls,
        isFounded: () => hub.rows.hot("token").size > 0,
        first: [parts.giveOwnerToken],
        onServing: () => serving.begin(hands.desk),
        tasks: tasksOf(reign),
      };
      reigning = reigning.then(() => doReign(each, reign));
    },
    settled: () => reigning,
  };
}
