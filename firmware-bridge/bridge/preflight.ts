// What must hold before the first byte: these very bytes, and nothing in them that this printer may
// not do.
//
// PF1. The hash of every chunk is kept, and each chunk is hashed again as it is sent: the bytes that
//      were checked are the bytes that are sent, whatever happens to the file meanwhile.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { sha256, startSha256 } from "@gantry/shared/base/digest.ts";
import { type GcodeLimits, type GcodeScan, makeScanner } from "@gantry/shared/gcode/scan.ts";
import type { JobFile } from "../ports.ts";

/** Under a millisecond of scanning: what the lines of the other printers, and of this one, wait for. */
export const CHUNK_BYTES = 4_096;

export interface Cleared {
  readonly scan: GcodeScan;
  readonly chunkDigests: readonly string[];
}

/** Rejects with checksum_mismatch, a gcode_ code, io_error or the signal's reason. */
export async function preflight(
  file: JobFile,
  promised: { readonly sha256: string; readonly sizeBytes: number },
  limits: GcodeLimits,
  signal: AbortSignal,
): Promise<Cleared> {
  if (file.sizeBytes !== promised.sizeBytes) {
    const sizes = `${file.sizeBytes} bytes instead of ${promised.sizeBytes}`;
    throw new GantryError("checksum_mismatch", `The job's file has ${sizes}`);
  }
  const whole = startSha256();
  const scanner = makeScanner(limits);
  const chunkDigests: string[] = [];
  for (let offset = 0; offset < file.sizeBytes; offset += CHUNK_BYTES) {
    signal.throwIfAborted();
    const bytes = await file.read(offset, CHUNK_BYTES);
    whole.update(bytes);
    chunkDigests.push(sha256(bytes));
    scanner.push(bytes);
  }
  if (whole.hex() !== promised.sha256) {
    throw new GantryError("checksum_mismatch", "The job's file is not the promised one");
  }
  return { scan: scanner.finish(), chunkDigests };
}

/** PF1. Rejects with checksum_mismatch or io_error. */
export async function readChunk(
  file: JobFile,
  cleared: Cleared,
  offset: number,
): Promise<Uint8Array> {
  const bytes = await file.read(offset, CHUNK_BYTES);
  if (sha256(bytes) !== cleared.chunkDigests[offset / CHUNK_BYTES]) {
    throw new GantryError("checksum_mismatch", "The job's file changed while it was printed");
  }
  return bytes;
}
