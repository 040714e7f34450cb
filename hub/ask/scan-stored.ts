// A G-code file of the blob store, read for one printer as an upload is.

import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import { type GcodeLimits, makeScanner } from "@gantry/shared/gcode/scan.ts";
import { setImmediate } from "node:timers/promises";
import { keepScan } from "../keep-scan.ts";
import type { BlobStore } from "../ports.ts";

const SLICE_BYTES = 65_536; // about 3 ms of scanning; the main thread breathes between slices

/** Its pictures become blobs too. Throws the scanner's gcode_* codes, not_found, disk_full. */
export async function scanStored(
  blobs: BlobStore,
  file: { readonly sha256: string; readonly sizeBytes: number },
  limits: GcodeLimits,
  signal: AbortSignal,
): Promise<GcodeFacts> {
  const scanner = makeScanner(limits);
  for (let offset = 0; offset < file.sizeBytes; offset += SLICE_BYTES) {
    signal.throwIfAborted();
    scanner.push(await blobs.read(file.sha256, offset, SLICE_BYTES));
    await setImmediate();
  }
  return keepScan(blobs, scanner.finish(), file);
}
