// Bulk bytes between hubs, on sockets of their own: a snapshot must not stand before a heartbeat.
//
// PB1. Pull: nothing is sent that was not asked for; one request is one piece of at most PIECE_BYTES.
// PB2. At most ASKED_MAX requests to one hub are open (then `busy`), and at most SERVED_MAX of one hub
//      are served (then they are refused), so a snapshot never holds more than some MB in memory.
// PB3. `fetch` always ends: by a piece, a refusal, PIECE_MS, its signal, a lost connection, or close.
// PB4. The connection is opened by the first request and closed after IDLE_MS without one.

import { setImmediate as nextTurn } from "node:timers/promises";
import { GantryError, fromErrorRecord, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Router } from "zeromq";
import {
  decodeFetch,
  decodePiece,
  decodeRefusal,
  encodeFetch,
  encodePiece,
  encodeRefusal,
  type FetchRequest,
  openFrame,
  type OpenedFrame,
  type PeerFrameHead,
} from "../peers/codec.ts";
import type { Fetched, Peer, PeerLinkHandler } from "../ports.ts";
import { type Dial, dial, LANE, type PeerSockets } from "./peer-socket.ts";

export const PIECE_BYTES = 262_144;
export const ASKED_MAX = 8;
const SERVED_MAX = 16;
const PIECE_MS = 10_000;
const CONNECT_MS = 3_000;
const IDLE_MS = 10_000;

interface Piece {
  readonly bytes: Uint8Array;
  readonly totalBytes: number;
}

// ── asking ──────────────────────────────────────────────────────────────────────────────────────

export interface BulkClient {
  /** Throws not_found, unreachable, timeout, busy, cancelled, and what else the other hub says. */
  fetch(what: Fetched, offset: number, sizeBytes: number, signal: AbortSignal): Promise<Piece>;
  close(): void;
}

interface Asked {
  readonly settle: (outcome: Piece | Error) => void;
}

interface Connection {
  dial: Dial | undefined;
  isUp: boolean;
}

export function makeBulkClient(
  sockets: PeerSockets,
  peer: Peer,
  address: string,
  head: PeerFrameHead,
): BulkClient {
  const { clock, log, scope } = sockets;
  const asked = new Map<number, Asked>();
  let connection: Connection | undefined;
  let unsent: Buffer[] = [];
  let isWriting = false;
  let lastId = 0;

  const unreachable = (): GantryError =>
    new GantryError("unreachable", `The bulk connection to ${peer.id} at ${address} is not there`);

  function hangUp(error: Error): void {
    connection?.dial?.close();
    connection = undefined;
    unsent = [];
    for (const { settle } of asked.values()) settle(error);
  }

  function connect(): void {
    if (connection !== undefined) return;
    const opened: Connection = { dial: undefined, isUp: false };
    const end = (): void => {
      if (connection === opened) hangUp(unreachable());
    };
    opened.dial = dial(sockets, peer, address, LANE.bulk, {
      onUp() {
        opened.isUp = true;
        write();
      },
      onDown: end,
      onRefused: end,
      onFrame,
    });
    connection = opened;
    scope.start("bulk connect", async (signal) => {
      await clock.sleep(CONNECT_MS, signal);
      if (connection === opened && !opened.isUp) hangUp(unreachable());
    });
  }

  function write(): void {
    if (isWriting) return;
    isWriting = true;
    scope.start("bulk write", async () => {
      try {
        for (;;) {
          const current = connection;
          const frame = current?.isUp === true ? unsent.shift() : undefined;
          if (frame === undefined) return;
          try {
            await current?.dial?.send(frame);
          } catch {
            // ASKED_MAX is far under the high water mark: what has no room has lost its connection.
            if (connection === current) hangUp(unreachable());
          }
        }
      } finally {
        isWriting = false;
      }
    });
  }

  function onFrame(frame: Buffer): void {
    try {
      settleBy(openFrame(frame, head.clusterId));
    } catch (error) {
      log.warn({ peer: peer.id, error: toErrorRecord(error) }, "a bulk frame cannot be read");
    }
  }

  // The answer needs no pass: CURVE has proven that this connection ends at the holder of the key.
  function settleBy({ kind, payload }: OpenedFrame): void {
    if (kind === "piece") {
      const { id, ...piece } = decodePiece(payload);
      asked.get(id)?.settle(piece);
    } else if (kind === "refusal") {
      const { id, error } = decodeRefusal(payload);
      asked.get(id)?.settle(fromErrorRecord(error));
    }
  }

  function closeWhenIdle(): void {
    const idleAt = lastId;
    const opened = connection;
    scope.start("bulk idle", async (signal) => {
      await clock.sleep(IDLE_MS, signal);
      const isIdle = lastId === idleAt && asked.size === 0 && connection === opened;
      if (isIdle) hangUp(unreachable()); // PB4
    });
  }

  return {
    fetch(what, offset, sizeBytes, signal) {
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      if (scope.signal.aborted) return Promise.reject(unreachable());
      if (asked.size >= ASKED_MAX) {
        const message = `${ASKED_MAX} pieces are being fetched from ${peer.id} already`;
        return Promise.reject(new GantryError("busy", message)); // PB2
      }
      lastId = (lastId + 1) % 0x1_0000_0000;
      const id = lastId;
      const size = Math.min(sizeBytes, PIECE_BYTES);
      const frame = encodeFetch(head, { id, what, offset, sizeBytes: size });
      return new Promise<Piece>((resolve, reject) => {
        const over = new AbortController();
        const settle = (outcome: Piece | Error): void => {
          if (over.signal.aborted) return;
          over.abort();
          asked.delete(id);
          if (asked.size === 0 && connection !== undefined) closeWhenIdle();
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
        };
        asked.set(id, { settle });
        const limit = AbortSignal.any([over.signal, signal, scope.signal]);
        void clock.sleep(PIECE_MS, limit).then(
          () => settle(new GantryError("timeout", `No piece of ${peer.id} within ${PIECE_MS} ms`)),
          () => settle(signal.aborted ? reasonOf(signal) : unreachable()),
        );
        connect();
        unsent.push(frame);
        write();
      });
    },
    close: () => hangUp(unreachable()),
  };
}

// ── serving ─────────────────────────────────────────────────────────────────────────────────────

export interface Sender {
  readonly id: string;
  /** Of frames to it. */
  readonly head: PeerFrameHead;
}

export interface BulkServerOptions extends PeerSockets {
  readonly socket: Router;
  readonly piece: PeerLinkHandler["piece"];
  /** The hub that sent this frame, proven by its pass. */
  readonly senderOf: (frame: OpenedFrame) => Sender | undefined;
  readonly clusterId: bigint;
  readonly onRefused: (reason: string) => void;
}

const FRAMES_PER_TURN_MAX = 16;

/** Serves pieces until the scope is left. */
export function serveBulk(options: BulkServerOptions): void {
  const { socket, senderOf, clusterId, onRefused, log, scope } = options;
  const serving = new Map<string, number>();
  const answers: { readonly route: Buffer; readonly frame: Buffer }[] = [];
  let isWriting = false;

  function onRequest(route: Buffer, frame: Buffer): void {
    const opened = openFrame(frame, clusterId);
    const sender = senderOf(opened);
    if (sender === undefined) return onRefused("a bulk frame without a pass");
    if (opened.kind !== "fetch") return onRefused(`a bulk frame of kind ${opened.kind}`);
    const request = decodeFetch(opened.payload);
    const count = serving.get(sender.id) ?? 0;
    if (count >= SERVED_MAX) {
      const error = { code: "busy", message: "Too many pieces at once" } as const;
      return answer(route, encodeRefusal(sender.head, { id: request.id, error })); // PB2
    }
    serving.set(sender.id, count + 1);
    void serve(route, request, sender); // no task of the scope: `close` must not wait for a stalled disk
  }

  /** Never rejects. */
  async function serve(route: Buffer, request: FetchRequest, { id, head }: Sender): Promise<void> {
    const reply = await pieceOf(request, head);
    serving.set(id, (serving.get(id) ?? 1) - 1);
    if (!scope.signal.aborted) answer(route, reply);
  }

  async function pieceOf(request: FetchRequest, head: PeerFrameHead): Promise<Buffer> {
    const { id, what, offset } = request;
    const refuse = (error: unknown): Buffer =>
      encodeRefusal(head, { id, error: toErrorRecord(error) });
    try {
      const sizeBytes = Math.min(request.sizeBytes, PIECE_BYTES);
      const piece = await options.piece(what, offset, sizeBytes);
      if (piece === undefined) {
        return refuse(new GantryError("not_found", `This hub has no such ${what.kind}`));
      }
      return encodePiece(head, {
        id,
        totalBytes: piece.totalBytes,
        bytes: piece.bytes.subarray(0, sizeBytes),
      });
    } catch (error) {
      log.error({ what, error }, "a piece cannot be read");
      return refuse(error);
    }
  }

  function answer(route: Buffer, frame: Buffer): void {
    answers.push({ route, frame });
    if (isWriting) return;
    isWriting = true;
    scope.start("bulk answers", async (signal) => {
      try {
        for (let next = answers.shift(); next !== undefined; next = answers.shift()) {
          if (signal.aborted) return;
          // A reader that is gone or too slow: its `fetch` ends by itself (PB3), others do not wait.
          await socket.send([next.route, next.frame]).catch(() => onRefused("nobody took a piece"));
        }
      } finally {
        isWriting = false;
      }
    });
  }

  scope.start("bulk receive", async (signal) => {
    let frames = 0;
    for await (const [route, frame, ...rest] of socket) {
      if (signal.aborted) return;
      try {
        if (route === undefined || frame === undefined || rest.length > 0)
          onRefused("not two parts");
        else onRequest(route, frame);
      } catch (error) {
        onRefused(toErrorRecord(error).message);
      }
      frames += 1;
      if (frames % FRAMES_PER_TURN_MAX === 0) await nextTurn();
    }
  });
}
