// Consensus messages as bytes: [type u8][term u64][fields], one after the other to the frame's end.
//
// MC1. `from` and `to` are not in the bytes: the link knows both ends, so no hub can speak for another.
// MC2. Entries of one append follow `prevIndex` without a hole; their index is not in the bytes.
// MC3. Every field is checked as it is read; a flag or type that is not known is `bad_frame`.

import { assert } from "@gantry/shared/base/assert.ts";
import { z } from "zod";
import type { Entry, HubId, Membership, Message, MessageBody } from "../consensus/types.ts";
import {
  badFrame,
  type FrameReader,
  parseJson,
  PEER_FRAME_BYTES_MAX,
  PEER_HEADER_BYTES,
  type PeerFrameHead,
  readFrom,
  sealFrame,
  startFrame,
  writeU64,
} from "./codec.ts";

const TYPES = {
  vote: 1,
  voted: 2,
  append: 3,
  appended: 4,
  heartbeat: 5,
  heartbeatAnswer: 6,
  snapshot: 7,
  campaignNow: 8,
  readIndex: 9,
  readIndexAnswer: 10,
} as const satisfies Readonly<Record<Message["type"], number>>;

const HEAD_BYTES = 1 + 8;
const ENTRY_HEAD_BYTES = 8 + 1 + 4;
const COMMANDS = 0;
const MEMBERSHIP = 1;
const BATCH_BYTES_MAX = PEER_FRAME_BYTES_MAX - PEER_HEADER_BYTES;

/** As few frames as it takes, in order. A message larger than a frame goes to `onTooLarge`. */
export function encodeMessages(
  head: PeerFrameHead,
  messages: readonly Message[],
  onTooLarge: (message: Message) => void,
): Buffer[] {
  const frames: Buffer[] = [];
  let batch: Message[] = [];
  let batchBytes = 0;
  for (const message of messages) {
    const sizeBytes = sizeOf(message);
    if (sizeBytes > BATCH_BYTES_MAX) {
      onTooLarge(message);
      continue;
    }
    if (batchBytes + sizeBytes > BATCH_BYTES_MAX) {
      frames.push(encodeBatch(head, batch, batchBytes));
      batch = [];
      batchBytes = 0;
    }
    batch.push(message);
    batchBytes += sizeBytes;
  }
  if (batch.length > 0) frames.push(encodeBatch(head, batch, batchBytes));
  return frames;
}

function encodeBatch(head: PeerFrameHead, batch: readonly Message[], sizeBytes: number): Buffer {
  const frame = startFrame(head, "consensus", sizeBytes);
  let at = PEER_HEADER_BYTES;
  for (const message of batch) at = write(frame, message, at);
  assert(at === frame.length, "messages are as long as they were measured");
  sealFrame(frame);
  return frame;
}

/** Of one payload. `from`, `to`: the ends of the link (MC1). Throws bad_frame. */
export function decodeMessages(payload: Buffer, from: HubId, to: HubId): Message[] {
  const reader = readFrom(payload);
  const messages: Message[] = [];
  while (!reader.isAtEnd()) {
    const type = reader.u8();
    const term = reader.u64();
    messages.push({ from, to, term, ...read(reader, type) });
  }
  if (messages.length === 0) throw badFrame("it holds no message");
  return messages;
}

// ── writing ─────────────────────────────────────────────────────────────────────────────────────

function sizeOf(message: Message): number {
  switch (message.type) {
    case "vote":
      return HEAD_BYTES + 1 + 32;
    case "voted":
      return HEAD_BYTES + 1 + 16;
    case "append": {
      let sizeBytes = HEAD_BYTES + 24 + 4;
      for (const { data } of message.entries) sizeBytes += ENTRY_HEAD_BYTES + data.length;
      return sizeBytes;
    }
    case "appended":
      return HEAD_BYTES + 1 + 24;
    case "heartbeat":
      return HEAD_BYTES + 16;
    case "heartbeatAnswer":
      return HEAD_BYTES + 8;
    case "snapshot":
      return HEAD_BYTES + 16 + 4 + Buffer.byteLength(JSON.stringify(message.membership));
    case "campaignNow":
      return HEAD_BYTES;
    case "readIndex":
      return HEAD_BYTES + 8;
    case "readIndexAnswer":
      return HEAD_BYTES + 16;
  }
}

function write(frame: Buffer, message: Message, start: number): number {
  const at = writeU64(frame, message.term, frame.writeUInt8(TYPES[message.type], start));
  switch (message.type) {
    case "vote": {
      const next = writeFlags(frame, message.isPre, message.isForced, at);
      const last = writeU64(frame, message.lastTerm, writeU64(frame, message.lastIndex, next));
      return writeU64(frame, message.commitTerm, writeU64(frame, message.commit, last));
    }
    case "voted": {
      const next = writeFlags(frame, message.isPre, message.isGranted, at);
      return writeU64(frame, message.commitTerm, writeU64(frame, message.commit, next));
    }
    case "append":
      return writeAppend(frame, message, at);
    case "appended": {
      let next = writeFlags(frame, message.isRefused, false, at);
      next = writeU64(frame, message.index, next);
      return writeU64(frame, message.hintTerm, writeU64(frame, message.hintIndex, next));
    }
    case "heartbeat":
      return writeU64(frame, message.read, writeU64(frame, message.commit, at));
    case "heartbeatAnswer":
      return writeU64(frame, message.read, at);
    case "snapshot": {
      const next = writeU64(frame, message.indexTerm, writeU64(frame, message.index, at));
      const text = Buffer.from(JSON.stringify(message.membership));
      const textAt = frame.writeUInt32BE(text.length, next);
      frame.set(text, textAt);
      return textAt + text.length;
    }
    case "campaignNow":
      return at;
    case "readIndex":
      return writeU64(frame, message.id, at);
    case "readIndexAnswer":
      return writeU64(frame, message.index, writeU64(frame, message.id, at));
  }
}

function writeAppend(
  frame: Buffer,
  message: Extract<MessageBody, { type: "append" }>,
  start: number,
): number {
  let at = writeU64(frame, message.prevIndex, start);
  at = writeU64(frame, message.prevTerm, at);
  at = writeU64(frame, message.commit, at);
  at = frame.writeUInt32BE(message.entries.length, at);
  let index = message.prevIndex;
  for (const entry of message.entries) {
    index += 1;
    assert(entry.index === index, "entries of one append have no hole"); // MC2
    at = writeU64(frame, entry.term, at);
    at = frame.writeUInt8(entry.kind === "commands" ? COMMANDS : MEMBERSHIP, at);
    at = frame.writeUInt32BE(entry.data.length, at);
    frame.set(entry.data, at);
    at += entry.data.length;
  }
  return at;
}

const writeFlags = (frame: Buffer, first: boolean, second: boolean, at: number): number =>
  frame.writeUInt8((first ? 1 : 0) | (second ? 2 : 0), at);

// ── reading ─────────────────────────────────────────────────────────────────────────────────────

function read(reader: FrameReader, type: number): MessageBody {
  switch (type) {
    case TYPES.vote: {
      const [isPre, isForced] = readFlags(reader, 3);
      const last = { lastIndex: reader.u64(), lastTerm: reader.u64() };
      const known = { commit: reader.u64(), commitTerm: reader.u64() };
      return { type: "vote", isPre, isForced, ...last, ...known };
    }
    case TYPES.voted: {
      const [isPre, isGranted] = readFlags(reader, 3);
      const known = { commit: reader.u64(), commitTerm: reader.u64() };
      return { type: "voted", isPre, isGranted, ...known };
    }
    case TYPES.append:
      return readAppend(reader);
    case TYPES.appended: {
      const [isRefused] = readFlags(reader, 1);
      const index = reader.u64();
      const hintIndex = reader.u64();
      return { type: "appended", index, isRefused, hintIndex, hintTerm: reader.u64() };
    }
    case TYPES.heartbeat:
      return { type: "heartbeat", commit: reader.u64(), read: reader.u64() };
    case TYPES.heartbeatAnswer:
      return { type: "heartbeatAnswer", read: reader.u64() };
    case TYPES.snapshot: {
      const index = reader.u64();
      const indexTerm = reader.u64();
      const membership = readMembership(reader.bytes(reader.u32()));
      return { type: "snapshot", index, indexTerm, membership };
    }
    case TYPES.campaignNow:
      return { type: "campaignNow" };
    case TYPES.readIndex:
      return { type: "readIndex", id: reader.u64() };
    case TYPES.readIndexAnswer:
      return { type: "readIndexAnswer", id: reader.u64(), index: reader.u64() };
    default:
      throw badFrame(`a message of type ${type}`);
  }
}

function readAppend(reader: FrameReader): MessageBody {
  const prevIndex = reader.u64();
  const prevTerm = reader.u64();
  const commit = reader.u64();
  const count = reader.u32();
  if (prevIndex + count > Number.MAX_SAFE_INTEGER) throw badFrame("an index is too large");
  const entries: Entry[] = []; // grows as bytes are found: `count` alone reserves nothing
  for (let index = prevIndex + 1; index <= prevIndex + count; index += 1) {
    const term = reader.u64();
    const kind = reader.u8();
    if (kind !== COMMANDS && kind !== MEMBERSHIP) throw badFrame(`an entry of kind ${kind}`);
    const data = reader.bytes(reader.u32()); // PC3
    entries.push({ index, term, kind: kind === COMMANDS ? "commands" : "membership", data });
  }
  return { type: "append", prevIndex, prevTerm, commit, entries };
}

/** `known`: the bits that may be set. */
function readFlags(reader: FrameReader, known: number): [first: boolean, second: boolean] {
  const flags = reader.u8();
  if ((flags & ~known) !== 0) throw badFrame(`flags ${flags}`);
  return [(flags & 1) !== 0, (flags & 2) !== 0];
}

const hubs = z.array(z.string());
const membershipSchema = z.strictObject({
  voters: hubs,
  outgoing: hubs,
  learners: hubs,
  learnersNext: hubs,
  autoLeave: z.boolean(),
});

function readMembership(bytes: Buffer): Membership {
  const parsed = membershipSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw badFrame("a membership is not one");
  return parsed.data;
}
