// Frames between hubs. One batch is one frame: many small parts cost five times a packed one.
//
//   [version u8][kind u8][cluster id u64][pass 16 bytes][crc32 u32, of kind and payload][payload]
//
// Numbers are big endian. What a kind's payload holds: `message-codec.ts` for consensus, below for
// the rest.
//
// PC1. A frame of another version or cluster, of an unknown kind, with another checksum, cut short or
//      with bytes left over is refused with `bad_frame` before anybody acts on a part of it. Every
//      single flipped bit outside of the pass is found.
// PC2. The codec does not judge the pass: the link does, before it looks at the payload (PL1).
// PC3. Bytes of entries and pieces are views of the frame, which nobody else writes to.

import { crc32 } from "node:zlib";
import { assert } from "@gantry/shared/base/assert.ts";
import { type ErrorRecord, GantryError, isErrorCode } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Fetched } from "../ports.ts";

export const PEER_FRAME_VERSION = 1;
export const PASS_BYTES = 16;
export const PEER_HEADER_BYTES = 30;
/** Of the whole frame. A socket refuses larger ones by itself. */
export const PEER_FRAME_BYTES_MAX = LIMIT.frameBytes.max;

const PASS_AT = 10;
const CRC_AT = 26;

export const PEER_FRAME_KINDS = {
  consensus: 1,
  posts: 2,
  hello: 3,
  fetch: 4,
  piece: 5,
  refusal: 6,
} as const;
export type PeerFrameKind = keyof typeof PEER_FRAME_KINDS;

const KIND_OF = new Map<number, PeerFrameKind>(
  Object.entries(PEER_FRAME_KINDS).map(([name, code]) => [code, name as PeerFrameKind]),
);

/** What all frames of one direction of one link have in common. */
export interface PeerFrameHead {
  /** 0 to 2^64 - 1. */
  readonly clusterId: bigint;
  readonly pass: Uint8Array;
}

/** A frame whose payload is to be written from PEER_HEADER_BYTES on and then `sealFrame`d. */
export function startFrame(
  head: PeerFrameHead,
  kind: PeerFrameKind,
  payloadBytes: number,
): Buffer<ArrayBuffer> {
  const frame = Buffer.allocUnsafe(PEER_HEADER_BYTES + payloadBytes);
  frame[0] = PEER_FRAME_VERSION;
  frame[1] = PEER_FRAME_KINDS[kind];
  frame.writeBigUInt64BE(head.clusterId, 2);
  frame.set(head.pass, PASS_AT);
  return frame;
}

export function sealFrame(frame: Buffer): void {
  frame.writeUInt32BE(crc32(frame.subarray(PEER_HEADER_BYTES), frame[1]), CRC_AT);
}

export interface OpenedFrame {
  readonly kind: PeerFrameKind;
  readonly pass: Buffer;
  readonly payload: Buffer;
}

/** Checks everything but the pass and the payload's form. Throws bad_frame (PC1). */
export function openFrame(frame: Buffer, clusterId: bigint): OpenedFrame {
  if (frame.length < PEER_HEADER_BYTES) throw badFrame(`${frame.length} bytes are too few`);
  if (frame.length > PEER_FRAME_BYTES_MAX) throw badFrame(`${frame.length} bytes are too many`);
  if (frame[0] !== PEER_FRAME_VERSION) {
    throw badFrame(`version ${frame[0]}, this side speaks ${PEER_FRAME_VERSION}`);
  }
  if (frame.readBigUInt64BE(2) !== clusterId) throw badFrame("it is of another cluster");
  const kind = KIND_OF.get(frame[1] ?? 0);
  if (kind === undefined) throw badFrame(`kind ${frame[1]}`);
  const payload = frame.subarray(PEER_HEADER_BYTES);
  if (frame.readUInt32BE(CRC_AT) !== crc32(payload, frame[1])) throw badFrame("its checksum");
  return { kind, pass: frame.subarray(PASS_AT, CRC_AT), payload };
}

// ── hello: where the sender's bulk socket is ────────────────────────────────────────────────────

export interface PeerHello {
  /** TCP port on the host of the sender's address. */
  readonly bulkPort: number;
}

export function encodeHello(head: PeerFrameHead, { bulkPort }: PeerHello): Buffer {
  const frame = startFrame(head, "hello", 2);
  frame.writeUInt16BE(bulkPort, PEER_HEADER_BYTES);
  sealFrame(frame);
  return frame;
}

/** Throws bad_frame. */
export function decodeHello(payload: Buffer): PeerHello {
  const reader = readFrom(payload);
  const bulkPort = reader.u16();
  reader.end();
  return { bulkPort };
}

// ── posts: JSON bodies ──────────────────────────────────────────────────────────────────────────

/** `bodies`: JSON texts. Frames in their order; each body must fit a frame (`fitsPost`). */
export function encodePosts(head: PeerFrameHead, bodies: readonly string[]): Buffer[] {
  const frames: Buffer[] = [];
  let text = "";
  let sizeBytes = 2;
  const flush = (): void => {
    const frame = startFrame(head, "posts", sizeBytes);
    const written = frame.write(`[${text}]`, PEER_HEADER_BYTES, "utf8");
    assert(written === sizeBytes, "a post is as long as it was measured");
    sealFrame(frame);
    frames.push(frame);
  };
  for (const body of bodies) {
    const bodyBytes = Buffer.byteLength(body);
    assert(fitsPost(bodyBytes), "a post fits a frame");
    if (text !== "" && PEER_HEADER_BYTES + sizeBytes + 1 + bodyBytes > PEER_FRAME_BYTES_MAX) {
      flush();
      text = "";
      sizeBytes = 2;
    }
    sizeBytes += text === "" ? bodyBytes : bodyBytes + 1;
    text = text === "" ? body : `${text},${body}`;
  }
  if (text !== "") flush();
  return frames;
}

export const fitsPost = (bodyBytes: number): boolean =>
  bodyBytes <= PEER_FRAME_BYTES_MAX - PEER_HEADER_BYTES - 2;

/** Throws bad_frame. */
export function decodePosts(payload: Buffer): readonly unknown[] {
  const bodies = parseJson(payload);
  if (!Array.isArray(bodies)) throw badFrame("its posts are no array");
  return bodies;
}

// ── bulk: one request, one piece ────────────────────────────────────────────────────────────────

export interface FetchRequest {
  /** u32, of the asking hub; the answer repeats it. */
  readonly id: number;
  readonly what: Fetched;
  readonly offset: number;
  readonly sizeBytes: number;
}

const SNAPSHOT = 1;
const BLOB = 2;
const SHA256_BYTES = 32;

export function encodeFetch(head: PeerFrameHead, request: FetchRequest): Buffer {
  const { what } = request;
  const whatBytes = what.kind === "snapshot" ? 8 : SHA256_BYTES;
  const frame = startFrame(head, "fetch", 4 + 8 + 4 + 1 + whatBytes);
  let at = frame.writeUInt32BE(request.id, PEER_HEADER_BYTES);
  at = writeU64(frame, request.offset, at);
  at = frame.writeUInt32BE(request.sizeBytes, at);
  at = frame.writeUInt8(what.kind === "snapshot" ? SNAPSHOT : BLOB, at);
  if (what.kind === "snapshot") writeU64(frame, what.index, at);
  else assert(frame.write(what.sha256, at, "hex") === SHA256_BYTES, "a blob has a sha256");
  sealFrame(frame);
  return frame;
}

/** Throws bad_frame. */
export function decodeFetch(payload: Buffer): FetchRequest {
  const reader = readFrom(payload);
  const [id, offset, sizeBytes, kind] = [reader.u32(), reader.u64(), reader.u32(), reader.u8()];
  if (kind !== SNAPSHOT && kind !== BLOB) throw badFrame(`it asks for a thing of kind ${kind}`);
  const what: Fetched =
    kind === SNAPSHOT
      ? { kind: "snapshot", index: reader.u64() }
      : { kind: "blob", sha256: reader.bytes(SHA256_BYTES).toString("hex") };
  reader.end();
  return { id, what, offset, sizeBytes };
}

export interface FetchedPiece {
  readonly id: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

export function encodePiece(head: PeerFrameHead, { id, totalBytes, bytes }: FetchedPiece): Buffer {
  const frame = startFrame(head, "piece", 4 + 8 + bytes.length);
  const at = writeU64(frame, totalBytes, frame.writeUInt32BE(id, PEER_HEADER_BYTES));
  frame.set(bytes, at);
  sealFrame(frame);
  return frame;
}

/** Throws bad_frame. `bytes` is a view (PC3). */
export function decodePiece(payload: Buffer): FetchedPiece {
  const reader = readFrom(payload);
  return { id: reader.u32(), totalBytes: reader.u64(), bytes: reader.rest() };
}

export interface FetchRefusal {
  readonly id: number;
  readonly error: ErrorRecord;
}

export function encodeRefusal(head: PeerFrameHead, { id, error }: FetchRefusal): Buffer {
  const text = Buffer.from(JSON.stringify({ code: error.code, message: error.message }));
  const frame = startFrame(head, "refusal", 4 + text.length);
  frame.set(text, frame.writeUInt32BE(id, PEER_HEADER_BYTES));
  sealFrame(frame);
  return frame;
}

/** Throws bad_frame. A code of a later version reads as `internal`. */
export function decodeRefusal(payload: Buffer): FetchRefusal {
  const reader = readFrom(payload);
  const id = reader.u32();
  const error = parseJson(reader.rest());
  if (!isRecord(error)) throw badFrame("its refusal has no message");
  return {
    id,
    error: { code: isErrorCode(error.code) ? error.code : "internal", message: error.message },
  };
}

const isRecord = (value: unknown): value is { code: unknown; message: string } =>
  typeof value === "object" &&
  value !== null &&
  "code" in value &&
  "message" in value &&
  typeof value.message === "string";

// ── numbers and bounds ──────────────────────────────────────────────────────────────────────────

const U32 = 0x1_0000_0000;
const HIGH_MAX = 0x1f_ffff; // 2^53 - 1 is the largest whole number that we keep exactly

/** Gives the place after it. `value`: a safe whole number. */
export function writeU64(frame: Buffer, value: number, at: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "a number on the wire is whole and safe");
  frame.writeUInt32BE(Math.floor(value / U32), at);
  return frame.writeUInt32BE(value % U32, at + 4);
}

/** Reads one field after the other; each throws bad_frame where the bytes end. */
export interface FrameReader {
  u8(): number;
  u16(): number;
  u32(): number;
  u64(): number;
  bytes(sizeBytes: number): Buffer;
  rest(): Buffer;
  isAtEnd(): boolean;
  /** Throws bad_frame if bytes are left over. */
  end(): void;
}

export function readFrom(payload: Buffer): FrameReader {
  let at = 0;
  const take = (sizeBytes: number): number => {
    const start = at;
    if (sizeBytes > payload.length - start) throw badFrame("it is cut short");
    at = start + sizeBytes;
    return start;
  };
  return {
    u8: () => payload.readUInt8(take(1)),
    u16: () => payload.readUInt16BE(take(2)),
    u32: () => payload.readUInt32BE(take(4)),
    u64: () => {
      const start = take(8);
      const high = payload.readUInt32BE(start);
      if (high > HIGH_MAX) throw badFrame("a number is too large");
      return high * U32 + payload.readUInt32BE(start + 4);
    },
    bytes: (sizeBytes) => {
      const start = take(sizeBytes);
      return payload.subarray(start, start + sizeBytes);
    },
    rest: () => payload.subarray(take(payload.length - at)),
    isAtEnd: () => at === payload.length,
    end: () => {
      if (at !== payload.length) throw badFrame(`${payload.length - at} bytes are left over`);
    },
  };
}

export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new GantryError("bad_frame", "A frame between hubs holds no JSON where it must", {
      cause,
    });
  }
}

export const badFrame = (what: string): GantryError =>
  new GantryError("bad_frame", `A frame between hubs cannot be read: ${what}`);
