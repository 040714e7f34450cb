// The folder of a hub's log: segments (segment-store.ts), held by one process at a time.
//
// LF1. Node has no lock on a file that ends with its process; LevelDB takes one. So the folder stays a
//      LevelDB, which holds the lock and one key: that the log is in the segments beside it.
// LF2. The log of a release before, in LevelDB itself, is copied into segments and synced before that
//      key is written, in the batch that removes it from LevelDB. Whatever ends this in the middle, the
//      next start finds the log whole in one of the two, and begins again.
// LF3. Segments beside an empty LevelDB are never removed: then it was LevelDB that lost its file.

import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { OrderedStore, StoreOperation } from "../ports.ts";
import { type LevelOptions, openLevelStore } from "./level-store.ts";
import { openSegmentStore, type SegmentStoreOptions } from "./segment-store.ts";

const MARK = "segments";
const MARKED: StoreOperation = { type: "put", key: MARK, value: new Uint8Array([1]) };
const COPIED_AT_ONCE = 256;
const COPIED_BYTES = 1_048_576;

export interface LogFolderOptions extends LevelOptions {
  readonly segmentBytes?: number;
}

/** Throws not_found, data_dir_locked, data_damaged, disk_full, io_error. */
export async function openLogFolder(
  folder: string,
  { createIfMissing, segmentBytes }: LogFolderOptions,
): Promise<OrderedStore> {
  const level = await openLevelStore(folder, { createIfMissing });
  try {
    const path = join(folder, MARK);
    const options: SegmentStoreOptions = {
      drawSalt: () => randomBytes(8),
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
    };
    if (level.getSync(MARK) === undefined) {
      if (await isEmpty(level)) await level.batch([MARKED], { sync: true }); // LF3
      else await moveIn(level, path, options);
    }
    const segments = await openSegmentStore(path, options);
    return {
      isReopening: false,
      getSync: (key) => segments.getSync(key),
      batch: (operations, how) => segments.batch(operations, how),
      entries: (range) => segments.entries(range),
      async close() {
        await segments.close();
        await level.close();
      },
    };
  } catch (error) {
    await level.close();
    throw error;
  }
}

/** LF2. */
async function moveIn(
  level: OrderedStore,
  path: string,
  options: SegmentStoreOptions,
): Promise<void> {
  await rm(path, { recursive: true, force: true });
  const segments = await openSegmentStore(path, options);
  const moved: StoreOperation[] = [];
  try {
    let piece: StoreOperation[] = [];
    let bytes = 0;
    for await (const [key, value] of level.entries({})) {
      piece.push({ type: "put", key, value });
      moved.push({ type: "del", key });
      bytes += value.length;
      if (piece.length < COPIED_AT_ONCE && bytes < COPIED_BYTES) continue;
      await segments.batch(piece, { sync: true });
      [piece, bytes] = [[], 0];
    }
    await segments.batch(piece, { sync: true });
  } finally {
    await segments.close();
  }
  await level.batch([...moved, MARKED], { sync: true });
}

async function isEmpty(level: OrderedStore): Promise<boolean> {
  for await (const _ of level.entries({ limit: 1 })) return false;
  return true;
}
