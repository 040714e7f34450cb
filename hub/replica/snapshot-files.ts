// Snapshots as files.
//
//   DATA_DIR/snapshots/INDEX.snap     INDEX: 16 hex digits, the log entry whose rows it shows
//   DATA_DIR/snapshots/*.new          being written or received; swept at open
//
// SN1. A file has its final name only when all of its bytes are on disk, and, if another hub sent
//      them, verified.
// SN2. The newest two are kept. A hub that stands alone keeps every log entry after the older one: if
//      the newest cannot be read, the older one with the log still gives the whole ledger.

import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { OrderedStore } from "../ports.ts";
import {
  damaged,
  decodeSnapshot,
  encodeSnapshot,
  factsOf,
  peekSnapshot,
  restoreRows,
  SNAPSHOT_SHA_BYTES,
  type Take,
  verifySnapshot,
} from "./snapshot-codec.ts";
import {
  type KeptSnapshot,
  mismatchOf,
  type SnapshotReceiver,
  type SnapshotStore,
} from "./snapshot-store.ts";

const KEPT = 2;

/** Makes the folder when it is missing. Throws io_error. */
export async function openSnapshotFiles(folder: string): Promise<SnapshotStore> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      if (name.endsWith(".new")) await rm(join(folder, name), { force: true });
    }
  } catch (cause) {
    throw new GantryError("io_error", `The folder ${folder} cannot be used`, { cause });
  }
  const pathOf = (index: number): string =>
    join(folder, `${index.toString(16).padStart(16, "0")}.snap`);
  // Held open until another one is served: pushed out by newer ones, it can be read to its end.
  let served: { index: number; file: FileHandle; totalBytes: number } | undefined;

  async function serve(index: number): Promise<NonNullable<typeof served> | undefined> {
    if (served?.index === index) return served;
    const file = await open(pathOf(index), "r").catch(() => undefined);
    if (file === undefined) return undefined;
    const before = served;
    served = { index, file, totalBytes: (await file.stat()).size };
    await before?.file.close();
    return served;
  }

  /** SN1, SN2. */
  async function keep(beside: string, facts: KeptSnapshot): Promise<KeptSnapshot> {
    await rename(beside, pathOf(facts.index));
    await syncFolder(folder);
    for (const { path } of (await snapshotPaths(folder)).slice(KEPT)) await rm(path);
    return facts;
  }

  async function write(ledgerStore: OrderedStore): Promise<KeptSnapshot> {
    const beside = join(folder, "snapshot.new");
    try {
      return await keep(beside, await writeFile(beside, ledgerStore));
    } catch (cause) {
      await rm(beside, { force: true }).catch(() => {});
      throw snapshotError(folder, cause);
    }
  }

  async function receive(index: number): Promise<SnapshotReceiver> {
    const beside = `${pathOf(index)}.new`;
    const file = await open(beside, "w", 0o600).catch((cause: unknown) => {
      throw snapshotError(folder, cause);
    });
    let isOpen = true;
    const abort = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      await file.close();
      await rm(beside, { force: true });
    };
    return {
      async write(bytes) {
        await file.writeFile(bytes).catch((cause: unknown) => {
          throw snapshotError(folder, cause);
        });
      },
      async finish(expected = {}) {
        try {
          await file.sync();
          const facts = await verifyFile(beside);
          const fault = mismatchOf(facts, { index, ...expected });
          if (fault !== undefined) throw damaged(beside, fault);
          isOpen = false;
          await file.close();
          return await keep(beside, facts);
        } catch (cause) {
          await abort();
          throw snapshotError(folder, cause);
        }
      },
      abort,
    };
  }

  return {
    async list() {
      const found = await snapshotPaths(folder);
      const facts = await Promise.all(found.map(({ path }) => readFacts(path)));
      return facts.filter((each) => each !== undefined);
    },
    write,
    async piece(index, offset, sizeBytes) {
      const found = await serve(index);
      if (found === undefined) return undefined;
      const { file, totalBytes } = found;
      const length = Math.min(sizeBytes, Math.max(0, totalBytes - offset));
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return { bytes: buffer.subarray(0, bytesRead), totalBytes };
    },
    receive,
    restore: ({ index }, ledgerStore) =>
      restoreRows(pathOf(index), readSnapshotFile(pathOf(index)), ledgerStore),
    async close() {
      await served?.file.close();
      served = undefined;
    },
  };
}

/** Every file that has a final name, newest first; none when the folder is missing. */
export async function snapshotPaths(
  folder: string,
): Promise<readonly { readonly index: number; readonly path: string }[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .flatMap((name) => /^([0-9a-f]{16})\.snap$/.exec(name)?.[1] ?? [])
    .map((hex) => ({ index: Number.parseInt(hex, 16), path: join(folder, `${hex}.snap`) }))
    .toSorted((a, b) => b.index - a.index);
}

/** Reads a file to its end, chunk by chunk. Throws data_damaged where its bytes are not whole. */
export async function* readSnapshotFile(path: string): ReturnType<typeof decodeSnapshot> {
  await using file = await open(path, "r");
  return yield* decodeSnapshot(path, takeFrom(file));
}

async function verifyFile(path: string): Promise<KeptSnapshot> {
  await using file = await open(path, "r");
  return await verifySnapshot(path, (await file.stat()).size, takeFrom(file));
}

async function readFacts(path: string): Promise<KeptSnapshot | undefined> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const mark = await peekSnapshot(path, takeFrom(file));
    const sha256 = Buffer.alloc(SNAPSHOT_SHA_BYTES);
    await file.read(sha256, 0, SNAPSHOT_SHA_BYTES, size - SNAPSHOT_SHA_BYTES);
    return factsOf(mark, size, sha256);
  } catch {
    return undefined; // the doctor names it
  }
}

async function writeFile(path: string, store: OrderedStore): Promise<KeptSnapshot> {
  await using file = await open(path, "w", 0o600);
  const facts = await encodeSnapshot(store, (bytes) => file.writeFile(bytes));
  await file.sync();
  return facts;
}

/** From the file's own position on. */
function takeFrom(file: FileHandle): Take {
  return async (length) => {
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(bytes, 0, length);
    return bytes.subarray(0, bytesRead);
  };
}

function snapshotError(folder: string, cause: unknown): GantryError {
  if (cause instanceof GantryError) return cause;
  const { code } = cause as { code?: unknown };
  return code === "ENOSPC" || code === "EDQUOT"
    ? new GantryError("disk_full", `There is no room for a snapshot in ${folder}`, { cause })
    : new GantryError("io_error", `No snapshot can be written in ${folder}`, { cause });
}
