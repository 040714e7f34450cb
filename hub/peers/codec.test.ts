import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32 } from "node:zlib";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Entry, Message } from "../consensus/types.ts";
import {
  decodeFetch,
  decodeHello,
  decodePiece,
  decodePosts,
  decodeRefusal,
  encodeFetch,
  encodeHello,
  encodePiece,
  encodePosts,
  encodeRefusal,
  openFrame,
  PASS_BYTES,
  PEER_FRAME_BYTES_MAX,
  PEER_FRAME_KINDS,
  PEER_HEADER_BYTES,
  type PeerFrameHead,
} from "./codec.ts";
import { decodeMessages, encodeMessages } from "./message-codec.ts";

const CLUSTER = 0xfedc_ba98_7654_3210n;
const head: PeerFrameHead = { clusterId: CLUSTER, pass: new Uint8Array(PASS_BYTES).fill(7) };
const ends = { from: "hub-1", to: "hub-2" };

const whole = fc.maxSafeNat();
const data = fc.uint8Array({ maxLength: 300 });
const ids = fc.array(fc.string(), { maxLength: 5 });
const membership = fc.record({
  voters: ids,
  outgoing: ids,
  learners: ids,
  learnersNext: ids,
  autoLeave: fc.boolean(),
});
const append = fc
  .record({
    prevIndex: fc.nat(),
    prevTerm: whole,
    commit: whole,
    entries: fc.array(
      fc.record({
        term: whole,
        kind: fc.constantFrom<Entry["kind"]>("commands", "membership"),
        data,
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ entries, ...rest }) => ({
    type: "append" as const,
    ...rest,
    entries: entries.map((entry, at) => ({ index: rest.prevIndex + 1 + at, ...entry })),
  }));
const is = fc.boolean();
const body = fc.oneof(
  fc.record({
    type: fc.constant("vote" as const),
    isPre: is,
    isForced: is,
    lastIndex: whole,
    lastTerm: whole,
    commit: whole,
    commitTerm: whole,
  }),
  fc.record({
    type: fc.constant("voted" as const),
    isPre: is,
    isGranted: is,
    commit: whole,
    commitTerm: whole,
  }),
  append,
  fc.record({
    type: fc.constant("appended" as const),
    index: whole,
    isRefused: is,
    hintIndex: whole,
    hintTerm: whole,
  }),
  fc.record({ type: fc.constant("heartbeat" as const), commit: whole, read: whole }),
  fc.record({ type: fc.constant("heartbeatAnswer" as const), read: whole }),
  fc.record({ type: fc.constant("snapshot" as const), index: whole, indexTerm: whole, membership }),
  fc.record({ type: fc.constant("campaignNow" as const) }),
  fc.record({ type: fc.constant("readIndex" as const), id: whole }),
  fc.record({ type: fc.constant("readIndexAnswer" as const), id: whole, index: whole }),
);
const message: fc.Arbitrary<Message> = fc
  .tuple(whole, body)
  .map(([term, rest]): Message => ({ ...ends, term, ...rest }));
const batch = fc.array(message, { minLength: 1, maxLength: 8 });

const never = (): void => {
  throw new Error("no message here is too large");
};
const decode = (frame: Buffer): Message[] =>
  decodeMessages(openFrame(frame, CLUSTER).payload, ends.from, ends.to);
/** Entry data as plain bytes, so that a view and its source compare alike. */
const plain = (messages: readonly Message[]): unknown =>
  messages.map((item) =>
    item.type === "append"
      ? { ...item, entries: item.entries.map((entry) => ({ ...entry, data: [...entry.data] })) }
      : item,
  );

/** Runs it; anything thrown must be bad_frame. */
function refusedOr<T>(run: () => T): T | "bad_frame" {
  try {
    return run();
  } catch (error) {
    if (error instanceof GantryError && error.code === "bad_frame") return "bad_frame";
    throw error;
  }
}

function encodeOne(messages: readonly Message[]): Buffer {
  const [frame, ...rest] = encodeMessages(head, messages, never);
  if (frame === undefined || rest.length > 0) throw new Error("not one frame");
  return frame;
}

test("a batch of messages comes back as it went", () => {
  fc.assert(
    fc.property(batch, (messages) => {
      expect(plain(decode(encodeOne(messages)))).toEqual(plain(messages));
    }),
  );
});

test("PC1: every flipped bit outside of the pass, every cut and every byte too many is bad_frame", () => {
  fc.assert(
    fc.property(batch, fc.nat(), fc.nat(), (messages, bit, cut) => {
      const frame = encodeOne(messages);
      const at = (bit >> 3) % frame.length;
      const flipped = Buffer.from(frame);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
      const isPass = at >= 10 && at < 10 + PASS_BYTES;
      expect(isPass || refusedOr(() => decode(flipped)) === "bad_frame").toBe(true);
      expect(refusedOr(() => decode(frame.subarray(0, cut % frame.length)))).toBe("bad_frame");
      expect(refusedOr(() => decode(Buffer.concat([frame, Buffer.from([bit & 255])])))).toBe(
        "bad_frame",
      );
    }),
  );
});

/** A sound head over any payload: what a checksum cannot find. */
function sealed(kind: number, payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(PEER_HEADER_BYTES + payload.length);
  frame[0] = 1;
  frame[1] = kind;
  frame.writeBigUInt64BE(CLUSTER, 2);
  frame.set(payload, PEER_HEADER_BYTES);
  frame.writeUInt32BE(crc32(payload, kind), 26);
  return frame;
}

const DECODERS = {
  consensus: (payload: Buffer) => decodeMessages(payload, "a", "b"),
  posts: decodePosts,
  hello: decodeHello,
  fetch: decodeFetch,
  piece: decodePiece,
  refusal: decodeRefusal,
};

test("PC1: random bytes, bare and under a sound head, never throw anything but bad_frame", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    // Starts like a message, then goes astray.
    fc
      .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 80 }))
      .map(([type, rest]) => Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, ...rest)),
    fc.json().map((text) => new TextEncoder().encode(text)),
  );
  fc.assert(
    fc.property(bytes, (payload) => {
      refusedOr(() => openFrame(Buffer.from(payload), CLUSTER));
      for (const [kind, code] of Object.entries(PEER_FRAME_KINDS)) {
        const opened = openFrame(sealed(code, payload), CLUSTER);
        refusedOr((): unknown => DECODERS[kind as keyof typeof DECODERS](opened.payload));
      }
    }),
    { numRuns: 500 },
  );
});

test("a frame of another cluster, version or kind is refused", () => {
  const frame = encodeOne([{ ...ends, term: 1, type: "campaignNow" }]);
  expect(() => openFrame(frame, CLUSTER + 1n)).toThrow("another cluster");
  const other = Buffer.from(frame);
  other[0] = 2;
  expect(() => openFrame(other, CLUSTER)).toThrow("version 2");
  expect(() => openFrame(sealed(99, new Uint8Array()), CLUSTER)).toThrow("kind 99");
});

test("MC2: an append that claims more entries than it has is refused, and costs no memory", () => {
  const payload = Buffer.alloc(9 + 24 + 4);
  payload[0] = 3;
  payload.writeUInt32BE(0xffff_ffff, 33);
  expect(() => decodeMessages(payload, "a", "b")).toThrow("cut short");
});

test("PC3: entry data is a view of the frame, not a copy", () => {
  const entry: Entry = { index: 1, term: 1, kind: "commands", data: new Uint8Array(256).fill(9) };
  const frame = encodeOne([
    { ...ends, term: 1, type: "append", prevIndex: 0, prevTerm: 0, commit: 0, entries: [entry] },
  ]);
  const [decoded] = decode(frame);
  if (decoded?.type !== "append") throw new Error("not an append");
  expect(decoded.entries[0]?.data.buffer).toBe(frame.buffer);
});

const appendOf = (term: number, sizeBytes: number): Message => ({
  ...ends,
  term,
  type: "append",
  prevIndex: 0,
  prevTerm: 0,
  commit: 0,
  entries: [{ index: 1, term: 1, kind: "commands", data: new Uint8Array(sizeBytes) }],
});

test("more than a frame holds is split in order, and what can never be sent is named", () => {
  const sizes = [3_000_000, 1_000_000, 1_000_000, PEER_FRAME_BYTES_MAX, 3_500_000];
  const tooLarge: number[] = [];
  const frames = encodeMessages(
    head,
    sizes.map((size, term) => appendOf(term, size)),
    ({ term }) => tooLarge.push(term),
  );
  expect(frames.map((frame) => decode(frame).map(({ term }) => term))).toEqual([[0, 1], [2], [4]]);
  expect(tooLarge).toEqual([3]);
  for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(PEER_FRAME_BYTES_MAX);
});

test("posts come back in order over as many frames as they need", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 9 }), (bodies) => {
      const frames = encodePosts(
        head,
        bodies.map((item) => JSON.stringify(item)),
      );
      const back = frames.flatMap((frame) => decodePosts(openFrame(frame, CLUSTER).payload));
      expect(JSON.stringify(back)).toBe(JSON.stringify(bodies));
    }),
  );
  const large = JSON.stringify("ä".repeat(1_000_000));
  const frames = encodePosts(head, [large, large, large, "1"]);
  expect(frames).toHaveLength(2);
  expect(frames.every(({ length }) => length <= PEER_FRAME_BYTES_MAX)).toBe(true);
  expect(encodePosts(head, [])).toEqual([]);
});

const opened = (frame: Buffer): Buffer => openFrame(frame, CLUSTER).payload;

test("hello and the bulk frames come back as they went", () => {
  expect(decodeHello(opened(encodeHello(head, { bulkPort: 40_123 })))).toEqual({
    bulkPort: 40_123,
  });
  const snapshot = { kind: "snapshot", index: Number.MAX_SAFE_INTEGER } as const;
  const blob = { kind: "blob", sha256: "0f".repeat(32) } as const;
  for (const what of [snapshot, blob]) {
    const request = { id: 4_294_967_295, what, offset: 2 ** 40, sizeBytes: 262_144 };
    expect(decodeFetch(opened(encodeFetch(head, request)))).toEqual(request);
  }
  const piece = decodePiece(
    opened(encodePiece(head, { id: 1, totalBytes: 5, bytes: Uint8Array.of(1, 2) })),
  );
  expect({ ...piece, bytes: [...piece.bytes] }).toEqual({ id: 1, totalBytes: 5, bytes: [1, 2] });
  const error = { code: "not_found", message: "gone" } as const;
  expect(decodeRefusal(opened(encodeRefusal(head, { id: 2, error })))).toEqual({ id: 2, error });
});
