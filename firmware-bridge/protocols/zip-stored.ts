// A ZIP archive of files that are stored, not packed (APPNOTE 6.3.4): sizes and sums are known before
// the first byte, so a large file goes through without being held.
//
// ZS1. Fewer than 4 GiB and 65,536 files: no ZIP64.

import assert from "node:assert/strict";

export interface StoredEntry {
  readonly name: string;
  readonly sizeBytes: number;
  readonly crc32: number;
}

export interface StoredZip {
  /** Before the bytes of each entry, in their order. */
  readonly heads: readonly Uint8Array[];
  /** After the bytes of the last one. */
  readonly tail: Uint8Array;
  readonly sizeBytes: number;
}

const VERSION = 20;
const UTF8_NAMES = 0x0800;
/** 1 January 1980, the first day that the format knows: a part has no time of its own. */
const DATE = 0x0021;
const LIMIT_BYTES = 0xffff_ffff;

export function storedZip(entries: readonly StoredEntry[]): StoredZip {
  assert(entries.length < 0xffff);
  const heads: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const entry of entries) {
    const head = localHeader(entry);
    heads.push(head);
    directory.push(directoryHeader(entry, offset));
    offset += head.length + entry.sizeBytes;
  }
  const directoryBytes = directory.reduce((sum, { length }) => sum + length, 0);
  assert(offset + directoryBytes < LIMIT_BYTES); // ZS1
  const end = fields([
    [4, 0x0605_4b50],
    [2, 0],
    [2, 0],
    [2, entries.length],
    [2, entries.length],
    [4, directoryBytes],
    [4, offset],
    [2, 0],
  ]);
  const tail = join([...directory, end]);
  return { heads, tail, sizeBytes: offset + tail.length };
}

const common = ({ name, sizeBytes, crc32 }: StoredEntry): readonly Field[] => [
  [2, VERSION],
  [2, UTF8_NAMES],
  [2, 0], // stored
  [2, 0],
  [2, DATE],
  [4, crc32],
  [4, sizeBytes],
  [4, sizeBytes],
  [2, bytesOf(name).length],
  [2, 0],
];

const localHeader = (entry: StoredEntry): Uint8Array =>
  join([fields([[4, 0x0403_4b50], ...common(entry)]), bytesOf(entry.name)]);

const directoryHeader = (entry: StoredEntry, offset: number): Uint8Array =>
  join([
    fields([
      [4, 0x0201_4b50],
      [2, VERSION],
      ...common(entry),
      [2, 0],
      [2, 0],
      [2, 0],
      [4, 0],
      [4, offset],
    ]),
    bytesOf(entry.name),
  ]);

type Field = readonly [sizeBytes: 2 | 4, value: number];

function fields(list: readonly Field[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of list) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const encoder = new TextEncoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);
