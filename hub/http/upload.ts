// One G-code file on its way to the blob store, scanned as it passes, or afterwards if the printer was
// not known in time.
//
// UP1. The scanner is fed in small slices with a turn of the loop between them: one large file must
//      not hold up the other requests of this thread.
// UP2. An upload that is left without `finish` leaves nothing behind.
// UP3. Archives and binary G-code are refused by their first bytes, before the rest is read: nothing is
//      unpacked anywhere.

import { setImmediate } from "node:timers/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import { type GcodeLimits, type GcodeScanner, makeScanner } from "@gantry/shared/gcode/scan.ts";
import { keepScan } from "../keep-scan.ts";
import type { BlobStore } from "../ports.ts";

/** About 3 ms of scanning at 20 MB/s. */
const SLICE_BYTES = 65_536;
const READ_BYTES = 1_048_576;

export interface Upload extends AsyncDisposable {
  readonly isScanned: boolean;
  /** From now on bytes are scanned as they come; those that came before are scanned at the end. */
  scanWith(limits: GcodeLimits): void;
  /** Throws too_large, disk_full, or what the scanner throws. */
  write(bytes: Uint8Array): Promise<void>;
  /** The file is on disk and has passed. Throws what the scanner throws. */
  finish(): Promise<GcodeFacts>;
}

export async function makeUpload(blobs: BlobStore, bytesMax: number): Promise<Upload> {
  const writer = await blobs.write();
  let scanner: GcodeScanner | undefined;
  let limits: GcodeLimits | undefined;
  let sizeBytes = 0;
  let isFinished = false;
  let head: Buffer = Buffer.alloc(0);

  async function scanStored(sha256: string, by: GcodeScanner): Promise<void> {
    for (let offset = 0; offset < sizeBytes; offset += READ_BYTES) {
      const size = Math.min(READ_BYTES, sizeBytes - offset);
      await scanSlices(by, await blobs.read(sha256, offset, size));
    }
  }

  return {
    get isScanned() {
      return limits !== undefined;
    },
    scanWith(found) {
      limits = found;
      if (sizeBytes === 0) scanner = makeScanner(found);
    },
    async write(bytes) {
      if (sizeBytes < HEAD_BYTES) {
        head = Buffer.concat([head, bytes.subarray(0, HEAD_BYTES - sizeBytes)]);
        assertText(head); // UP3
      }
      sizeBytes += bytes.byteLength;
      if (sizeBytes > bytesMax) {
        throw new GantryError("too_large", `The G-code is over ${bytesMax} bytes`, {
          details: { bytesMax },
        });
      }
      if (scanner !== undefined) await scanSlices(scanner, bytes);
      await writer.write(bytes);
    },
    async finish() {
      if (limits === undefined) throw new GantryError("bad_request", "No printer was named");
      const early = scanner?.finish();
      const { sha256 } = await writer.finish();
      isFinished = true;
      const late = makeScanner(limits);
      if (early === undefined) await scanStored(sha256, late);
      return keepScan(blobs, early ?? late.finish(), { sha256, sizeBytes });
    },
    async [Symbol.asyncDispose]() {
      if (!isFinished) await writer.abort(); // UP2
    },
  };
}

const HEAD_BYTES = 4;

/** How files begin that slicers send where plain G-code is wanted. */
const BINARY: readonly (readonly [magic: string, what: string])[] = [
  ["PK\u0003\u0004", "a ZIP archive (3MF, UFP)"],
  ["PK\u0005\u0006", "an empty ZIP archive"],
  ["GCDE", "binary G-code"],
  ["\u001f\u008b", "a gzip archive"],
  ["7z\u00bc\u00af", "a 7z archive"],
  ["\u0028\u00b5\u002f\u00fd", "a zstd archive"],
];

function assertText(head: Buffer): void {
  const start = head.toString("latin1");
  const found = BINARY.find(([magic]) => start.startsWith(magic));
  if (found === undefined) return;
  const hint = "Export plain G-code: switch off archives and binary G-code in the slicer.";
  throw new GantryError("unsupported_media", `The file is ${found[1]}`, { details: { hint } });
}

async function scanSlices(scanner: GcodeScanner, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES) {
    scanner.push(bytes.subarray(at, at + SLICE_BYTES));
    if (at + SLICE_BYTES < bytes.byteLength) await setImmediate(); // UP1
  }
}
