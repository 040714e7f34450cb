// The BlobStore port on files: blobs/ab/cd/SHA256, one file for each content.
//
// BF1. A blob has its final name only when its bytes are on disk: write to a temp file, fdatasync,
//      rename, fsync the folder. A crash before leaves a temp file, which the next sweep removes.
// BF2. Content decides the name, so a second writer of the same bytes replaces them by themselves.
// BF3. The first read of a blob checks its hash, so damage is found before anything is printed.
// BF4. A: a sweep finds an old blob without a reference; B: a writer finishes the same content again;
//      C: the sweep would delete what B has just promised. So the sweep first moves the file aside,
//      looks at its age there, and puts it back if it is B's.

import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { assert } from "@gantry/shared/base/assert.ts";
import { isSha256, startSha256 } from "@gantry/shared/base/digest.ts";
import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";
import type { BlobStore, BlobWriter } from "../ports.ts";

const READ_BYTES = 1_048_576;
const CHECKED_MAX = 10_000;
const FULL: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** `dir` is made if it is missing. Any number of stores, in any threads, may share it. */
export async function openBlobFiles(dir: string): Promise<BlobStore> {
  const tempDir = join(dir, "temp");
  await io("make", dir, () => mkdir(tempDir, { recursive: true, mode: 0o700 }));
  const checked = new Set<string>();

  const pathOf = (sha256: string): string => {
    assert(isSha256(sha256), "a blob is named by its sha256");
    return join(dir, sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  };

  async function verify(sha256: string, file: FileHandle): Promise<void> {
    if (checked.has(sha256)) return;
    const hasher = startSha256();
    const buffer = new Uint8Array(READ_BYTES);
    for (let offset = 0; ;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, offset);
      if (bytesRead === 0) break;
      hasher.update(buffer.subarray(0, bytesRead));
      offset += bytesRead;
    }
    if (hasher.hex() !== sha256) {
      throw new GantryError(
        "data_damaged",
        `Blob ${sha256} does not have the bytes it is named for`,
      );
    }
    if (checked.size >= CHECKED_MAX) checked.clear();
    checked.add(sha256); // BF3
  }

  return {
    write: () => startWriter(tempDir, pathOf),

    async read(sha256, offset, sizeBytes) {
      const path = pathOf(sha256);
      return io("read", path, async () => {
        await using file = await open(path, "r");
        await verify(sha256, file);
        const bytes = new Uint8Array(sizeBytes);
        const { bytesRead } = await file.read(bytes, 0, sizeBytes, offset);
        return bytes.subarray(0, bytesRead);
      });
    },

    has: (sha256) =>
      stat(pathOf(sha256)).then(
        (found) => found.isFile(),
        () => false,
      ),

    size: (sha256) =>
      stat(pathOf(sha256)).then(
        (found) => found.size,
        () => undefined,
      ),

    async sweep(isReferenced, olderThanMs) {
      let swept = 0;
      for (const name of await readdir(tempDir)) {
        if (await remove(join(tempDir, name), tempDir, olderThanMs)) swept += 1;
      }
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !isSha256(entry.name) || isReferenced(entry.name)) continue;
        if (await remove(pathOf(entry.name), tempDir, olderThanMs)) swept += 1;
        checked.delete(entry.name);
      }
      return swept;
    },
  };
}

async function remove(path: string, tempDir: string, olderThanMs: number): Promise<boolean> {
  if (!(await isOlder(path, olderThanMs))) return false;
  const aside = join(tempDir, randomUUID());
  await rename(path, aside);
  if (await isOlder(aside, olderThanMs)) {
    await rm(aside);
    return true;
  }
  await rename(aside, path); // BF4
  return false;
}

/** False for a file that is not there. */
async function isOlder(path: string, thanMs: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs >= thanMs;
}

async function startWriter(
  tempDir: string,
  pathOf: (sha256: string) => string,
): Promise<BlobWriter> {
  const temp = join(tempDir, randomUUID());
  const file = await io("make", temp, () => open(temp, "wx", 0o600));
  const hasher = startSha256();
  let sizeBytes = 0;

  const abort = async (): Promise<void> => {
    await file.close();
    await rm(temp, { force: true });
  };

  return {
    async write(bytes) {
      await io("write", temp, () => writeAll(file, bytes));
      hasher.update(bytes);
      sizeBytes += bytes.byteLength;
    },
    async finish() {
      const sha256 = hasher.hex();
      const path = pathOf(sha256);
      await io("write", path, async () => {
        await file.datasync();
        await file.close();
        const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await rename(temp, path);
        await syncFolders(dirname(path), made); // BF1
      });
      return { sha256, sizeBytes };
    },
    abort,
  };
}

/** `write` may take less than it is given. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, written);
    written += bytesWritten;
  }
}

/** The blob's folder, and those above it that were just made. */
async function syncFolders(folder: string, firstMade: string | undefined): Promise<void> {
  await syncFolder(folder);
  if (firstMade === undefined) return;
  await syncFolder(dirname(folder));
  await syncFolder(dirname(dirname(folder)));
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}

async function io<T>(verb: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof GantryError) throw cause;
    throw new GantryError(codeOf(cause), `Cannot ${verb} ${path}: ${String(cause)}`, { cause });
  }
}

function codeOf(cause: unknown): ErrorCode {
  const code = (cause as { readonly code?: unknown }).code;
  if (code === "ENOENT") return "not_found";
  return FULL.has(code) ? "disk_full" : "io_error";
}
