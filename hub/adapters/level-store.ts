// OrderedStore on LevelDB. One directory, one process: LevelDB's own lock refuses a second one.
//
// LS1. Nothing is written after a write that failed until the store was opened anew. LevelDB goes on
//      appending behind a half-written record of its log, says `ok`, and drops all of that at the
//      next start (seen: 50 of 50 acknowledged writes after a full disk); a failed sync or
//      compaction it never forgives at all. Opening reads the log up to the half record and begins
//      a new one.
// LS2. It is opened anew only with room for what opening writes, so that reads go on while the disk
//      is full. For the moment that it takes `isReopening` says so, and reads throw `starting`.

import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { Level } from "level";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { OrderedStore, StoreRange } from "../ports.ts";

const WRITE_BUFFER_BYTES = 32 * 1_048_576; // fewer, larger flushes: notes/workflow 6.2
const MENDING_BYTES = 2 * WRITE_BUFFER_BYTES; // the log as a table, and a compaction of it

export interface LevelOptions {
  /** False: an absent directory is not_found. For readers such as the doctor. */
  readonly createIfMissing: boolean;
}

const CHAIN_MIN = 64; // operations; what a log writes at once is fewer

/** Throws data_dir_locked, data_damaged, disk_full or io_error. */
export async function openLevelStore(
  directory: string,
  options: LevelOptions,
): Promise<OrderedStore> {
  if (!options.createIfMissing && !existsSync(directory)) {
    throw new GantryError("not_found", `There is no store at ${directory}`);
  }
  const db = new Level<string, Uint8Array>(directory, {
    keyEncoding: "utf8",
    valueEncoding: "view",
    compression: false,
    createIfMissing: options.createIfMissing,
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  try {
    await db.open();
  } catch (cause) {
    throw openError(directory, cause);
  }

  let isTorn = false;
  let mending: Promise<void> | undefined;

  /** LS1, LS2. */
  async function mend(): Promise<void> {
    const { bavail, bsize } = await statfs(directory);
    if (bavail * bsize < MENDING_BYTES) {
      throw new GantryError("disk_full", `There is not enough room left for ${directory}`);
    }
    try {
      await db.close();
      await db.open();
    } catch (cause) {
      throw openError(directory, cause);
    }
    isTorn = false;
  }

  const isReopening = (): boolean => isTorn && db.status !== "open";

  function assertOpen(): void {
    if (!isReopening()) return;
    throw new GantryError("starting", `${directory} is being opened anew; try again`);
  }

  return {
    getSync(key) {
      assertOpen();
      return db.getSync(key);
    },
    get isReopening() {
      return isReopening();
    },
    async batch(operations, { sync }) {
      if (isTorn) await (mending ??= mend().finally(() => (mending = undefined)));
      try {
        const [only] = operations;
        if (operations.length === 1 && only?.type === "put") {
          await db.put(only.key, only.value, { sync }); // what most commits are: a third cheaper
        } else if (operations.length < CHAIN_MIN) await db.batch([...operations], { sync });
        else {
          const chain = db.batch(); // half of what a long list of operations costs this thread
          for (const operation of operations) {
            if (operation.type === "put") chain.put(operation.key, operation.value);
            else chain.del(operation.key);
          }
          await chain.write({ sync });
        }
      } catch (cause) {
        isTorn = true;
        throw writeError(directory, cause);
      }
    },
    entries(range: StoreRange) {
      assertOpen();
      return db.iterator({ ...range, highWaterMarkBytes: 262_144 });
    },
    close: () => db.close(),
  };
}

function openError(directory: string, cause: unknown): GantryError {
  const text = textOf(cause);
  if (/lock/i.test(text)) {
    return new GantryError("data_dir_locked", `${directory} is open in another process`, { cause });
  }
  if (/corrupt|missing files|bad/i.test(text)) {
    return new GantryError("data_damaged", `${directory} cannot be opened: ${text}`, { cause });
  }
  return writeError(directory, cause);
}

export function writeError(directory: string, cause: unknown): GantryError {
  const text = textOf(cause);
  if (/no space|ENOSPC|quota|file too large/i.test(text)) {
    return new GantryError("disk_full", `There is no room left for ${directory}`, { cause });
  }
  return new GantryError("io_error", `${directory}: ${text}`, { cause });
}

/** The text of an error and of what caused it: LevelDB's own words are in the cause. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${textOf(error.cause)}`;
}
