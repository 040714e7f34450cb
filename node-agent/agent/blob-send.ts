// Sends a file that was made here to the hub, piece after piece over the agent link.
//
// BS1. One piece is under way at a time: bulk never stands before a heartbeat for longer than one
//      piece (256 KiB) takes.
// BS2. The hub says from where it wants to go on: another hub, or one that was restarted, says 0.
// BS3. It is done only when the hub says that it has the whole file, by its hash, on disk.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { fromErrorRecord, GantryError, isErrorCode } from "@gantry/shared/base/errors.ts";
import { RETRY } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { StoredFile } from "@gantry/shared/contract/cad.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { attempt } from "@gantry/shared/flow/attempt.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Outbox } from "./outbox.ts";

const PIECE_BYTES = 262_144;

type Kept = Extract<HubMessage, { type: "kept" }>;

export interface BlobSend {
  /** Throws what the hub answered, and unreachable after the tries of RETRY.nodeHop. */
  send(job: string, token: number, bytes: Uint8Array, signal: AbortSignal): Promise<StoredFile>;
  onKept(message: Kept): void;
  /** The session ended: what was sent now will not be answered. */
  onLost(): void;
}

export function makeBlobSend(
  outbox: Outbox,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): BlobSend {
  const waiting = new Map<
    string,
    { readonly resolve: (kept: Kept) => void; readonly reject: (error: Error) => void }
  >();

  const tell = (
    file: StoredFile & { readonly job: string; readonly token: number },
    bytes: Uint8Array,
    offset: number,
    signal: AbortSignal,
  ): Promise<Kept> =>
    new Promise((resolve, reject) => {
      const piece = bytes.subarray(offset, offset + PIECE_BYTES);
      const text = Buffer.from(piece).toString("base64");
      if (!outbox.tell({ type: "keep", ...file, offset, bytes: text })) return reject(noHub());
      signal.addEventListener("abort", () => reject(reasonOf(signal)), { once: true });
      waiting.set(`${file.job} ${file.sha256}`, { resolve, reject });
    });

  return {
    async send(job, token, bytes, signal) {
      const stored = { sha256: sha256(bytes), sizeBytes: bytes.length };
      for (let offset = 0; ;) {
        const from = offset;
        const kept = await attempt(
          (signal) => tell({ ...stored, job, token }, bytes, from, signal),
          RETRY.nodeHop,
          { clock, random, signal },
        );
        if (kept.error !== undefined) {
          const { code, message } = kept.error;
          throw fromErrorRecord({ code: isErrorCode(code) ? code : "internal", message });
        }
        if (kept.isWhole) return stored; // BS3
        if (kept.offset >= bytes.length) {
          throw new GantryError("checksum_mismatch", "The hub wants more than there is");
        }
        offset = kept.offset; // BS2
      }
    },
    onKept(message) {
      const key = `${message.job} ${message.sha256}`;
      waiting.get(key)?.resolve(message);
      waiting.delete(key);
    },
    onLost() {
      for (const { reject } of waiting.values()) reject(noHub());
      waiting.clear();
    },
  };
}

const noHub = (): GantryError =>
  new GantryError("unreachable", "The hub went away while a file was sent to it");
