// An append-only file of JSON lines. What was appended survives a power cut.
//
// J1. `append` resolves after fdatasync. Appends that wait together share one.
// J2. A torn last line is what a power cut leaves: it was never acknowledged, and is cut off. A line
//     that is damaged anywhere else is `data_damaged`: forgetting a fence could print twice.
// J3. `rewrite` replaces the file whole: old content or new, never a mixture. It asks for the entries
//     when all earlier appends are written, so none that was acknowledged can be missing in them:
//       (A) append 1 is being written  (B) rewrite is asked for  (C) append 2 joins A's batch
//       (D) A's batch is acknowledged, and only now the rewrite looks at what there is.

import { open, type FileHandle, mkdir, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder, writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";

export interface Journal<E> {
  /** Bytes in the file. */
  readonly sizeBytes: number;
  /** Throws disk_full, io_error: the entry may or may not be there after a restart. */
  append(entry: E): Promise<void>;
  /** Replaces all entries by those that `entries` gives once earlier appends are written (J3). */
  rewrite(entries: () => readonly E[]): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Gives every entry of the file to `onEntry`, in order. `parse` throws for what is no entry. */
export async function openJournal<E>(
  path: string,
  parse: (value: unknown) => E,
  onEntry: (entry: E) => void,
): Promise<Journal<E>> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let file = await open(path, "a+", 0o600);
  await syncFolder(folder);
  const text = await file.readFile("utf8");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1); // J2
  for (const [index, line] of whole.split("\n").entries()) {
    if (line !== "") onEntry(parseLine(path, index, line, parse));
  }
  let sizeBytes = Buffer.byteLength(whole);
  if (whole.length < text.length) await truncate(path, sizeBytes);

  let waiting: Waiting[] = [];
  let isScheduled = false;
  /** Writes and rewrites, one after the other. Never rejects. */
  let tail = Promise.resolve();

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const bytes = Buffer.from(batch.map(({ line }) => line).join(""));
        await appendDurably(file, bytes, sizeBytes);
        sizeBytes += bytes.length;
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(asGantryError(path, error));
      }
    }
    isScheduled = false;
  }

  async function replace(entries: readonly E[]): Promise<void> {
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
    try {
      await writeFileDurably(path, lines, 0o600);
      await file.close();
      file = await open(path, "a+", 0o600);
      sizeBytes = Buffer.byteLength(lines);
    } catch (error) {
      throw asGantryError(path, error);
    }
  }

  return {
    get sizeBytes() {
      return sizeBytes;
    },
    append: (entry) =>
      new Promise((resolve, reject) => {
        waiting.push({ line: `${JSON.stringify(entry)}\n`, resolve, reject });
        if (isScheduled) return;
        isScheduled = true;
        tail = tail.then(write);
      }),
    rewrite(entries) {
      const replaced = tail.then(() => replace(entries()));
      tail = replaced.catch(() => {});
      return replaced;
    },
    async close() {
      await tail;
      await file.close();
    },
  };
}

/** A failed write may leave half a line, which must not stand before the next one. */
async function appendDurably(file: FileHandle, bytes: Buffer, sizeBytes: number): Promise<void> {
  try {
    await file.appendFile(bytes);
    await file.datasync();
  } catch (error) {
    await file.truncate(sizeBytes).catch(() => {});
    throw error;
  }
}

function parseLine<E>(path: string, index: number, line: string, parse: (value: unknown) => E): E {
  try {
    return parse(JSON.parse(line));
  } catch (cause) {
    throw new GantryError("data_damaged", `${path}, line ${index + 1} is damaged`, { cause });
  }
}

function asGantryError(path: string, cause: unknown): GantryError {
  const isFull = cause instanceof Error && "code" in cause && cause.code === "ENOSPC";
  return new GantryError(isFull ? "disk_full" : "io_error", `${path} cannot be written`, { cause });
}
