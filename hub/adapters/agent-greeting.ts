// Who comes without a session: judged one at a time for each route, let in, or told where to go.
//
// AL5. Of two hellos of one node, the one that arrived later wins, whichever is judged first.
// AL6. A hub that does not lead opens no session. It says who does, and where all hubs are; whom it
//      could name nobody hears of the leader as soon as there is one. At most SEEKERS_MAX are
//      remembered, the oldest is forgotten first: they ask again by themselves.

import type { HubFact, HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import { isRegistryHello } from "@gantry/shared/contract/registry-ops.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { AgentLinkHandler } from "../ports.ts";
import { parseMessage } from "./node-messages.ts";
import type { RegistrySessions } from "./registry-sessions.ts";
import type { Route, RouterWriter } from "./router-writer.ts";

const GREETINGS_MAX = 256;
const SEEKERS_MAX = 4_096;

export type Hello = Extract<NodeMessage, { type: "hello" }>;
type Enrol = Extract<NodeMessage, { type: "enrol" }>;

export interface GreetingParts {
  readonly handler: Pick<AgentLinkHandler, "enrol" | "hello">;
  readonly registry: Pick<RegistrySessions, "greet"> | undefined;
  readonly writer: RouterWriter;
  readonly leading: () => { readonly isLeading: boolean; readonly leaderId?: string };
  readonly hubs: () => readonly HubFact[];
  /** Arrival of the hello by which this node has a session now. */
  readonly arrivalOf: (node: string) => number | undefined;
  /** In place of an older one, if there is one. */
  readonly open: (route: Route, hello: Hello, arrival: number) => void;
  readonly refuse: (reason: string) => void;
  readonly log: Logger;
}

export interface Greeting {
  take(route: Route, raw: readonly unknown[]): void;
  /** AL6. */
  announce(leader: string): void;
}

export function makeGreeting(parts: GreetingParts, scope: Scope): Greeting {
  const { handler, registry, writer, leading, hubs, refuse, log } = parts;
  const greeting = new Set<string>();
  const seekers = new Map<string, Route>();
  let arrivals = 0;

  /** L1: without a session, one `hello`, `enrol` or `registryHello` at a time. */
  function take(route: Route, raw: readonly unknown[]): void {
    const [first] = raw;
    if (registry !== undefined && isRegistryHello(first))
      return judge(route, () => registry.greet(route, first));
    const message = raw.length === 1 ? parseMessage(first) : undefined;
    if (message?.type === "enrol") return judge(route, () => enrol(route, message));
    if (message?.type !== "hello") return refuse("no session");
    return judge(route, (arrival) => hello(route, message, arrival));
  }

  function judge(route: Route, work: (arrival: number) => Promise<void>): void {
    if (greeting.has(route.key) || greeting.size >= GREETINGS_MAX) return refuse("still judging");
    greeting.add(route.key);
    arrivals += 1;
    const arrival = arrivals;
    scope.start("greet", () => work(arrival).finally(() => greeting.delete(route.key)));
  }

  /** AL6. False, and the node is told who leads, where this hub does not. */
  function mayOpen(route: Route): boolean {
    const { isLeading, leaderId } = leading();
    if (isLeading) return true;
    const all = hubs();
    const list: HubMessage[] = all.length === 0 ? [] : [{ type: "hubs", hubs: [...all] }];
    writer.post(route, [...list, notLeading(leaderId)]);
    if (leaderId === undefined) remember(route);
    return false;
  }

  function remember(route: Route): void {
    seekers.delete(route.key);
    seekers.set(route.key, route);
    const oldest = seekers.size > SEEKERS_MAX ? seekers.keys().next().value : undefined;
    if (oldest !== undefined) seekers.delete(oldest);
  }

  async function enrol(route: Route, message: Enrol): Promise<void> {
    if (!mayOpen(route)) return;
    const answer = await handler.enrol(message);
    log.info({ name: message.name, answer: answer.type }, "enrolment");
    writer.post(route, [answer]);
  }

  async function hello(route: Route, message: Hello, arrival: number): Promise<void> {
    if (!mayOpen(route)) return;
    const denied = await handler.hello(message);
    if (scope.signal.aborted || !mayOpen(route)) return; // it may have stepped down meanwhile
    if (denied !== undefined) {
      log.warn({ node: message.node, code: denied.error.code }, "hello denied");
      writer.post(route, [denied]);
      return;
    }
    if ((parts.arrivalOf(message.node) ?? -1) > arrival) {
      writer.post(route, [SUPERSEDED]); // AL5
      return;
    }
    parts.open(route, message, arrival);
  }

  return {
    take,
    announce(leader) {
      for (const route of seekers.values())
        writer.post(route, [{ type: "notLeader", hub: leader }]);
      seekers.clear();
    },
  };
}

export const SUPERSEDED: HubMessage = {
  type: "denied",
  error: { code: "superseded", message: "A newer start of this node took over" },
};

const notLeading = (leaderId: string | undefined): HubMessage => ({
  type: "denied",
  error: {
    code: "not_leader",
    message: "This hub does not lead",
    ...(leaderId === undefined ? {} : { details: { hub: leaderId } }),
  },
});
