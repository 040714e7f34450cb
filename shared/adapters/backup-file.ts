// Writes and reads the bytes of a backup (shared/contract/backup.ts), piece by piece.
//
// BF1. What is read is proven before it is called whole: each part against the manifest, and every
//      byte against the total. A file that was cut, changed or added to is data_damaged.
// BF2. Memory holds the manifest and one piece, whatever the size of the backup.

import { open } from "node:fs/promises";
import { startSha256 } from "../base/digest.ts";
import { GantryError } from "../base/errors.ts";
import {
  ARCHIVE_END_BYTES,
  type BackupManifest,
  type BackupPart,
  HEADER_BYTES,
  MANIFEST_BYTES_MAX,
  MANIFEST_NAME,
  manifestSchema,
  paddingOf,
  readTarHeader,
  tarHeader,
  TOTAL_BYTES,
  TOTAL_NAME,
} from "../contract/backup.ts";

const PIECE_BYTES = 1_048_576;

/**
 * The whole archive. `read` gives the bytes of one part, exactly as many as the manifest says; more or
 * fewer is a fault in the caller and ends the stream with data_damaged.
 */
export async function* writeBackup(
  manifest: BackupManifest,
  read: (part: BackupPart) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const total = startSha256();
  const counted = (bytes: Uint8Array): Uint8Array => {
    total.update(bytes);
    return bytes;
  };
  const text = manifestBytes(manifest);
  yield counted(tarHeader(MANIFEST_NAME, text.length, manifest.madeAtMs));
  yield counted(text);
  if (paddingOf(text.length) > 0) yield counted(new Uint8Array(paddingOf(text.length)));
  for (const part of manifest.parts) {
    yield counted(tarHeader(part.name, part.sizeBytes, manifest.madeAtMs));
    let sizeBytes = 0;
    for await (const piece of read(part)) {
      sizeBytes += piece.length;
      yield counted(piece);
    }
    if (sizeBytes !== part.sizeBytes)
      throw damaged(part.name, `has ${sizeBytes} bytes, not ${part.sizeBytes}`);
    if (paddingOf(sizeBytes) > 0) yield counted(new Uint8Array(paddingOf(sizeBytes)));
  }
  yield tarHeader(TOTAL_NAME, TOTAL_BYTES, manifest.madeAtMs);
  yield new TextEncoder().encode(`${total.hex()}\n`);
  yield new Uint8Array(paddingOf(TOTAL_BYTES) + ARCHIVE_END_BYTES);
}

export const manifestBytes = (manifest: BackupManifest): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(manifest)}\n`);

/** What a reader does with the parts; all are called in order, and nothing is proven before the end. */
export interface BackupSink {
  readonly begin?: (part: BackupPart, manifest: BackupManifest) => Promise<void>;
  readonly piece?: (bytes: Uint8Array) => Promise<void>;
  /** The part has the size and the hash that the manifest names. */
  readonly end?: (part: BackupPart) => Promise<void>;
}

export interface ReadBackup {
  readonly manifest: BackupManifest;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** BF1. Throws data_damaged, data_dir_version for a later format, not_found, io_error, what the sink throws. */
export async function readBackup(
  path: string,
  sink: BackupSink = {},
  onProgress: (doneBytes: number, totalBytes: number) => void = () => {},
): Promise<ReadBackup> {
  await using file = await open(path, "r").catch((cause: unknown) => {
    throw new GantryError("not_found", `${path} cannot be read`, { cause });
  });
  const totalBytes = (await file.stat()).size;
  const total = startSha256();
  let doneBytes = 0;
  const take = async (sizeBytes: number, isCounted = true): Promise<Uint8Array> => {
    const bytes = new Uint8Array(sizeBytes);
    for (let at = 0; at < sizeBytes;) {
      const { bytesRead } = await file.read(bytes, at, sizeBytes - at);
      if (bytesRead === 0) throw damaged(path, "ends too early");
      at += bytesRead;
    }
    if (isCounted) total.update(bytes);
    doneBytes += sizeBytes;
    onProgress(doneBytes, totalBytes);
    return bytes;
  };
  const header = async (name: string, isCounted = true): Promise<number> => {
    const found = readTarHeader(await take(HEADER_BYTES, isCounted));
    if (found?.name !== name) throw damaged(path, `has no ${name} where it must be`);
    return found.sizeBytes;
  };

  const manifestSize = await header(MANIFEST_NAME);
  if (manifestSize > MANIFEST_BYTES_MAX) throw damaged(path, "has a manifest of impossible size");
  const manifest = parseManifest(path, await take(manifestSize));
  await take(paddingOf(manifestSize));
  for (const part of manifest.parts) {
    if ((await header(part.name)) !== part.sizeBytes)
      throw damaged(path, `has ${part.name} in another size than its manifest says`);
    await sink.begin?.(part, manifest);
    const hasher = startSha256();
    for (let left = part.sizeBytes; left > 0;) {
      const piece = await take(Math.min(left, PIECE_BYTES));
      hasher.update(piece);
      left -= piece.length;
      await sink.piece?.(piece);
    }
    if (hasher.hex() !== part.sha256) throw damaged(path, `has other bytes in ${part.name}`);
    await take(paddingOf(part.sizeBytes));
    await sink.end?.(part);
  }
  await header(TOTAL_NAME, false);
  const claimed = new TextDecoder().decode(await take(TOTAL_BYTES, false)).trim();
  const sha256 = total.hex();
  if (claimed !== sha256) throw damaged(path, "does not match its total");
  const tail = await take(paddingOf(TOTAL_BYTES) + ARCHIVE_END_BYTES, false);
  if (doneBytes !== totalBytes || tail.some((byte) => byte !== 0))
    throw damaged(path, "goes on after its end");
  return { manifest, sizeBytes: totalBytes, sha256 };
}

function parseManifest(path: string, bytes: Uint8Array): BackupManifest {
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new GantryError("data_damaged", `The manifest of ${path} is not JSON`, { cause });
  }
  const { format } = found as { format?: unknown };
  if (typeof format === "number" && format > 1)
    throw new GantryError("data_dir_version", `${path} was made by a later release`);
  const manifest = manifestSchema.safeParse(found);
  if (!manifest.success) throw damaged(path, "has a manifest that cannot be understood");
  return manifest.data;
}

const damaged = (path: string, what: string): GantryError =>
  new GantryError("data_damaged", `The backup ${path} ${what}`);
