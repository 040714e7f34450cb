// G-code that this node fetched: DATA_DIR/agent/blobs/SHA256, read by the bridge.
//
// BC1. A name is a promise: a file stands under its hash only when its bytes have it and are fsynced.
// BC2. Half-fetched files are removed when the cache is opened.

import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "@gantry/shared/adapters/durable-file.ts";
import { isSha256, startSha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { BlobCache, BlobSink } from "../agent/ports.ts";

const PART = ".part";

/** Makes the folder when missing. */
export async function openBlobCache(folder: string): Promise<BlobCache> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (name.endsWith(PART)) await rm(join(folder, name), { force: true }); // BC2
  }
  const pathOf = (sha256: string): string => {
    if (!isSha256(sha256)) throw new GantryError("bad_request", "A blob is named by its sha256");
    return join(folder, sha256);
  };
  return {
    async find(sha256) {
      const path = pathOf(sha256);
      return (await hashOfFile(path)) === sha256 ? path : undefined;
    },
    write: async (sha256) => openSink(folder, pathOf(sha256), sha256),
    remove: async (sha256) => rm(pathOf(sha256), { force: true }),
  };
}

async function openSink(folder: string, path: string, sha256: string): Promise<BlobSink> {
  const part = `${path}${PART}`;
  const hasher = startSha256();
  const file = await open(part, "w", 0o600).catch(rethrow);
  const abort = async (): Promise<void> => {
    await file.close();
    await rm(part, { force: true });
  };
  return {
    async write(bytes) {
      hasher.update(bytes);
      await file.writeFile(bytes).catch(rethrow);
    },
    async finish() {
      if (hasher.hex() !== sha256) {
        await abort();
        throw new GantryError("checksum_mismatch", `The hub sent other bytes than ${sha256}`);
      }
      await file.sync().catch(rethrow);
      await file.close();
      await rename(part, path);
      await syncFolder(folder);
      return path;
    },
    abort,
  };
}

/** Undefined where there is no such file. */
async function hashOfFile(path: string): Promise<string | undefined> {
  const hasher = startSha256();
  try {
    for await (const bytes of createReadStream(path)) hasher.update(bytes as Buffer);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new GantryError("io_error", `${path} cannot be read`, { cause });
  }
  return hasher.hex();
}

function rethrow(cause: unknown): never {
  const isFull = cause instanceof Error && "code" in cause && cause.code === "ENOSPC";
  const code = isFull ? "disk_full" : "io_error";
  throw new GantryError(code, "The G-code cannot be stored on this node", { cause });
}
