// Snapshots: the whole ledger store as one file, so that the log need not be kept for ever and the
// ledger can be made anew from snapshot + log.
//
//   DATA_DIR/snapshots/INDEX.snap     INDEX: 16 hex digits, the log entry whose rows it shows
//   "GSNAP001" | chunk ... | u32 0 | sha256 of everything before it (32 bytes)
//   chunk = u32 length | u32 crc32 | records;   record = u16 key length | u32 value length | key | value
//
// SN1. A file has its final name only when all of its bytes are on disk.
// SN2. The rows are those of one moment, with the `applied` mark of that moment (OrderedStore.entries).
// SN3. The newest two are kept, and every log entry after the older one: if the newest cannot be read,
//      the older one with the log still gives the whole ledger.
// SN4. While a snapshot is being restored the store has no `applied` mark: a crash there is seen.

import { createHash, type Hash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { syncFolder } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { OrderedStore, StoreOperation } from "../ports.ts";
import { APPLIED_KEY, type AppliedMark, readApplied } from "./ledger-store.ts";

const MAGIC = Buffer.from("GSNAP001");
const CHUNK_BYTES = 1_048_576;
const RECORD_HEADER_BYTES = 6;
const CHUNK_HEADER_BYTES = 8;
const SHA_BYTES = 32;
const KEPT = 2;

export interface Snapshot {
  readonly index: number;
  readonly path: string;
  readonly sizeBytes: number;
}

type Row = readonly [key: string, value: Uint8Array];

/** Complete snapshots in `folder`, newest first; none when the folder is missing. */
export async function listSnapshots(folder: string): Promise<readonly Snapshot[]> {
  const names = await readdir(folder).catch(() => []);
  const found = names.flatMap((name) => /^([0-9a-f]{16})\.snap$/.exec(name)?.[1] ?? []);
  const snapshots = found.map(async (hex) => {
    const path = join(folder, `${hex}.snap`);
    return { index: Number.parseInt(hex, 16), path, sizeBytes: (await stat(path)).size };
  });
  return (await Promise.all(snapshots)).toSorted((a, b) => b.index - a.index);
}

/**
 * Writes the store as it is at the call. Beside the hub's work: one chunk at a time. Then forgets
 * all but the newest two. Throws disk_full or io_error.
 */
export async function writeSnapshot(folder: string, store: OrderedStore): Promise<Snapshot> {
  const beside = join(folder, "snapshot.new");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { index, sizeBytes } = await writeFile(beside, store);
    const path = join(folder, `${index.toString(16).padStart(16, "0")}.snap`);
    await rename(beside, path); // SN1
    await syncFolder(folder);
    for (const old of (await listSnapshots(folder)).slice(KEPT)) await rm(old.path); // SN3
    return { index, path, sizeBytes };
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => {});
    throw snapshotError(folder, cause);
  }
}

async function writeFile(
  path: string,
  store: OrderedStore,
): Promise<{ index: number; sizeBytes: number }> {
  await using file = await open(path, "w", 0o600);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const write = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes);
    await file.writeFile(bytes);
    sizeBytes += bytes.length;
  };

  let applied: AppliedMark | undefined;
  await write(MAGIC);
  for await (const rows of chunksOf(store)) {
    const mark = rows.find(([key]) => key === APPLIED_KEY);
    if (mark !== undefined) applied = readApplied(mark[1]);
    await write(encodeChunk(rows));
  }
  if (applied === undefined) throw new GantryError("internal", "The ledger has no applied mark");
  await write(Buffer.alloc(4));
  await file.writeFile(hash.digest());
  await file.sync();
  return { index: applied.index, sizeBytes: sizeBytes + SHA_BYTES };
}

/** SN2. */
async function* chunksOf(store: OrderedStore): AsyncGenerator<readonly Row[]> {
  let rows: Row[] = [];
  let sizeBytes = 0;
  for await (const row of store.entries({})) {
    rows.push(row);
    sizeBytes += row[1].length;
    if (sizeBytes < CHUNK_BYTES) continue;
    yield rows;
    [rows, sizeBytes] = [[], 0];
  }
  if (rows.length > 0) yield rows;
}

function encodeChunk(rows: readonly Row[]): Uint8Array {
  const parts = rows.flatMap(([key, value]) => {
    const name = Buffer.from(key);
    const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
    header.writeUInt16BE(name.length, 0);
    header.writeUInt32BE(value.length, 2);
    return [header, name, value];
  });
  const records = Buffer.concat(parts);
  const header = Buffer.allocUnsafe(CHUNK_HEADER_BYTES);
  header.writeUInt32BE(records.length, 0);
  header.writeUInt32BE(crc32(records), 4);
  return Buffer.concat([header, records]);
}

/** Reads a snapshot to its end, chunk by chunk. Throws data_damaged where its bytes are not whole. */
export async function* readSnapshot(path: string): AsyncGenerator<readonly Row[]> {
  await using file = await open(path, "r");
  const hash = createHash("sha256");
  const magic = await take(file, path, MAGIC.length, hash);
  if (!magic.equals(MAGIC)) throw damaged(path, "is not a snapshot of this release");
  for (;;) {
    const length = (await take(file, path, 4, hash)).readUInt32BE(0);
    if (length === 0) break;
    const crc = (await take(file, path, 4, hash)).readUInt32BE(0);
    const records = await take(file, path, length, hash);
    if (crc32(records) !== crc) throw damaged(path, "has a chunk that does not match its checksum");
    yield decodeChunk(records);
  }
  const claimed = await take(file, path, SHA_BYTES);
  if (!claimed.equals(hash.digest())) throw damaged(path, "does not match its sha256");
}

async function take(file: FileHandle, path: string, length: number, hash?: Hash): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(bytes, 0, length);
  if (bytesRead < length) throw damaged(path, "ends too early");
  hash?.update(bytes);
  return bytes;
}

function decodeChunk(records: Buffer): readonly Row[] {
  const rows: Row[] = [];
  for (let offset = 0; offset < records.length;) {
    const keyEnd = offset + RECORD_HEADER_BYTES + records.readUInt16BE(offset);
    const valueEnd = keyEnd + records.readUInt32BE(offset + 2);
    const key = records.toString("utf8", offset + RECORD_HEADER_BYTES, keyEnd);
    rows.push([key, records.subarray(keyEnd, valueEnd)]);
    offset = valueEnd;
  }
  return rows;
}

/** Replaces everything in `store` by the snapshot (SN4). Throws data_damaged, disk_full, io_error. */
export async function restoreSnapshot({ path }: Snapshot, store: OrderedStore): Promise<void> {
  await clear(store);
  let mark: StoreOperation | undefined;
  for await (const rows of readSnapshot(path)) {
    const puts = rows.map(([key, value]) => ({ type: "put" as const, key, value }));
    mark = puts.find(({ key }) => key === APPLIED_KEY) ?? mark;
    await store.batch(
      puts.filter(({ key }) => key !== APPLIED_KEY),
      { sync: true },
    );
  }
  if (mark === undefined) throw damaged(path, "has no applied mark");
  await store.batch([mark], { sync: true });
}

async function clear(store: OrderedStore): Promise<void> {
  await store.batch([{ type: "del", key: APPLIED_KEY }], { sync: true });
  for await (const rows of chunksOf(store)) {
    await store.batch(
      rows.map(([key]) => ({ type: "del", key })),
      { sync: true },
    );
  }
}

const damaged = (path: string, what: string): GantryError =>
  new GantryError("data_damaged", `${path} ${what}`);

function snapshotError(folder: string, cause: unknown): GantryError {
  if (cause instanceof GantryError) return cause;
  const { code } = cause as { code?: unknown };
  return code === "ENOSPC" || code === "EDQUOT"
    ? new GantryError("disk_full", `There is no room for a snapshot in ${folder}`, { cause })
    : new GantryError("io_error", `No snapshot can be written in ${folder}`, { cause });
}
