// What a scan found, as the facts of a job; its pictures as blobs.

import type { GcodeFacts, ThumbnailFact } from "@gantry/shared/contract/rows.ts";
import type { GcodeScan } from "@gantry/shared/gcode/scan.ts";
import type { Thumbnail } from "@gantry/shared/gcode/thumbnails.ts";
import type { BlobStore } from "./ports.ts";

/** Writes the pictures. `file`: the blob that was scanned. Throws disk_full or io_error. */
export async function keepScan(
  blobs: BlobStore,
  { lines: _lines, thumbnails, analysis, ...facts }: GcodeScan,
  file: { readonly sha256: string; readonly sizeBytes: number },
): Promise<GcodeFacts> {
  const kept: ThumbnailFact[] = [];
  for (const thumbnail of thumbnails) kept.push(await keepThumbnail(blobs, thumbnail));
  const { sha256, sizeBytes } = file;
  return { sha256, sizeBytes, ...facts, analysis: { ...analysis, thumbnails: kept } };
}

async function keepThumbnail(
  blobs: BlobStore,
  { format, width, height, bytes }: Thumbnail,
): Promise<ThumbnailFact> {
  const writer = await blobs.write();
  try {
    await writer.write(bytes);
    return { ...(await writer.finish()), format, width, height };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Every blob that a print names: its file first, then its pictures. */
export const blobsOfPrint = ({ sha256, analysis }: GcodeFacts): readonly string[] => [
  sha256,
  ...(analysis?.thumbnails ?? []).map((thumbnail) => thumbnail.sha256),
];
