// The hub's end of the agent link: one ROUTER, CURVE, sessions, frames. It knows no facts.
// Who comes without a session: agent-greeting.ts. Who falls silent: agent-leases.ts.
//
// AL1. A session is a route and a 128-bit secret told to it inside CURVE. Every later frame must come
//      from that route and carry that secret: CURVE alone does not bind a routing id to a key
//      (notes/ops 3.1). Anything else is dropped, counted, and answered `unknown`, so that a node
//      whose hub was wiped says `hello` again within one beat.
// AL2. Routing ids are given by the ROUTER, one per connection; without `handover` nobody can take
//      over the live route of another, whatever id they ask for.
// AL3. No bytes from outside throw: they are dropped and counted.
// AL7. Every second beat is answered when all is well. A node gives its hub up after five without an
//      answer (AG2 of agent.ts), and with a thousand nodes the answers cost as much as the beats.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { mintId } from "@gantry/shared/base/ids.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { decodeLinkFrame, NO_SESSION, SESSION_BYTES } from "@gantry/shared/contract/frames.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { Context } from "zeromq";
import type { AgentLink, AgentLinkHandler, LinkCounts } from "../ports.ts";
import { type Hello, makeGreeting, SUPERSEDED } from "./agent-greeting.ts";
import { watchLeases } from "./agent-leases.ts";
import type { AgentLinkOptions } from "./agent-link-options.ts";
import { bindAgentSocket, makeAgentSocket } from "./agent-socket.ts";
import { parseMessage } from "./node-messages.ts";
import { makeRegistrySessions } from "./registry-sessions.ts";
import { makeRoute, type Route, startRouterWriter } from "./router-writer.ts";
import { hearSocket } from "./socket-reading.ts";
import { startZap } from "./zap.ts";

export interface OpenAgentLink extends AgentLink {
  /** The address that was bound, with its true port. */
  readonly endpoint: string;
  counts(): LinkCounts;
}

interface Session {
  /** For logs: the secret is never written. */
  readonly id: string;
  readonly node: string;
  readonly bootId: string;
  readonly route: Route;
  /** Order of arrival of its hello (AL5 of agent-greeting.ts). */
  readonly arrival: number;
  /** Monotonic ms. */
  heardMs: number;
}

const MESSAGES_PER_FRAME_MAX = 8_192;
const BEATS_AN_ANSWER = 2;

/** Binds and serves until `signal` aborts or `close`. Throws port_busy, bad_config (the address). */
export async function openAgentLink(options: AgentLinkOptions): Promise<OpenAgentLink> {
  const { keys, handler, clock, random, log } = options;
  const leaseMs = options.leaseMs ?? TIMEOUT.leaseMs;
  const identity = options.identity ?? (() => ({ hub: keys.publicKey, term: 0 }));
  const leading: NonNullable<AgentLinkOptions["leading"]> =
    options.leading ?? (() => ({ isLeading: true }));
  const hubs = options.hubs ?? (() => []);
  const scope = makeScope((name, error) => log.error({ task: name, error }, "agent link"));
  const counts = { framesIn: 0, framesOut: 0, framesRefused: 0, handshakesDenied: 0 };
  const byNode = new Map<string, Session>();
  const byRoute = new Map<string, Session>();

  const context = new Context();
  const onDenied = (address: string): void => {
    counts.handshakesDenied += 1;
    log.warn({ address }, "a key without leave knocked");
  };
  await startZap({ context, allows: (key) => handler.allows(key), onDenied }, scope);
  const socket = makeAgentSocket(context, keys.secretKey, () => (counts.handshakesDenied += 1));
  await bindAgentSocket(socket, options.bind).catch(async (error: unknown) => {
    socket.close();
    await scope.close();
    throw error;
  });
  const writer = startRouterWriter(
    socket,
    {
      onFrame: () => (counts.framesOut += 1),
      onTooLarge: ({ type }) => log.error({ type }, "a message is larger than a frame; dropped"),
    },
    clock,
    scope,
  );

  const registry =
    handler.registry === undefined
      ? undefined
      : makeRegistrySessions({ door: handler.registry, writer, identity, hubs, log, refuse }, () =>
          clock.monotonic(),
        );

  const greeting = makeGreeting(
    {
      handler,
      registry,
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

  // --- frames ---

  function refuse(reason: string): void {
    counts.framesRefused += 1;
    log.debug({ reason }, "frame refused");
  }

  function onFrame(id: Buffer, bytes: Buffer): void {
    let frame;
    try {
      frame = decodeLinkFrame(bytes);
    } catch (error) {
      return refuse(toErrorRecord(error).message); // AL3
    }
    if (frame.messages.length > MESSAGES_PER_FRAME_MAX) return refuse("too many messages");
    if (isEmpty(frame.session)) return greeting.take(makeRoute(id, NO_SESSION), frame.messages);
    const key = id.toString("hex");
    const session = byRoute.get(key);
    if (
      session === undefined &&
      registry?.take(key, frame.session, frame.messages, clock.monotonic()) === true
    )
      return;
    if (session === undefined || !timingSafeEqual(session.route.session, frame.session)) {
      refuse("no such session"); // AL1
      writer.post(makeRoute(id, NO_SESSION), [{ type: "beat", seq: 0, answer: "unknown" }]);
      return;
    }
    session.heardMs = clock.monotonic();
    deliver(session, frame.messages);
  }

  function deliver(session: Session, raw: readonly unknown[]): void {
    const messages: NodeMessage[] = [];
    let invalid = 0;
    for (const item of raw) {
      const message = parseMessage(item);
      if (message === undefined || message.type === "hello" || message.type === "enrol") {
        invalid += 1;
      } else if (message.type === "beat") {
        const answer = handler.beat(session.node, message.digest);
        const isOwed = answer !== "ok" || message.seq % BEATS_AN_ANSWER === 1; // AL7
        if (isOwed) writer.post(session.route, [{ type: "beat", seq: message.seq, answer }]);
      } else {
        messages.push(message);
      }
    }
    if (invalid > 0) refuse(`${invalid} invalid messages of ${session.node}`);
    const bye = messages.findIndex(({ type }) => type === "bye");
    const work = bye < 0 ? messages : messages.slice(0, bye);
    if (work.length > 0) handler.received(session.node, work);
    if (bye >= 0) end(session, "bye");
  }

  // --- sessions ---

  /** The same boot on a new connection goes on; another boot ends the older one. */
  function replace(older: Session, bootId: string): void {
    if (older.bootId === bootId) {
      byRoute.delete(older.route.key);
      return;
    }
    writer.post(older.route, [SUPERSEDED]);
    end(older, "superseded");
  }

  function open(route: Route, { node, bootId }: Hello, arrival: number): void {
    const older = byNode.get(node);
    if (older !== undefined) replace(older, bootId);
    const secret = randomBytes(SESSION_BYTES);
    const welcome = {
      type: "welcome" as const,
      session: secret.toString("hex"),
      ...identity(),
      hubs: [...hubs()],
    };
    route.session = secret;
    const session: Session = {
      id: mintId("ses", clock.now(), random),
      node,
      bootId,
      route,
      arrival,
      heardMs: clock.monotonic(),
    };
    byNode.set(node, session);
    byRoute.set(route.key, session);
    writer.post(route, [welcome]);
    log.info({ node, bootId, session: session.id }, "node joined");
    handler.joined(node, bootId);
  }

  function end(session: Session, why: Parameters<AgentLinkHandler["left"]>[1]): void {
    if (byNode.get(session.node) !== session) return;
    byNode.delete(session.node);
    byRoute.delete(session.route.key);
    log.info({ node: session.node, session: session.id, why }, "node left");
    handler.left(session.node, why);
  }

  // --- tasks ---

  function onParts([id, bytes, ...rest]: readonly Buffer[]): void {
    counts.framesIn += 1;
    if (id === undefined || bytes === undefined || rest.length > 0) refuse("not two parts");
    else onFrame(id, bytes);
  }

  scope.start("receive", (signal) => hearSocket(socket, signal, onParts));

  scope.start("leases", (signal) =>
    watchLeases(
      {
        clock,
        leaseMs,
        sessions: () => byNode.values(),
        onSilent: (session) => end(session, "silent"),
        onLook: (nowMs, stalledMs) => registry?.look(nowMs, leaseMs, stalledMs),
      },
      signal,
    ),
  );

  async function close(): Promise<void> {
    registry?.endAll();
    const closing = scope.close();
    socket.close();
    await closing;
  }
  const onAbort = (): void => void close();
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) await close();

  return {
    publicKey: keys.publicKey,
    endpoint: socket.lastEndpoint ?? options.bind,
    send(node, messages) {
      const session = byNode.get(node);
      return session === undefined ? "absent" : writer.post(session.route, messages);
    },
    drop(node) {
      const session = byNode.get(node);
      if (session !== undefined) end(session, "dropped");
    },
    dropAll(leader) {
      const told: HubMessage = {
        type: "notLeader",
        ...(leader === undefined ? {} : { hub: leader }),
      };
      for (const session of byNode.values()) {
        writer.post(session.route, [told]);
        end(session, "deposed");
      }
    },
    announce: (leader) => greeting.announce(leader),
    tellHubs() {
      const list: HubMessage = { type: "hubs", hubs: [...hubs()] };
      for (const { route } of byNode.values()) writer.post(route, [list]);
      registry?.tellHubs();
    },
    heard() {
      const nowMs = clock.monotonic();
      return new Map([...byNode].map(([node, { heardMs }]) => [node, nowMs - heardMs]));
    },
    counts: () => ({ ...counts }),
    async close() {
      options.signal.removeEventListener("abort", onAbort);
      await close();
    },
  };
}

const isEmpty = (session: Uint8Array): boolean => session.every((byte) => byte === 0);
