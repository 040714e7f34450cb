// What nodes send while they make parts: live steps into memory, files into the blob store.
//
// MK1. Only the node that has the lease of the job, with its token, is listened to.
// MK2. A file is in the blob store of enough hubs, under the hash of its bytes, before the node is
//      told that it is whole; so whatever a job's result names is there.
// MK3. At most LIMIT.partFiles files are under way, none larger than LIMIT.modelBytes; one of which
//      nothing was heard for TIMEOUT.leaseMs makes room for another.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { MakeStep } from "@gantry/shared/contract/cad.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { ClusterBlobs } from "../cluster/blobs.ts";
import type { Hub } from "../hub.ts";
import type { BlobWriter } from "../ports.ts";

type MessageOf<T extends NodeMessage["type"]> = Extract<NodeMessage, { type: T }>;

export interface LiveStep {
  readonly step: MakeStep;
  readonly share: number;
}

export interface Makes {
  stepped(node: string, message: MessageOf<"makeStep">): void;
  /** A piece of a file; answers the node by `say`. */
  keep(node: string, message: MessageOf<"keep">): void;
  /** The job has ended, or its node has left. */
  ended(job: string): void;
  left(node: string): void;
  stepOf(job: string): LiveStep | undefined;
}

interface Taking {
  readonly node: string;
  readonly job: string;
  readonly writer: BlobWriter;
  writtenBytes: number;
  heardMs: number;
}

export function makeMakes(
  hub: Hub,
  blobs: ClusterBlobs,
  say: (node: string, message: HubMessage) => void,
  signal: AbortSignal,
): Makes {
  const steps = new Map<string, LiveStep>();
  const taking = new Map<string, Taking>(); // by job and hash
  const tails = new Map<string, Promise<void>>(); // pieces of one node are written in their order

  function holds(node: string, job: string, token: number): boolean {
    const row = hub.rows.get("job", job);
    return row?.state === "leased" && row.lease?.node === node && row.lease.token === token; // MK1
  }

  async function take(node: string, message: MessageOf<"keep">): Promise<HubMessage> {
    const { job, token, sha256, sizeBytes, offset } = message;
    const answer = (next: number, isWhole: boolean): HubMessage => ({
      type: "kept",
      job,
      sha256,
      offset: next,
      isWhole,
    });
    if (!holds(node, job, token)) {
      throw new GantryError("stale_token", `${node} does not hold ${job} any more`);
    }
    if (sizeBytes > LIMIT.modelBytes.max) {
      throw new GantryError(
        "too_large",
        `A file of ${sizeBytes} bytes; ${LIMIT.modelBytes.max} are the most`,
      );
    }
    const key = `${job} ${sha256}`;
    let file = taking.get(key);
    if (file === undefined) {
      if ((await blobs.store.size(sha256)) === sizeBytes) {
        await blobs.spread(sha256, signal);
        return answer(sizeBytes, true);
      }
      if (offset !== 0) return answer(0, false); // another hub had the beginning
      await makeRoom();
      const writer = await blobs.store.write();
      file = { node, job, writer, writtenBytes: 0, heardMs: hub.clock.monotonic() };
      taking.set(key, file);
    }
    file.heardMs = hub.clock.monotonic();
    if (offset !== file.writtenBytes) return answer(file.writtenBytes, false);
    const bytes = Buffer.from(message.bytes, "base64");
    if (bytes.length === 0 || offset + bytes.length > sizeBytes) {
      await giveUp(key);
      throw new GantryError(
        "checksum_mismatch",
        "The file is longer than was said, or a piece is empty",
      );
    }
    try {
      await file.writer.write(bytes);
      file.writtenBytes += bytes.length;
      if (file.writtenBytes < sizeBytes) return answer(file.writtenBytes, false);
      taking.delete(key);
      const { sha256: found } = await file.writer.finish();
      if (found !== sha256)
        throw new GantryError("checksum_mismatch", "The node sent other bytes than it said");
      await blobs.spread(sha256, signal); // MK2
      return answer(sizeBytes, true);
    } catch (error) {
      await giveUp(key);
      throw error;
    }
  }

  async function giveUp(key: string): Promise<void> {
    const file = taking.get(key);
    taking.delete(key);
    await file?.writer.abort();
  }

  /** MK3. */
  async function makeRoom(): Promise<void> {
    if (taking.size < LIMIT.partFiles.max) return;
    const deadMs = hub.clock.monotonic() - TIMEOUT.leaseMs;
    for (const [key, { heardMs }] of taking) if (heardMs < deadMs) await giveUp(key);
    if (taking.size < LIMIT.partFiles.max) return;
    throw new GantryError("busy", `${taking.size} files of parts are under way`, {
      details: { retryAfterS: 1 },
    });
  }

  function drop(isOver: (file: Taking) => boolean): void {
    for (const [key, file] of taking) {
      if (!isOver(file)) continue;
      giveUp(key).catch((error: unknown) => {
        hub.log.warn({ error: toErrorRecord(error) }, "half a file of a part was not removed");
      });
    }
  }

  return {
    stepped(node, { job, token, step, share }) {
      if (holds(node, job, token)) steps.set(job, { step, share });
    },
    keep(node, message) {
      const { job, sha256 } = message;
      const tail = (tails.get(node) ?? Promise.resolve())
        .then(async () => say(node, await take(node, message)))
        .catch((error: unknown) => {
          const told = { type: "kept", job, sha256, offset: 0, isWhole: false } as const;
          say(node, { ...told, error: toErrorRecord(error) });
        });
      tails.set(node, tail);
    },
    ended(job) {
      steps.delete(job);
      drop((file) => file.job === job);
    },
    left(node) {
      tails.delete(node);
      drop((file) => file.node === node);
    },
    stepOf: (job) => steps.get(job),
  };
}
