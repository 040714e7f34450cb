// The tail mark on a file beside the log's folder: 64 bytes, rewritten in place with one positioned
// write and never synced. After a power cut it may be an older one, or torn and then none.
//
//   "GTM1" | index u48 | term u48 | votedTerm u48 | rewrites u48 | chain, 16 | vote, 8 | 8 zeros | crc32 u32
//
// T1. One write is under way at most, and one in PAUSE_MS; of those that come meanwhile only the last is
//     written. It is never synced, so a few ms of age cost nothing, and a write for each commit would.

import { type FileHandle, open, readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { TailMark } from "./raft-log.ts";
import type { Mark } from "./raft-log-scan.ts";

const MAGIC = Buffer.from("GTM1");
const MARK_BYTES = 64;
const CRC_AT = MARK_BYTES - 4;
const PAUSE_MS = 10;

export interface TailMarkFile extends TailMark {
  /** Resolves when the last mark is written. */
  close(): Promise<void>;
}

/** Makes the file when it is missing. Throws io_error. */
export async function openTailMark(path: string): Promise<TailMarkFile> {
  let file: FileHandle;
  const bytes = Buffer.alloc(MARK_BYTES);
  try {
    file = await open(path, "r+").catch(() => open(path, "w+", 0o600));
    await file.read(bytes, 0, MARK_BYTES, 0);
  } catch (cause) {
    throw new GantryError("io_error", `The mark of the log ${path} cannot be opened`, { cause });
  }
  const found = decodeMark(bytes);
  let next: Mark | undefined;
  let writing: Promise<void> | undefined;
  let isClosing = false;
  let endPause: (() => void) | undefined;

  async function writeAll(): Promise<void> {
    while (next !== undefined) {
      const mark = next;
      next = undefined;
      // A mark that cannot be written stays behind: the next one tries again, and the log is whole.
      await file.write(encodeMark(mark), 0, MARK_BYTES, 0).catch(() => {});
      await pause();
    }
    writing = undefined;
  }

  function pause(): Promise<void> | undefined {
    if (isClosing) return undefined;
    return new Promise((resolve) => {
      endPause = resolve;
      setTimeout(resolve, PAUSE_MS);
    });
  }

  return {
    read: () => found,
    write(mark) {
      next = mark;
      writing ??= writeAll(); // T1
    },
    async close() {
      isClosing = true;
      endPause?.();
      await writing;
      await file.close();
    },
  };
}

/** For readers such as the doctor: changes nothing. Undefined when there is none that is whole. */
export async function readTailMark(path: string): Promise<Mark | undefined> {
  return decodeMark(await readFile(path).catch(() => Buffer.alloc(0)));
}

export function encodeMark(mark: Mark): Buffer {
  const bytes = Buffer.alloc(MARK_BYTES);
  bytes.set(MAGIC, 0);
  bytes.writeUIntBE(mark.index, 4, 6);
  bytes.writeUIntBE(mark.term, 10, 6);
  bytes.writeUIntBE(mark.votedTerm, 16, 6);
  bytes.writeUIntBE(mark.rewrites, 22, 6);
  bytes.set(mark.chain, 28);
  bytes.set(mark.vote, 44);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** Undefined for bytes that are not a whole mark. */
export function decodeMark(bytes: Buffer): Mark | undefined {
  const isWhole =
    bytes.length === MARK_BYTES &&
    bytes.subarray(0, 4).equals(MAGIC) &&
    crc32(bytes.subarray(0, CRC_AT)) === bytes.readUInt32BE(CRC_AT);
  if (!isWhole) return undefined;
  return {
    index: bytes.readUIntBE(4, 6),
    term: bytes.readUIntBE(10, 6),
    votedTerm: bytes.readUIntBE(16, 6),
    rewrites: bytes.readUIntBE(22, 6),
    chain: bytes.subarray(28, 44),
    vote: bytes.subarray(44, 52),
  };
}
