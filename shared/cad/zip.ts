// Reads ZIP archives that strangers made. Pure: inflating comes in as a function.
//
// ZP1. A name that could leave a folder is refused: absolute, a drive, a backslash, "..", control
//      characters, or the same name twice.
// ZP2. No more is inflated than an entry says, no entry says more than `bytesMax`, all together not
//      more than that either, and none more than RATIO_MAX times its packed size (zip bombs). Entries
//      that overlap each other in the file are refused: that is how one kilobyte becomes petabytes.
// ZP3. What is not plain is refused by name: encryption, ZIP64, several disks, other methods.

import { badMesh } from "./mesh.ts";

/** Gives the inflated bytes, or throws; never gives more than `bytesMax`. */
export type Inflate = (packed: Uint8Array, bytesMax: number) => Uint8Array;

export interface ZipEntry {
  readonly name: string;
  readonly sizeBytes: number;
  /** Throws mesh_invalid for damaged bytes. */
  read(): Uint8Array;
}

const ENTRIES_MAX = 256;
const RATIO_MAX = 200;
const NAME_CHARS_MAX = 240;
const END_BYTES = 22;
const END_SEARCH_BYTES = END_BYTES + 65_535; // a comment may follow
const FREE_BYTES = 65_536; // small entries may shrink as far as they like

/** Throws mesh_invalid with `details.at`. */
export function readZip(
  bytes: Uint8Array,
  bytesMax: number,
  inflate: Inflate,
): readonly ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  const directoryAt = view.getUint32(end + 16, true);
  if (view.getUint16(end + 4, true) !== 0 || view.getUint16(end + 8, true) !== count) {
    throw bad("it is one of several disks", `byte ${end}`);
  }
  if (count === 0xff_ff || directoryAt === 0xff_ff_ff_ff) throw bad("it is ZIP64", `byte ${end}`);
  if (count > ENTRIES_MAX)
    throw bad(`it has ${count} entries, ${ENTRIES_MAX} are the most`, "the directory");

  const headers: Header[] = [];
  let at = directoryAt;
  for (let number = 0; number < count; number += 1) {
    const header = readHeader(bytes, view, at, end);
    headers.push(header);
    at = header.nextAt;
  }
  assertSound(headers, bytesMax, directoryAt);
  return headers.map((header) => ({
    name: header.name,
    sizeBytes: header.sizeBytes,
    read: () => readEntry(bytes, header, inflate),
  }));
}

interface Header {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly dataAt: number;
  readonly nextAt: number;
}

function findEnd(view: DataView): number {
  const first = Math.max(0, view.byteLength - END_SEARCH_BYTES);
  for (let at = view.byteLength - END_BYTES; at >= first; at -= 1) {
    if (view.getUint32(at, true) === 0x06_05_4b_50) return at;
  }
  throw bad("its directory is not there: was it cut off?", "the end");
}

function readHeader(bytes: Uint8Array, view: DataView, at: number, end: number): Header {
  const place = `byte ${at}`;
  if (at + 46 > end || view.getUint32(at, true) !== 0x02_01_4b_50) {
    throw bad("its directory is damaged", place);
  }
  const flags = view.getUint16(at + 8, true);
  const nameBytes = view.getUint16(at + 28, true);
  const nextAt =
    at + 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  if (nextAt > end) throw bad("its directory is damaged", place);
  const name = new TextDecoder("utf-8").decode(bytes.subarray(at + 46, at + 46 + nameBytes));
  assertName(name, place);
  if ((flags & 0x41) !== 0) throw bad(`${name} is encrypted`, place);
  const method = view.getUint16(at + 10, true);
  if (method !== 0 && method !== 8)
    throw bad(`${name} is packed in an unknown way (${method})`, place);
  const crc = view.getUint32(at + 16, true);
  const packedBytes = view.getUint32(at + 20, true);
  const sizeBytes = view.getUint32(at + 24, true);
  const localAt = view.getUint32(at + 42, true);
  if (localAt + 30 > bytes.length || view.getUint32(localAt, true) !== 0x04_03_4b_50) {
    throw bad(`${name} is not where the directory says`, place);
  }
  const dataAt =
    localAt + 30 + view.getUint16(localAt + 26, true) + view.getUint16(localAt + 28, true);
  if (dataAt + packedBytes > bytes.length) throw bad(`${name} is cut off`, place);
  return { name, method, crc, packedBytes, sizeBytes, dataAt, nextAt };
}

/** ZP1. */
function assertName(name: string, place: string): void {
  const shown = JSON.stringify(name.slice(0, 60));
  const isBad =
    name === "" ||
    name.length > NAME_CHARS_MAX ||
    name.startsWith("/") ||
    name.includes("\\") ||
    name.includes("\uFFFD") ||
    /^[a-z]:/iu.test(name) ||
    /\p{Cc}/u.test(name) ||
    name.split("/").includes("..");
  if (isBad) throw bad(`${shown} is no name for an entry`, place);
}

/** ZP1 and ZP2. */
function assertSound(headers: readonly Header[], bytesMax: number, directoryAt: number): void {
  const names = new Set<string>();
  let totalBytes = 0;
  for (const { name, packedBytes, sizeBytes, method } of headers) {
    if (names.has(name.toLowerCase())) throw bad(`it has ${name} twice`, name);
    names.add(name.toLowerCase());
    totalBytes += sizeBytes;
    if (totalBytes > bytesMax) throw bad(`it would be over ${bytesMax} bytes when unpacked`, name);
    const isTooGood = sizeBytes > FREE_BYTES && sizeBytes > packedBytes * RATIO_MAX;
    if (isTooGood) throw bad(`${name} grows more than ${RATIO_MAX} times: a zip bomb`, name);
    if (method === 0 && packedBytes !== sizeBytes) throw bad(`${name} has two sizes`, name);
  }
  const places = headers.toSorted((a, b) => a.dataAt - b.dataAt);
  for (const [index, { name, dataAt, packedBytes }] of places.entries()) {
    const nextAt = places[index + 1]?.dataAt ?? directoryAt;
    if (dataAt + packedBytes > nextAt) throw bad(`${name} overlaps what comes after it`, name);
  }
}

function readEntry(bytes: Uint8Array, header: Header, inflate: Inflate): Uint8Array {
  const { name, method, sizeBytes, dataAt, packedBytes, crc } = header;
  const packed = bytes.subarray(dataAt, dataAt + packedBytes);
  let data = packed;
  if (method === 8) {
    try {
      data = inflate(packed, sizeBytes); // ZP2
    } catch {
      throw bad(`${name} cannot be unpacked`, name);
    }
  }
  if (data.length !== sizeBytes) throw bad(`${name} has another size than it says`, name);
  if (crc32(data) !== crc) throw bad(`${name} is damaged`, name);
  return data;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1)
    value = value & 1 ? (value >>> 1) ^ 0xed_b8_83_20 : value >>> 1;
  return value;
});

/** As ZIP and PNG have it (ISO 3309). */
export function crc32(bytes: Uint8Array): number {
  let value = 0xff_ff_ff_ff;
  for (const byte of bytes) value = (value >>> 8) ^ (CRC_TABLE[(value ^ byte) & 0xff] ?? 0);
  return (value ^ 0xff_ff_ff_ff) >>> 0;
}

const bad = (why: string, at: string) =>
  badMesh(`The archive cannot be read: ${why}`, {
    at,
    hint: "Export the model again, as STL or 3MF.",
  });
