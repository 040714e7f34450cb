// The links to the other hubs: one ROUTER that only hears, one DEALER for each other hub, and a second
// pair for bulk bytes. It owns sockets, keys and frames; no facts.
//
// PL1. Every frame carries a pass that only its sender and this hub can compute (PK2), and is sent only
//      to who has proven this hub's key. So `from` is the sender's membership id, whatever connection,
//      address or routing id it came by: CURVE alone does not bind these to a key, and zeromq.js
//      6.8 has no access to a message's ZAP user id. A frame without one is dropped before its payload
//      is read.
// PL2. Who is not in `use` gets no connection (ZAP), and what an open connection still brings has no
//      pass any more.
// PL3. No bytes from outside throw: they are dropped and counted.
// PL4. Nothing here waits for another hub: a link that is full or absent drops (PS3, PS4).
// PL5. The ROUTER never sends consensus: answers travel on the answering hub's own DEALER, so that
//      one slow reader stands in nobody's way.
// PL6. `lost` follows `connected`, each once, and nothing is told after `close`.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope, type Scope } from "@gantry/shared/flow/scope.ts";
import { Context } from "zeromq";
import type { HubId, Message } from "../consensus/types.ts";
import {
  decodeHello,
  decodePosts,
  fitsPost,
  openFrame,
  type OpenedFrame,
  type PeerFrameHead,
} from "../peers/codec.ts";
import { decodeMessages } from "../peers/message-codec.ts";
import type { LinkCounts, Peer, PeerLink, PeerLinkFacts, PeerLinkHandler } from "../ports.ts";
import type { CurveKeys } from "./hub-keys.ts";
import { type BulkClient, makeBulkClient, serveBulk } from "./peer-bulk.ts";
import { passesOf } from "./peer-keys.ts";
import { openPeerSender, type PeerSender } from "./peer-sender.ts";
import { bulkAddress, IO_THREADS, LANE, listen, portOf, type PeerSockets } from "./peer-socket.ts";
import { hearSocket } from "./socket-reading.ts";
import { startZap } from "./zap.ts";

export interface PeerLinkOptions {
  /** `tcp://HOST:PORT`; port 0 takes a free one, see `endpoint`. */
  readonly bind: string;
  /** Port of the bulk socket on the same host; default 0: a free one, which `hello` tells. */
  readonly bulkPort?: number;
  readonly hubId: HubId;
  /** 0 to 2^64 - 1. Frames of another one are refused. */
  readonly clusterId: bigint;
  readonly keys: CurveKeys;
  readonly handler: PeerLinkHandler;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface OpenPeerLink extends PeerLink {
  /** The address that was bound, with its true port. */
  readonly endpoint: string;
  /** Where bulk bytes are served; other hubs learn its port from `hello`. */
  readonly bulkEndpoint: string;
  counts(): LinkCounts;
}

interface Link {
  readonly peer: Peer;
  readonly pass: string;
  readonly head: PeerFrameHead;
  readonly sender: PeerSender;
  readonly scope: Scope;
  bulk: { readonly port: number; readonly client: BulkClient } | undefined;
  /** Monotonic ms. */
  heardMs: number | undefined;
  framesIn: number;
}

/** Binds and serves until `signal` aborts or `close`; `use` says with whom. Throws port_busy, bad_config. */
export async function openPeerLink(options: PeerLinkOptions): Promise<OpenPeerLink> {
  const { hubId, clusterId, keys, handler, clock, log } = options;
  const clusterText = clusterId.toString(16).padStart(16, "0");
  const onFault = (task: string, error: unknown): void => log.error({ task, error }, "peer link");
  const scope = makeScope(onFault);
  const counts = { framesIn: 0, framesOut: 0, framesRefused: 0, handshakesDenied: 0 };
  const links = new Map<HubId, Link>();
  const byPass = new Map<string, Link>();
  const keysAllowed = new Set<string>();

  const context = new Context({ ioThreads: IO_THREADS });
  const sockets: PeerSockets = { context, keys, clock, log, scope };
  const onDenied = (): void => void (counts.handshakesDenied += 1);
  await startZap({ context, allows: (key) => keysAllowed.has(key), onDenied }, scope);
  const front = await listen(sockets, options.bind, LANE.consensus, onDenied).catch(giveUp);
  const bulkBind = bulkAddress(options.bind, options.bulkPort ?? 0);
  const back = await listen(sockets, bulkBind, LANE.bulk, onDenied).catch((error: unknown) => {
    front.socket.close();
    return giveUp(error);
  });

  async function giveUp(error: unknown): Promise<never> {
    await scope.close();
    throw error;
  }

  // --- what comes in ---

  function refuse(reason: string): void {
    counts.framesRefused += 1;
    log.debug({ reason }, "frame of a hub refused");
  }

  /** PL1 */
  const linkOf = (frame: OpenedFrame): Link | undefined =>
    byPass.get(frame.pass.toString("latin1"));

  function onFrame(bytes: Buffer): void {
    const frame = openFrame(bytes, clusterId);
    const link = linkOf(frame);
    if (link === undefined) return refuse("no pass of a hub");
    const { id } = link.peer;
    // Read whole before anything of it counts.
    switch (frame.kind) {
      case "consensus": {
        const messages = decodeMessages(frame.payload, id, hubId);
        hear(link);
        return handler.received(messages);
      }
      case "posts": {
        const bodies = decodePosts(frame.payload);
        hear(link);
        for (const body of bodies) handler.posted(id, body);
        return;
      }
      case "hello": {
        const { bulkPort } = decodeHello(frame.payload);
        hear(link);
        return learnBulk(link, bulkPort);
      }
      case "fetch":
      case "piece":
      case "refusal":
        return refuse("a bulk frame on the wrong socket");
    }
  }

  function hear(link: Link): void {
    link.heardMs = clock.monotonic();
    link.framesIn += 1;
  }

  function learnBulk(link: Link, port: number): void {
    if (link.bulk?.port === port) return;
    link.bulk?.client.close();
    const address = bulkAddress(link.peer.address, port);
    const client = makeBulkClient({ ...sockets, scope: link.scope }, link.peer, address, link.head);
    link.bulk = { port, client };
  }

  function onParts([, bytes, ...rest]: readonly Buffer[]): void {
    counts.framesIn += 1;
    try {
      if (bytes === undefined || rest.length > 0) refuse("not two parts");
      else onFrame(bytes);
    } catch (error) {
      if (!(error instanceof GantryError)) return crash(error);
      refuse(toErrorRecord(error).message); // PL3
    }
    return undefined;
  }

  scope.start("receive", (signal) => hearSocket(front.socket, signal, onParts));

  serveBulk({
    ...sockets,
    socket: back.socket,
    clusterId,
    piece: (what, offset, sizeBytes) => handler.piece(what, offset, sizeBytes),
    senderOf(frame) {
      const link = linkOf(frame);
      return link === undefined ? undefined : { id: link.peer.id, head: link.head };
    },
    onRefused: refuse,
  });

  // --- with whom ---

  function open(peer: Peer): void {
    const passes = passesOf(keys, peer.publicKey, clusterText);
    const head = { clusterId, pass: passes.own };
    const linkScope = makeScope(onFault, scope.signal);
    const sender = openPeerSender({
      ...sockets,
      scope: linkScope,
      peer,
      head,
      bulkPort: portOf(back.endpoint),
      onUp() {
        log.info({ peer: peer.id, address: peer.address }, "linked to a hub");
        handler.connected(peer.id);
      },
      onDown() {
        log.warn({ peer: peer.id }, "the link to a hub broke");
        handler.lost(peer.id);
      },
      onRefused: onDenied,
    });
    const link: Link = {
      peer,
      pass: passes.theirs.toString("latin1"),
      head,
      sender,
      scope: linkScope,
      bulk: undefined,
      heardMs: undefined,
      framesIn: 0,
    };
    links.set(peer.id, link);
    byPass.set(link.pass, link);
  }

  function shut(link: Link): void {
    const wasConnected = link.sender.isConnected();
    links.delete(link.peer.id);
    byPass.delete(link.pass);
    counts.framesOut += link.sender.counts.framesOut;
    link.bulk?.client.close();
    link.sender.close();
    scope.start("shut", () => link.scope.close());
    if (wasConnected && !scope.signal.aborted) handler.lost(link.peer.id); // PL6
  }

  function use(peers: readonly Peer[]): void {
    const wanted = new Map(peers.filter(({ id }) => id !== hubId).map((peer) => [peer.id, peer]));
    for (const link of links.values()) {
      const peer = wanted.get(link.peer.id);
      const isSame = peer?.publicKey === link.peer.publicKey && peer.address === link.peer.address;
      if (!isSame) shut(link);
    }
    keysAllowed.clear();
    for (const peer of wanted.values()) {
      keysAllowed.add(peer.publicKey);
      if (links.has(peer.id)) continue;
      try {
        open(peer);
      } catch (error) {
        keysAllowed.delete(peer.publicKey);
        log.error(
          { peer: peer.id, error: toErrorRecord(error) },
          "a hub of the membership has no usable key",
        );
      }
    }
  }

  let closing: Promise<void> | undefined;
  function close(): Promise<void> {
    closing ??= (async () => {
      options.signal.removeEventListener("abort", onAbort);
      const closed = scope.close();
      const scopes = Array.from(links.values(), (link) => link.scope);
      for (const link of links.values()) shut(link);
      front.socket.close();
      back.socket.close();
      await Promise.all([closed, ...scopes.map((each) => each.close())]);
    })();
    return closing;
  }
  const onAbort = (): void => void close();
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) await close();

  return {
    endpoint: front.endpoint,
    bulkEndpoint: back.endpoint,
    use(peers) {
      if (!scope.signal.aborted) use(peers);
    },
    send(messages) {
      const batches = new Map<HubId, Message[]>();
      for (const message of messages) {
        assert(message.from === hubId, "a hub speaks for itself alone");
        const batch = batches.get(message.to);
        if (batch === undefined) batches.set(message.to, [message]);
        else batch.push(message);
      }
      const unsent: HubId[] = [];
      for (const [to, batch] of batches) {
        if (links.get(to)?.sender.send(batch) !== true) unsent.push(to);
      }
      return unsent;
    },
    post(to, body) {
      const sender = links.get(to)?.sender;
      if (sender === undefined) return "absent";
      const text = JSON.stringify(body);
      if (!fitsPost(Buffer.byteLength(text))) {
        throw new GantryError("too_large", `A message of ${text.length} characters fits no frame`);
      }
      return sender.post(text);
    },
    async fetch(from, what, offset, sizeBytes, signal) {
      const link = links.get(from);
      if (link?.sender.isConnected() !== true || link.bulk === undefined) {
        throw new GantryError("unreachable", `There is no link to ${from}`);
      }
      return link.bulk.client.fetch(what, offset, sizeBytes, signal);
    },
    links() {
      const nowMs = clock.monotonic();
      return new Map([...links].map(([id, link]) => [id, factsOf(link, nowMs)]));
    },
    counts() {
      let { framesOut } = counts;
      for (const { sender } of links.values()) framesOut += sender.counts.framesOut;
      return { ...counts, framesOut };
    },
    close,
  };
}

/** A broken assertion of a handler: a hub that is deaf but alive would be worse than one restarted. */
function crash(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

const factsOf = ({ sender, heardMs, framesIn }: Link, nowMs: number): PeerLinkFacts => ({
  isConnected: sender.isConnected(),
  heardAgoMs: heardMs === undefined ? undefined : nowMs - heardMs,
  framesOut: sender.counts.framesOut,
  framesIn,
  framesDropped: sender.counts.framesDropped,
});
