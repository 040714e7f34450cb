// A backup is one file: a tar archive (POSIX ustar), so that anybody can look inside with `tar -t`.
//
//   gantry-backup.json      the manifest: what it is of, and the name, size and sha256 of each part
//   ledger.snap             every row of one log entry (hub/replica/snapshot-codec.ts)
//   blobs/SHA256 ...        every file that a row names
//   total.sha256            of all bytes before its header
//
// BK1. The manifest comes first and names every part in order: a reader knows what must follow.
// BK2. Nothing in it opens a door: tokens are there as the ledger holds them, as hashes; no key of a
//      hub, no cluster secret, no token file.

import { z } from "zod";

export const BACKUP_FORMAT = 1;
export const MANIFEST_NAME = "gantry-backup.json";
export const LEDGER_NAME = "ledger.snap";
export const TOTAL_NAME = "total.sha256";
export const BACKUP_MEDIA_TYPE = "application/x-tar";
export const blobPartName = (sha256: string): string => `blobs/${sha256}`;

const BLOCK_BYTES = 512;
/** Two empty blocks end an archive. */
export const ARCHIVE_END_BYTES = 2 * BLOCK_BYTES;
export const HEADER_BYTES = BLOCK_BYTES;
/** Of the manifest: half a million blobs. */
export const MANIFEST_BYTES_MAX = 64 * 1_048_576;

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);
const partSchema = z.object({
  name: z.union([z.literal(LEDGER_NAME), z.string().regex(/^blobs\/[0-9a-f]{64}$/)]),
  sizeBytes: z.number().int().nonnegative(),
  sha256: sha256Schema,
});
export type BackupPart = Readonly<z.infer<typeof partSchema>>;

export const manifestSchema = z.object({
  format: z.literal(BACKUP_FORMAT),
  /** Ms since 1970, by the clock of the hub that made it. */
  madeAtMs: z.number(),
  /** The release that made it. */
  version: z.string(),
  /** The format of the data folder it came from. */
  dataFormat: z.number(),
  clusterId: z.string(),
  hub: z.string(),
  /** Who founded the cluster, and who counted at `index`: for people; a restore makes a new cluster. */
  founders: z.array(z.string()),
  voters: z.array(z.string()),
  /** The log entry whose rows it shows. */
  index: z.number().int().positive(),
  /** Files that rows name and that no hub in touch had. */
  missing: z.array(sha256Schema),
  /** The ledger first. */
  parts: z.array(partSchema).min(1),
});
export type BackupManifest = Readonly<z.infer<typeof manifestSchema>>;

/** The header of one member. `sizeBytes` under 8 GiB, `name` at most 100 ASCII characters. */
export function tarHeader(name: string, sizeBytes: number, modifiedMs: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const put = (at: number, text: string): void => header.set(new TextEncoder().encode(text), at);
  put(0, name);
  put(100, "0000600\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${octal(sizeBytes, 11)}\0`);
  put(136, `${octal(Math.floor(modifiedMs / 1_000), 11)}\0`);
  put(148, " ".repeat(8)); // counted as blanks in its own sum
  put(156, "0");
  put(257, "ustar\u000000");
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)}\0 `);
  return header;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");

/** What a header says; undefined when it is none, or its sum is wrong. */
export function readTarHeader(
  header: Uint8Array,
): { readonly name: string; readonly sizeBytes: number } | undefined {
  const text = (at: number, length: number): string =>
    new TextDecoder().decode(header.subarray(at, at + length)).split("\0", 1)[0] ?? "";
  const sizeBytes = Number.parseInt(text(124, 12), 8);
  const claimed = Number.parseInt(text(148, 8), 8);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const isWhole =
    header.length === HEADER_BYTES && sum === claimed && Number.isSafeInteger(sizeBytes);
  return isWhole ? { name: text(0, 100), sizeBytes } : undefined;
}

/** Zeros that follow a member of this size. */
export const paddingOf = (sizeBytes: number): number =>
  (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;

/** Of `total.sha256`: 64 hex digits and a line feed. */
export const TOTAL_BYTES = 65;

const member = (sizeBytes: number): number => HEADER_BYTES + sizeBytes + paddingOf(sizeBytes);

/** Bytes of the whole file. */
export function backupBytes(manifestBytes: number, parts: readonly BackupPart[]): number {
  const inside = parts.reduce((total, { sizeBytes }) => total + member(sizeBytes), 0);
  return member(manifestBytes) + inside + member(TOTAL_BYTES) + ARCHIVE_END_BYTES;
}
