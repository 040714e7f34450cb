// The bytes of a snapshot: the whole ledger store, as one stream that proves itself.
//
//   "GSNAP001" | chunk ... | u32 0 | sha256 of everything before it (32 bytes)
//   chunk = u32 length | u32 crc32 | records;   record = u16 key length | u32 value length | key | value
//
// SC1. The rows are those of one moment, with the `applied` mark of that moment (OrderedStore.entries).
//      The mark is the first row: keys are in order, and `applied` comes before `cold` and `hot`.
// SC2. While a snapshot is being restored the store has no `applied` mark: a crash there is seen.

import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Membership } from "../consensus/types.ts";
import type { OrderedStore, StoreOperation } from "../ports.ts";
import { APPLIED_KEY, type AppliedMark, readApplied } from "./ledger-store.ts";

const MAGIC = Buffer.from("GSNAP001");
const CHUNK_BYTES = 1_048_576;
const CHUNK_BYTES_MAX = 0x3fff_ffff; // one row larger than a chunk makes a larger chunk
const RECORD_HEADER_BYTES = 6;
const CHUNK_HEADER_BYTES = 8;
export const SNAPSHOT_SHA_BYTES = 32;

export interface SnapshotFacts {
  /** The log entry whose rows it shows. */
  readonly index: number;
  /** Of that entry; undefined, as the membership, in one of a release that knew one hub only. */
  readonly term: number | undefined;
  /** In force at `index`; made by the change at `membershipIndex`. */
  readonly membership: Membership | undefined;
  readonly membershipIndex: number | undefined;
  readonly sizeBytes: number;
  /** Of everything before it, as the snapshot itself ends with: 64 hex digits. */
  readonly sha256: string;
}

export type SnapshotRow = readonly [key: string, value: Uint8Array];

/** The next `length` bytes, fewer only at the end. */
export type Take = (length: number) => Promise<Buffer>;

/** Gives every piece to `write`, in order. About 1 MiB a piece. */
export async function encodeSnapshot(
  store: OrderedStore,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<SnapshotFacts> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const put = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes);
    sizeBytes += bytes.length;
    await write(bytes);
  };
  let applied: AppliedMark | undefined;
  await put(MAGIC);
  for await (const rows of chunksOf(store)) {
    applied ??= markIn(rows);
    await put(encodeChunk(rows));
  }
  if (applied === undefined) throw new GantryError("internal", "The ledger has no applied mark");
  await put(Buffer.alloc(4));
  const sha256 = hash.digest();
  await write(sha256);
  return factsOf(applied, sizeBytes + SNAPSHOT_SHA_BYTES, sha256);
}

/** Reads to the end, chunk by chunk. Throws data_damaged where the bytes are not whole. */
export async function* decodeSnapshot(
  name: string,
  take: Take,
): AsyncGenerator<readonly SnapshotRow[], string> {
  const hash = createHash("sha256");
  const exactly = takeExactly(name, take, hash);
  if (!(await exactly(MAGIC.length)).equals(MAGIC)) {
    throw damaged(name, "is not a snapshot of this release");
  }
  for (;;) {
    const length = (await exactly(4)).readUInt32BE(0);
    if (length === 0) break;
    yield await takeChunk(name, exactly, length);
  }
  const computed = hash.digest();
  const claimed = await takeExactly(name, take)(SNAPSHOT_SHA_BYTES);
  if (!claimed.equals(computed)) throw damaged(name, "does not match its sha256");
  if ((await take(1)).length > 0) throw damaged(name, "goes on after its end");
  return computed.toString("hex");
}

/** What its beginning says (SC1); the rest is not looked at. Throws data_damaged. */
export async function peekSnapshot(name: string, take: Take): Promise<AppliedMark> {
  const exactly = takeExactly(name, take);
  await exactly(MAGIC.length);
  const length = (await exactly(4)).readUInt32BE(0);
  const mark = length === 0 ? undefined : markIn(await takeChunk(name, exactly, length));
  if (mark === undefined) throw damaged(name, "has no applied mark");
  return mark;
}

/** Reads all of it and keeps nothing. Throws data_damaged. */
export async function verifySnapshot(
  name: string,
  sizeBytes: number,
  take: Take,
): Promise<SnapshotFacts> {
  const chunks = decodeSnapshot(name, take);
  let applied: AppliedMark | undefined;
  for (;;) {
    const next = await chunks.next();
    if (next.done !== true) {
      applied ??= markIn(next.value);
      continue;
    }
    if (applied === undefined) throw damaged(name, "has no applied mark");
    return factsOf(applied, sizeBytes, Buffer.from(next.value, "hex"));
  }
}

/** Replaces everything in `store` (SC2). Throws data_damaged, disk_full, io_error. */
export async function restoreRows(
  name: string,
  chunks: AsyncIterable<readonly SnapshotRow[]>,
  store: OrderedStore,
): Promise<void> {
  await clear(store);
  let mark: StoreOperation | undefined;
  for await (const rows of chunks) {
    const puts = rows.map(([key, value]) => ({ type: "put" as const, key, value }));
    mark = puts.find(({ key }) => key === APPLIED_KEY) ?? mark;
    const others = puts.filter(({ key }) => key !== APPLIED_KEY);
    await store.batch(others, { sync: true });
  }
  if (mark === undefined) throw damaged(name, "has no applied mark");
  await store.batch([mark], { sync: true });
}

async function clear(store: OrderedStore): Promise<void> {
  await store.batch([{ type: "del", key: APPLIED_KEY }], { sync: true });
  for await (const rows of chunksOf(store)) {
    const deletions = rows.map(([key]) => ({ type: "del" as const, key }));
    await store.batch(deletions, { sync: true });
  }
}

export const factsOf = (
  { index, term, membership, membershipIndex }: AppliedMark,
  sizeBytes: number,
  sha256: Buffer,
): SnapshotFacts => ({
  index,
  term,
  membership,
  membershipIndex,
  sizeBytes,
  sha256: sha256.toString("hex"),
});

function markIn(rows: readonly SnapshotRow[]): AppliedMark | undefined {
  const mark = rows.find(([key]) => key === APPLIED_KEY);
  return mark === undefined ? undefined : readApplied(mark[1]);
}

/** SC1. */
async function* chunksOf(store: OrderedStore): AsyncGenerator<readonly SnapshotRow[]> {
  let rows: SnapshotRow[] = [];
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

function encodeChunk(rows: readonly SnapshotRow[]): Uint8Array {
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

async function takeChunk(
  name: string,
  exactly: Take,
  length: number,
): Promise<readonly SnapshotRow[]> {
  if (length > CHUNK_BYTES_MAX) throw damaged(name, "has a chunk of impossible size");
  const crc = (await exactly(4)).readUInt32BE(0);
  const records = await exactly(length);
  if (crc32(records) !== crc) throw damaged(name, "has a chunk that does not match its checksum");
  return decodeChunk(records);
}

function decodeChunk(records: Buffer): readonly SnapshotRow[] {
  const rows: SnapshotRow[] = [];
  for (let offset = 0; offset < records.length;) {
    const keyEnd = offset + RECORD_HEADER_BYTES + records.readUInt16BE(offset);
    const valueEnd = keyEnd + records.readUInt32BE(offset + 2);
    const key = records.toString("utf8", offset + RECORD_HEADER_BYTES, keyEnd);
    rows.push([key, records.subarray(keyEnd, valueEnd)]);
    offset = valueEnd;
  }
  return rows;
}

function takeExactly(name: string, take: Take, hash?: Hash): Take {
  return async (length) => {
    const bytes = await take(length);
    if (bytes.length < length) throw damaged(name, "ends too early");
    hash?.update(bytes);
    return bytes;
  };
}

export const damaged = (name: string, what: string): GantryError =>
  new GantryError("data_damaged", `${name} ${what}`);
