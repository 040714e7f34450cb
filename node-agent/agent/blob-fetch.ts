// Fetches a blob from the hub, piece after piece over the agent link, into the cache.
//
// BF1. One piece is asked for at a time: bulk never stands before a heartbeat or a stop for longer
//      than one piece (256 KiB) takes.
// BF2. Size and hash are checked before the file gets its name; never more is written than promised.

import { fromErrorRecord, GantryError, isErrorCode } from "@gantry/shared/base/errors.ts";
import { RETRY } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { attempt } from "@gantry/shared/flow/attempt.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Outbox } from "./outbox.ts";
import type { BlobCache, BlobSink } from "./ports.ts";

type Piece = Extract<HubMessage, { type: "piece" }>;

interface Waiting {
  readonly resolve: (piece: Piece) => void;
  readonly reject: (error: Error) => void;
}

export interface BlobFetch {
  /**
   * Path of the whole, verified blob. Throws checksum_mismatch, disk_full, what the hub answered, and
   * unreachable after the tries of RETRY.nodeHop.
   */
  fetch(sha256: string, sizeBytes: number, signal: AbortSignal): Promise<string>;
  onPiece(piece: Piece): void;
  /** The session ended: what is asked for now will not be answered. */
  onLost(): void;
}

export interface FetchPorts {
  readonly cache: BlobCache;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly random: Random;
}

export function makeBlobFetch({ cache, outbox, clock, random }: FetchPorts): BlobFetch {
  const waiting = new Map<string, Waiting>();

  function ask(sha256: string, offset: number, signal: AbortSignal): Promise<Piece> {
    const key = `${sha256}@${offset}`;
    return new Promise((resolve, reject) => {
      if (!outbox.tell({ type: "fetch", sha256, offset })) return reject(noHub());
      const onAbort = (): void => reject(reasonOf(signal));
      signal.addEventListener("abort", onAbort, { once: true });
      waiting.set(key, { resolve, reject });
    });
  }

  const piece = (sha256: string, offset: number, signal: AbortSignal): Promise<Piece> =>
    attempt((signal) => ask(sha256, offset, signal), RETRY.nodeHop, { clock, random, signal });

  async function fill(sink: BlobSink, sha256: string, sizeBytes: number, signal: AbortSignal) {
    for (let offset = 0; ;) {
      const { bytes, isLast, error } = await piece(sha256, offset, signal);
      if (error !== undefined) throw answered(error);
      const data = Buffer.from(bytes, "base64");
      offset += data.length;
      const isWrong = offset > sizeBytes || (isLast ? offset < sizeBytes : data.length === 0);
      if (isWrong) {
        const text = `The hub promised ${sizeBytes} bytes of ${sha256} and sent ${offset}`;
        throw new GantryError("checksum_mismatch", text); // BF2
      }
      await sink.write(data);
      if (isLast) return;
    }
  }

  return {
    async fetch(sha256, sizeBytes, signal) {
      const held = await cache.find(sha256);
      if (held !== undefined) return held;
      const sink = await cache.write(sha256);
      try {
        await fill(sink, sha256, sizeBytes, signal);
      } catch (error) {
        await sink.abort();
        throw error;
      }
      return sink.finish();
    },
    onPiece(piece) {
      const key = `${piece.sha256}@${piece.offset}`;
      waiting.get(key)?.resolve(piece);
      waiting.delete(key);
    },
    onLost() {
      for (const { reject } of waiting.values()) reject(noHub());
      waiting.clear();
    },
  };
}

const noHub = (): GantryError =>
  new GantryError("unreachable", "The hub went away while a file was fetched from it");

const answered = ({ code, message }: { code: string; message: string }): GantryError =>
  fromErrorRecord({ code: isErrorCode(code) ? code : "internal", message });
