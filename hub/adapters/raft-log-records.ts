// The bytes of the log's records.
//
//   l/INDEX   [version u8=2][kind u8][term u48][crc32 u32 of data][chain, 16 bytes][data]
//             INDEX: 16 hex digits; chain: sha256(chain before | term u48 | kind u8 | data), 16 bytes of it
//   h m o d   [version u8=2][crc32 u32 of JSON][JSON]
//
// Version 1 is what hubs wrote that stood alone: an entry without kind and chain, `h` as bare JSON.
// Such an entry begins a chain of its own.
//
// RR1. A record is of a later release only if it does not read as one of this release: where only the
//      version byte is strange and the checksum holds, a bit of that byte has turned. A later layout
//      never passes for damage, which is mended by throwing away.

import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Entry } from "../consensus/types.ts";

const VERSION = 2;
const VERSION_ALONE = 1;
const HEADER_BYTES = 28;
const HEADER_ALONE_BYTES = 11;
const CHAIN_BYTES = 16;
const CHAINED_AT = CHAIN_BYTES + 7; // behind the chain before, term and kind
const scratch = Buffer.allocUnsafeSlow(65_536); // nobody sees it between two calls
const RECORD_HEADER_BYTES = 5;
const BARE_JSON = 0x7b; // "{"
const KINDS = ["commands", "membership"] as const satisfies readonly Entry["kind"][];

/** Before the first entry of a log, and after a snapshot took the place of what was before. */
export const NO_CHAIN: Uint8Array = new Uint8Array(CHAIN_BYTES);

export interface ChainedEntry {
  readonly entry: Entry;
  readonly chain: Uint8Array;
  /** False for an entry of version 1, which says nothing about the one before it. */
  readonly isLinked: boolean;
}

export const ENTRY_PREFIX = "l/";
export const AFTER_ENTRIES = "l0";
export const entryKey = (index: number): string =>
  `${ENTRY_PREFIX}${index.toString(16).padStart(16, "0")}`;
export const indexOfKey = (key: string): number =>
  Number.parseInt(key.slice(ENTRY_PREFIX.length), 16);

export function chainAfter(before: Uint8Array, { term, kind, data }: Entry): Uint8Array {
  // One call for a whole copy costs half of a hash object that is fed in three parts, where the copy
  // needs no memory of its own.
  const sizeBytes = CHAINED_AT + data.length;
  const bytes =
    sizeBytes <= scratch.length ? scratch.subarray(0, sizeBytes) : Buffer.allocUnsafe(sizeBytes);
  bytes.set(before, 0);
  bytes.writeUIntBE(term, CHAIN_BYTES, 6);
  bytes.writeUInt8(KINDS.indexOf(kind), CHAIN_BYTES + 6);
  bytes.set(data, CHAINED_AT);
  return hash("sha256", bytes, "buffer").subarray(0, CHAIN_BYTES);
}

/** `chain`: chainAfter of the entry before and this one. */
export function encodeLogEntry({ term, kind, data }: Entry, chain: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(HEADER_BYTES + data.length);
  value.writeUInt8(VERSION, 0);
  value.writeUInt8(KINDS.indexOf(kind), 1);
  value.writeUIntBE(term, 2, 6);
  value.writeUInt32BE(crc32(data), 8);
  value.set(chain, 12);
  value.set(data, HEADER_BYTES);
  return value;
}

/** The entry inside bytes made by encodeLogEntry: its data is a part of them. */
export const entryIn = (value: Buffer, { index, term, kind }: Entry): Entry => ({
  index,
  term,
  kind,
  data: value.subarray(HEADER_BYTES),
});

/** Throws data_damaged, or data_dir_version for an entry of a later release. */
export function decodeLogEntry(index: number, value: Uint8Array): ChainedEntry {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const version = bytes[0];
  if (version !== undefined && version > VERSION) {
    if (
      bytes.length >= HEADER_BYTES &&
      crc32(bytes.subarray(HEADER_BYTES)) === bytes.readUInt32BE(8)
    )
      throw damagedEntry(index, "has a damaged version"); // RR1
    throw new GantryError("data_dir_version", `Log entry ${index} has version ${version}`);
  }
  const isLinked = version === VERSION;
  const headerBytes = isLinked ? HEADER_BYTES : HEADER_ALONE_BYTES;
  const kind = isLinked ? KINDS[bytes[1] ?? KINDS.length] : "commands";
  if (version === 0 || bytes.length < headerBytes || kind === undefined) {
    throw damagedEntry(index, "has no readable header");
  }
  const data = bytes.subarray(headerBytes);
  if (crc32(data) !== bytes.readUInt32BE(headerBytes - (isLinked ? CHAIN_BYTES + 4 : 4))) {
    throw damagedEntry(index, "does not match its checksum");
  }
  const entry: Entry = {
    index,
    term: bytes.readUIntBE(isLinked ? 2 : VERSION_ALONE, 6),
    kind,
    data,
  };
  const chain = isLinked ? bytes.subarray(12, HEADER_BYTES) : chainAfter(NO_CHAIN, entry);
  return { entry, chain, isLinked };
}

export const damagedEntry = (index: number, what: string): GantryError =>
  new GantryError("data_damaged", `Log entry ${index} ${what}`);

export function encodeRecord(record: unknown): Uint8Array {
  const json = Buffer.from(JSON.stringify(record));
  const value = Buffer.allocUnsafe(RECORD_HEADER_BYTES + json.length);
  value.writeUInt8(VERSION, 0);
  value.writeUInt32BE(crc32(json), 1);
  value.set(json, RECORD_HEADER_BYTES);
  return value;
}

/** Undefined for undefined. Throws data_damaged, or data_dir_version for one of a later release. */
export function decodeRecord(key: string, value: Uint8Array | undefined): unknown {
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const isBare = bytes[0] === BARE_JSON;
  const isLater = !isBare && (bytes[0] ?? 0) > VERSION;
  const json = isBare ? bytes : bytes.subarray(RECORD_HEADER_BYTES);
  const isWhole =
    isBare || (bytes.length > RECORD_HEADER_BYTES && crc32(json) === bytes.readUInt32BE(1));
  if (isLater && !isWhole) {
    throw new GantryError("data_dir_version", `Log record ${key} has version ${bytes[0]}`);
  }
  try {
    if (isWhole && !isLater) return JSON.parse(json.toString()) as unknown;
  } catch {
    // said below, as RR1 is
  }
  throw new GantryError("data_damaged", `Log record ${key} is not readable`);
}
