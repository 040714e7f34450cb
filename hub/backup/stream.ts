// The bytes of a prepared backup, as the door sends them: rows and files are read while they are sent.

import { open, rm } from "node:fs/promises";
import { writeBackup } from "@gantry/shared/adapters/backup-file.ts";
import { LEDGER_NAME } from "@gantry/shared/contract/backup.ts";
import type { BlobStore } from "../ports.ts";
import type { PreparedBackup } from "./make-backup.ts";

const PIECE_BYTES = 262_144;

/** Removes the copy of the rows as soon as it is open. Throws not_found, data_damaged, io_error. */
export async function* streamBackup(
  { manifest, ledgerPath }: PreparedBackup,
  blobs: BlobStore,
): AsyncGenerator<Uint8Array, void> {
  await using ledger = await open(ledgerPath, "r");
  await rm(ledgerPath, { force: true });
  yield* writeBackup(manifest, async function* ({ name, sizeBytes, sha256 }) {
    for (let offset = 0; offset < sizeBytes;) {
      const length = Math.min(PIECE_BYTES, sizeBytes - offset);
      const bytes =
        name === LEDGER_NAME
          ? await readAt(ledger, offset, length)
          : await blobs.read(sha256, offset, length);
      if (bytes.length === 0) return;
      offset += bytes.length;
      yield bytes;
    }
  });
}

async function readAt(
  file: Awaited<ReturnType<typeof open>>,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}
