// Blobs on several hubs: a blob is on enough hubs before any log entry names it, and a hub that
// misses one fetches it from another when it is asked for.
//
// CL1. `spread` resolves when a majority of the hubs that hold state have the blob on disk; of those
//      that cannot be reached nothing is waited for, but then every hub in touch has it.
// CL2. A fetched blob is kept only if its bytes have the hash that was asked for.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { HubId } from "../consensus/types.ts";
import type { PeerCalls } from "../peers/calls.ts";
import type { BlobStore, PeerLink } from "../ports.ts";

/** Kind of the call by which a hub is told to fetch a blob from the caller. */
export const KEEP_BLOB = "blob.keep";
const PIECE_BYTES = 262_144;

export interface ClusterBlobParts {
  readonly local: BlobStore;
  readonly link: () => Pick<PeerLink, "fetch" | "links"> | undefined;
  readonly calls: Pick<PeerCalls, "call">;
  /** The other hubs that hold state. */
  readonly others: () => readonly HubId[];
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ClusterBlobs {
  /** Reads through: a blob that is missing here is fetched first. */
  readonly store: BlobStore;
  /** CL1. Throws unreachable when too few hubs took it. */
  spread(sha256: string, signal: AbortSignal): Promise<void>;
  /** Fetches the blob from `from` unless it is here. Throws not_found, unreachable, data_damaged, disk_full. */
  keep(sha256: string, from: HubId, signal: AbortSignal): Promise<void>;
}

export function makeClusterBlobs(parts: ClusterBlobParts): ClusterBlobs {
  const { local, calls, clock, log } = parts;
  const fetching = new Map<string, Promise<void>>();

  const connected = (): readonly HubId[] => {
    const links = parts.link()?.links();
    return parts.others().filter((hub) => links?.get(hub)?.isConnected === true);
  };

  async function keep(sha256: string, from: HubId, signal: AbortSignal): Promise<void> {
    if (await local.has(sha256)) return;
    let work = fetching.get(sha256);
    if (work === undefined) {
      work = fetchFrom(sha256, from, signal).finally(() => fetching.delete(sha256));
      fetching.set(sha256, work);
    }
    await work;
  }

  async function fetchFrom(sha256: string, from: HubId, signal: AbortSignal): Promise<void> {
    const link = parts.link();
    if (link === undefined) throw new GantryError("not_found", "This hub is alone");
    const writer = await local.write();
    try {
      for (let offset = 0, totalBytes = Infinity; offset < totalBytes;) {
        const limit = clock.timeout(TIMEOUT.pieceMs, signal);
        const piece = await link.fetch(from, { kind: "blob", sha256 }, offset, PIECE_BYTES, limit);
        await writer.write(piece.bytes);
        offset += piece.bytes.length;
        totalBytes = piece.totalBytes;
        if (piece.bytes.length === 0 && offset < totalBytes)
          throw new GantryError("data_damaged", `${from} has only a part of ${sha256}`);
      }
      const { sha256: found } = await writer.finish();
      if (found !== sha256)
        throw new GantryError("data_damaged", `${from} gave other bytes for ${sha256}`); // CL2
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  /** From whoever has it. */
  async function find(sha256: string): Promise<void> {
    const limit = clock.timeout(TIMEOUT.fabricationCommandMs);
    for (const hub of connected()) {
      try {
        return await keep(sha256, hub, limit);
      } catch (error) {
        log.debug(
          { peer: hub, sha256, error: toErrorRecord(error) },
          "this hub does not have the blob",
        );
      }
    }
    throw new GantryError("not_found", `No hub in touch has the blob ${sha256}`);
  }

  return {
    keep,
    async spread(sha256, signal) {
      const others = parts.others();
      const asked = connected();
      const needed = Math.min(Math.floor((others.length + 1) / 2), asked.length);
      if (needed === 0) return;
      const keepAt = async (hub: HubId): Promise<void> => {
        const options = { signal, timeoutMs: TIMEOUT.fabricationCommandMs };
        await calls.call(hub, KEEP_BLOB, { sha256 }, options);
      };
      const kept = await firstOf(asked.map(keepAt), needed);
      if (kept < needed)
        throw new GantryError("unreachable", "Too few hubs could keep the file; try again");
    },
    store: {
      ...local,
      async read(sha256, offset, sizeBytes) {
        try {
          return await local.read(sha256, offset, sizeBytes);
        } catch (error) {
          if (!(error instanceof GantryError) || error.code !== "not_found") throw error;
        }
        await find(sha256);
        return local.read(sha256, offset, sizeBytes);
      },
    },
  };
}

/** Resolves with how many were fulfilled: at `needed`, or when all are settled. */
function firstOf(works: readonly Promise<void>[], needed: number): Promise<number> {
  return new Promise((resolve) => {
    let fulfilled = 0;
    let settled = 0;
    const end = (): void => {
      settled += 1;
      if (fulfilled >= needed || settled === works.length) resolve(fulfilled);
    };
    for (const work of works) {
      work.then(() => {
        fulfilled += 1;
        return end();
      }, end);
    }
  });
}
