// What stands in a segment of the log: a head, then records one behind the other, then zeros or what an
// earlier use of the file left. Pure. All numbers are little-endian.
//
//   head    magic u32 · version u32 · number u64 · first sequence number u64 · salt 8 bytes · crc32 u32
//   record  crc32 u32 · bytes of the body u32 · sequence number u64 · body
//   body    operations: kind u8 (1 put, 2 del) · bytes of the key u16 · key · for a put: bytes of the
//           value u32 · value
//
// SF1. A record counts only with the checksum of its own bytes, begun with the salt of its segment, and
//      with the sequence number that follows the one before. So neither a torn write, nor what an
//      earlier use of the file left, nor bytes inside of somebody's value are taken for a record: the
//      salt is drawn anew for each use and told to nobody.
// SF2. A head counts only with the number that its file's name says.

import { crc32 } from "node:zlib";
import type { StoreOperation } from "../ports.ts";

export const HEAD_BYTES = 36;
export const RECORD_HEAD_BYTES = 16;
const MAGIC = 0x47_45_53_47; // "GSEG"
const VERSION = 1;
const KIND = { put: 1, del: 2 } as const;
const KEY_BYTES_MAX = 0xff_ff;

export interface SegmentHead {
  readonly number: number;
  /** Of the first record in it. */
  readonly firstSequence: number;
  /** 8 random bytes. */
  readonly salt: Uint8Array;
}

export function encodeHead({ number, firstSequence, salt }: SegmentHead): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  bytes.writeBigUInt64LE(BigInt(number), 8);
  bytes.writeBigUInt64LE(BigInt(firstSequence), 16);
  bytes.set(salt, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 32)), 32);
  return bytes;
}

/** Undefined for anything that is not the head of this number (SF2). */
export function decodeHead(bytes: Buffer, number: number): SegmentHead | undefined {
  const head = anyHead(bytes);
  return head?.number === number ? head : undefined;
}

/** A file without a head of its own: all zeros so far, or with the head of an earlier use. */
export function isUnused(bytes: Buffer): boolean {
  return anyHead(bytes) !== undefined || bytes.subarray(0, HEAD_BYTES).every((byte) => byte === 0);
}

function anyHead(bytes: Buffer): SegmentHead | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  if (bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== VERSION) return undefined;
  if (bytes.readUInt32LE(32) !== crc32(bytes.subarray(0, 32))) return undefined;
  return {
    number: Number(bytes.readBigUInt64LE(8)),
    firstSequence: Number(bytes.readBigUInt64LE(16)),
    salt: Buffer.from(bytes.subarray(24, 32)),
  };
}

/** Where the value of a put lies in an encoded record. */
export interface Placed {
  readonly key: string;
  /** From the begin of the record; undefined for a deletion. */
  readonly value: { readonly at: number; readonly size: number } | undefined;
}

export interface EncodedRecord {
  readonly bytes: Buffer;
  readonly placed: readonly Placed[];
}

export function sizeOfRecord(operations: readonly StoreOperation[]): number {
  let size = RECORD_HEAD_BYTES;
  for (const operation of operations) {
    size += 3 + operation.key.length; // ASCII
    if (operation.type === "put") size += 4 + operation.value.length;
  }
  return size;
}

/** Throws RangeError for a key longer than 65,535 bytes. */
export function encodeRecord(
  operations: readonly StoreOperation[],
  sequence: number,
  salt: Uint8Array,
): EncodedRecord {
  const bytes = Buffer.allocUnsafe(sizeOfRecord(operations));
  const placed: Placed[] = [];
  let at = RECORD_HEAD_BYTES;
  for (const operation of operations) {
    const { key } = operation;
    if (key.length > KEY_BYTES_MAX) throw new RangeError(`A key of ${key.length} bytes`);
    bytes[at] = KIND[operation.type];
    bytes.writeUInt16LE(key.length, at + 1);
    bytes.write(key, at + 3, "latin1");
    at += 3 + key.length;
    if (operation.type === "del") {
      placed.push({ key, value: undefined });
      continue;
    }
    const { value } = operation;
    bytes.writeUInt32LE(value.length, at);
    bytes.set(value, at + 4);
    placed.push({ key, value: { at: at + 4, size: value.length } });
    at += 4 + value.length;
  }
  bytes.writeUInt32LE(at - RECORD_HEAD_BYTES, 4);
  bytes.writeBigUInt64LE(BigInt(sequence), 8);
  bytes.writeUInt32LE(checksum(bytes.subarray(4), salt), 0);
  return { bytes, placed };
}

const checksum = (bytes: Uint8Array, salt: Uint8Array): number => crc32(bytes, crc32(salt));

export interface FoundRecord {
  readonly sequence: number;
  /** Bytes of the whole record. */
  readonly size: number;
  readonly placed: readonly Placed[];
}

/** What stands at `at`: a record, the bytes that a damaged one seems to take, or nothing. */
export type Look =
  | { readonly kind: "record"; readonly record: FoundRecord }
  | { readonly kind: "damaged"; readonly size: number }
  | { readonly kind: "none" };

/** SF1; `sequence` is judged by the caller. Never throws. */
export function lookForRecord(bytes: Buffer, at: number, salt: Uint8Array): Look {
  if (at + RECORD_HEAD_BYTES > bytes.length) return { kind: "none" };
  const bodyBytes = bytes.readUInt32LE(at + 4);
  const sum = bytes.readUInt32LE(at);
  const size = RECORD_HEAD_BYTES + bodyBytes;
  if ((sum === 0 && bodyBytes === 0) || at + size > bytes.length) return { kind: "none" };
  const record = bytes.subarray(at, at + size);
  if (checksum(record.subarray(4), salt) !== sum) return { kind: "damaged", size };
  const placed = readBody(record);
  if (placed === undefined) return { kind: "damaged", size };
  return {
    kind: "record",
    record: { sequence: Number(record.readBigUInt64LE(8)), size, placed },
  };
}

/** What stands in a record, its head unread. Undefined for bytes that no writer wrote. */
export function readBody(record: Buffer): Placed[] | undefined {
  const placed: Placed[] = [];
  let at = RECORD_HEAD_BYTES;
  while (at < record.length) {
    if (at + 3 > record.length) return undefined;
    const kind = record[at];
    const keyBytes = record.readUInt16LE(at + 1);
    const key = record.toString("latin1", at + 3, at + 3 + keyBytes);
    at += 3 + keyBytes;
    if (at > record.length) return undefined;
    if (kind === KIND.del) {
      placed.push({ key, value: undefined });
      continue;
    }
    if (kind !== KIND.put || at + 4 > record.length) return undefined;
    const size = record.readUInt32LE(at);
    if (at + 4 + size > record.length) return undefined;
    placed.push({ key, value: { at: at + 4, size } });
    at += 4 + size;
  }
  return placed;
}
