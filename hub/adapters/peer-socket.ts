// What all sockets between hubs have in common: options with their reasons, addresses, closing.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import { type Context, Dealer, Router } from "zeromq";
import { PEER_FRAME_BYTES_MAX } from "../peers/codec.ts";
import type { Peer } from "../ports.ts";
import type { CurveKeys } from "./hub-keys.ts";

// notes/raft 2: with these a link is back 0.36 s after a cut of 12 s, and nothing old arrives; with
// heartbeats alone it was 8.1 s and 882 stale frames.
const DEALER_PROFILE = {
  linger: 0,
  immediate: true,
  sendTimeout: 0,
  connectTimeout: 300,
  reconnectInterval: 50,
  reconnectMaxInterval: 500,
  heartbeatInterval: 100,
  heartbeatTimeout: 400,
  maxMessageSize: PEER_FRAME_BYTES_MAX,
} as const;

// libzmq's default is 30 s. A handshake that lost a packet in a cut waits for TCP's next try, up to
// seconds later: a new connection is quicker (150 cuts: 14 links were back 1.7 to 2.6 s after the
// healing with 2 s here).
const HANDSHAKE_MS = 1_000;
/** Frames that libzmq holds for one connection; then a sender gets EAGAIN and drops. */
const FRAMES_HELD_MAX = 256;
/** Before a socket takes the place of one that libzmq has given up for good. */
const REDIAL_MS = 250;

/** Which of the context's two I/O threads: bulk bytes must not delay consensus ones. */
export const IO_THREADS = 2;
export const LANE = { consensus: 1, bulk: 2 } as const;

/** What one socket of a link needs of it. */
export interface PeerSockets {
  readonly context: Context;
  readonly keys: CurveKeys;
  readonly clock: Clock;
  readonly log: Logger;
  readonly scope: Scope;
}

export interface Dial {
  close(): void;
  /**
   * Hands the frame over before it returns, as `sendTimeout` is 0: no call is ever under way. Rejects
   * with EAGAIN where nothing can be sent now; throws when zeromq.js does.
   */
  send(frame: Buffer): Promise<void>;
}

export interface DialEvents {
  readonly onUp: () => void;
  /** Only after `onUp`. */
  readonly onDown: () => void;
  readonly onFrame?: (frame: Buffer) => void;
  readonly onRefused?: () => void;
}

/**
 * A DEALER to one hub that stays dialled until closed. libzmq redials by itself after a lost
 * connection, and never again after a handshake that failed (another key, no ZeroMQ): then a new
 * socket is made. An address that cannot be used is logged once and stays silent.
 */
export function dial(
  { context, keys, clock, log, scope }: PeerSockets,
  peer: Peer,
  address: string,
  affinity: number,
  events: DialEvents,
): Dial {
  let socket: Dealer | undefined;
  let isUp = false;
  let isClosed = false;
  let isRedialling = false;

  function down(): void {
    if (!isUp) return;
    isUp = false;
    events.onDown();
  }

  function open(): void {
    const fresh = new Dealer({
      ...DEALER_PROFILE,
      context,
      affinity,
      sendHighWaterMark: FRAMES_HELD_MAX,
      receiveHighWaterMark: FRAMES_HELD_MAX,
      handshakeInterval: HANDSHAKE_MS,
      curveServerKey: peer.publicKey,
      curvePublicKey: keys.publicKey,
      curveSecretKey: keys.secretKey,
    });
    socket = fresh;
    const isCurrent = (): boolean => socket === fresh && !isClosed;
    fresh.events.on("handshake", () => {
      if (!isCurrent() || isUp) return;
      isUp = true;
      events.onUp();
    });
    fresh.events.on("disconnect", () => {
      if (isCurrent()) down();
    });
    const onRefused = (): void => {
      if (!isCurrent()) return;
      events.onRefused?.();
      redial();
    };
    fresh.events.on("handshake:error:auth", onRefused);
    fresh.events.on("handshake:error:protocol", onRefused);
    fresh.events.on("handshake:error:other", onRefused);
    const { onFrame } = events;
    if (onFrame !== undefined) {
      scope.start("dialled", async () => {
        for await (const [frame] of fresh) if (frame !== undefined && isCurrent()) onFrame(frame);
      });
    }
    fresh.connect(address);
  }

  function redial(): void {
    if (isRedialling) return;
    isRedialling = true;
    scope.start("redial", async (signal) => {
      await clock.sleep(REDIAL_MS, signal);
      isRedialling = false;
      if (isClosed) return;
      down();
      socket?.close();
      open();
    });
  }

  try {
    open();
  } catch (error) {
    log.error({ peer: peer.id, address, error }, "this address of a hub cannot be used");
    socket?.close();
    isClosed = true;
  }

  return {
    send: (frame) => (isClosed ? undefined : socket?.send(frame)) ?? Promise.resolve(),
    close() {
      if (isClosed) return;
      isClosed = true;
      socket?.close();
    },
  };
}

export interface Listener {
  readonly socket: Router;
  /** With the port that was taken. */
  readonly endpoint: string;
}

/** Throws port_busy, bad_config. `onDenied`: a handshake failed before anybody's key was judged. */
export async function listen(
  { context, keys }: Pick<PeerSockets, "context" | "keys">,
  address: string,
  affinity: number,
  onDenied: () => void,
): Promise<Listener> {
  const socket = new Router({
    context,
    affinity,
    curveServer: true,
    curveSecretKey: keys.secretKey,
    zapDomain: "gantry",
    linger: 0,
    mandatory: true,
    sendTimeout: 0,
    sendHighWaterMark: FRAMES_HELD_MAX,
    receiveHighWaterMark: FRAMES_HELD_MAX,
    maxMessageSize: PEER_FRAME_BYTES_MAX,
    handshakeInterval: HANDSHAKE_MS,
    heartbeatInterval: 1_000,
    heartbeatTimeout: 4_000,
  });
  // A client of another mechanism, or one that has the wrong key for this hub.
  socket.events.on("handshake:error:protocol", onDenied);
  socket.events.on("handshake:error:other", onDenied);
  try {
    await socket.bind(address);
  } catch (cause) {
    socket.close();
    if (cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE") {
      const advice = "stop the other program or set GANTRY_PEER_BIND";
      throw new GantryError("port_busy", `${address} is in use; ${advice}`, { cause });
    }
    const advice = "GANTRY_PEER_BIND must be tcp://ADDRESS:PORT of this machine";
    throw new GantryError("bad_config", `${address} cannot be bound: ${advice}`, { cause });
  }
  return { socket, endpoint: socket.lastEndpoint ?? address };
}

/** The bulk socket next to `address`: another port of its host, or another file beside it (ipc). */
export const bulkAddress = (address: string, bulkPort: number): string =>
  address.startsWith("tcp://") ? address.replace(/:[^:]*$/, `:${bulkPort}`) : `${address}-bulk`;

/** 0 for an address without a port. */
export const portOf = (endpoint: string): number =>
  endpoint.startsWith("tcp://") ? Number(/:(\d+)$/.exec(endpoint)?.[1] ?? 0) : 0;

export const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
