// The hub's end of the agent link without its sockets: sessions and their rules as in
// hub/adapters/agent-link.ts, with the real greeting; frames go over the simulated lines.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { HubFact, HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { type Hello, makeGreeting, SUPERSEDED } from "../../../hub/adapters/agent-greeting.ts";
import { parseMessage } from "../../../hub/adapters/node-messages.ts";
import { makeRoute, type Route } from "../../../hub/adapters/router-writer.ts";
import type { OpenAgentLink } from "../../../hub/adapters/agent-link.ts";
import type { AgentLinkHandler } from "../../../hub/ports.ts";
import type { Life } from "../replica/member.ts";
import type { Lines } from "./lines.ts";

export interface HubEndParts {
  readonly life: Life;
  readonly isPaused: () => boolean;
  readonly lines: Lines;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publicKey: string;
  readonly handler: AgentLinkHandler;
  readonly identity: () => {
    readonly hub: string;
    readonly term: number;
    readonly cluster: string;
  };
  readonly leading: () => { readonly isLeading: boolean; readonly leaderId?: string };
  readonly hubs: () => readonly HubFact[];
  /** Each order before it leaves. */
  readonly onSend: (node: string, messages: readonly HubMessage[]) => void;
}

interface Session {
  readonly node: string;
  readonly bootId: string;
  readonly route: Route;
  readonly arrival: number;
  heardMs: number;
}

const STALL_SLACK_MS = 250;
const NO_SESSION = new Uint8Array(16);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export function openHubEnd(parts: HubEndParts): OpenAgentLink {
  const { life, lines, clock, log, handler, identity, leading, hubs } = parts;
  const scope = makeScope((task, error) => log.error({ task, error: String(error) }, "agent link"));
  const byNode = new Map<string, Session>();
  const byRoute = new Map<string, Session>();
  const counts = { framesIn: 0, framesOut: 0, framesRefused: 0, handshakesDenied: 0 };
  let sessions = 0;

  const writer = {
    post(route: Route, messages: readonly unknown[]): "sent" | "absent" {
      if (life.isOver()) return "absent";
      counts.framesOut += 1;
      return lines.post(route.key, hex(route.session), messages);
    },
  };
  const refuse = (): void => void (counts.framesRefused += 1);
  const greeting = makeGreeting(
    {
      handler,
      registry: undefined,
      writer,
      leading,
      hubs,
      arrivalOf: (node) => byNode.get(node)?.arrival,
      open,
      refuse,
      log,
    },
    scope,
  );

  function frame(key: string, session: string, messages: readonly unknown[]): void {
    counts.framesIn += 1;
    const route = makeRoute(Buffer.from(key, "hex"), NO_SESSION);
    if (session === hex(NO_SESSION)) return greeting.take(route, messages);
    const found = byRoute.get(key);
    if (found === undefined || hex(found.route.session) !== session) {
      refuse();
      writer.post(route, [{ type: "beat", seq: 0, answer: "unknown" }]);
      return;
    }
    found.heardMs = clock.monotonic();
    deliver(found, messages);
  }

  function deliver(session: Session, raw: readonly unknown[]): void {
    const messages: NodeMessage[] = [];
    for (const item of raw) {
      const message = parseMessage(item);
      if (message === undefined || message.type === "hello" || message.type === "enrol") refuse();
      else if (message.type === "beat") {
        const answer = handler.beat(session.node, message.digest);
        writer.post(session.route, [{ type: "beat", seq: message.seq, answer }]);
      } else messages.push(message);
    }
    const bye = messages.findIndex(({ type }) => type === "bye");
    const work = bye < 0 ? messages : messages.slice(0, bye);
    if (work.length > 0) handler.received(session.node, work);
    if (bye >= 0) end(session, "bye");
  }

  function open(route: Route, { node, bootId }: Hello, arrival: number): void {
    const older = byNode.get(node);
    if (older !== undefined && older.bootId !== bootId) {
      writer.post(older.route, [SUPERSEDED]);
      end(older, "superseded");
    } else if (older !== undefined) byRoute.delete(older.route.key);
    sessions += 1;
    const secret = Buffer.alloc(16);
    secret.writeUInt32BE(sessions, 0);
    secret.writeUInt32BE(Math.floor(life.random() * 2 ** 32), 4);
    route.session = secret;
    const session: Session = { node, bootId, route, arrival, heardMs: clock.monotonic() };
    byNode.set(node, session);
    byRoute.set(route.key, session);
    writer.post(route, [
      { type: "welcome", session: hex(secret), ...identity(), hubs: [...hubs()] },
    ]);
    handler.joined(node, bootId);
  }

  function end(session: Session, why: Parameters<AgentLinkHandler["left"]>[1]): void {
    if (byNode.get(session.node) !== session) return;
    byNode.delete(session.node);
    byRoute.delete(session.route.key);
    handler.left(session.node, why);
  }

  scope.start("leases", async (signal) => {
    const tickMs = TIMEOUT.leaseMs / 10;
    for (;;) {
      const beforeMs = clock.monotonic();
      await clock.sleep(tickMs, signal);
      const nowMs = clock.monotonic();
      const lateMs = nowMs - beforeMs - tickMs;
      for (const session of byNode.values()) {
        if (lateMs > STALL_SLACK_MS) session.heardMs += lateMs;
        if (nowMs - session.heardMs > TIMEOUT.leaseMs) end(session, "silent");
      }
    }
  });
  lines.listen(life.hub, {
    isPaused: parts.isPaused,
    allows: (key) => handler.allows(key),
    happens: life.happens,
    frame,
  });

  return {
    publicKey: parts.publicKey,
    endpoint: addressOf(life.hub),
    send(node, messages) {
      parts.onSend(node, messages);
      const session = byNode.get(node);
      return session === undefined ? "absent" : writer.post(session.route, messages);
    },
    drop(node) {
      const session = byNode.get(node);
      if (session !== undefined) end(session, "dropped");
    },
    dropAll(leader) {
      const told = { type: "notLeader", ...(leader === undefined ? {} : { hub: leader }) };
      for (const session of byNode.values()) {
        writer.post(session.route, [told]);
        end(session, "deposed");
      }
    },
    announce: (leader) => greeting.announce(leader),
    tellHubs() {
      const list = { type: "hubs", hubs: [...hubs()] };
      for (const { route } of byNode.values()) writer.post(route, [list]);
    },
    heard() {
      const nowMs = clock.monotonic();
      return new Map([...byNode].map(([node, { heardMs }]) => [node, nowMs - heardMs]));
    },
    counts: () => ({ ...counts }),
    close: () => scope.close(),
  };
}

/** Where a hub is in the simulated network, and back. */
export const addressOf = (hub: string): string => `tcp://${hub}:1`;
export const hubAt = (address: string): string => /^tcp:\/\/(.+):1$/.exec(address)?.[1] ?? "";
