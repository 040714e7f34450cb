// Frames: how messages travel on ZeroMQ and on local sockets. One batch of messages is one frame.
//
//   ZeroMQ   [version u8][kind u8][session 16 bytes][JSON array, UTF-8]
//   socket   [length u32 big endian, of what follows][version u8][kind u8][JSON array, UTF-8]
//
// F1. A frame of another version, an unknown kind, over `LIMIT.frameBytes`, or whose body is not a
//     JSON array is refused with `bad_frame` before anything in it is looked at.
// F2. On ZeroMQ the session is the secret that the hub gave this connection inside CURVE, which by
//     itself does not bind a routing id to a key (measured; notes/ops).

import { GantryError } from "../base/errors.ts";
import { LIMIT } from "../base/policy.ts";

export const FRAME_VERSION = 1;
export const SESSION_BYTES = 16;

/** Kinds of body. A frame of a kind that is not here is refused. */
export const FRAME_KINDS = { messages: 1 } as const;

const LINK_HEADER_BYTES = 2 + SESSION_BYTES;
const SOCKET_HEADER_BYTES = 4 + 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The session of a peer that has none yet: it may only say `hello` or `enrol`. */
export const NO_SESSION = new Uint8Array(SESSION_BYTES);

export function encodeLinkFrame(session: Uint8Array, messages: readonly unknown[]): Uint8Array {
  const body = encoder.encode(JSON.stringify(messages));
  const frame = new Uint8Array(LINK_HEADER_BYTES + body.length);
  frame[0] = FRAME_VERSION;
  frame[1] = FRAME_KINDS.messages;
  frame.set(session, 2);
  frame.set(body, LINK_HEADER_BYTES);
  return frame;
}

export interface LinkFrame {
  readonly session: Uint8Array;
  readonly messages: readonly unknown[];
}

/** Throws bad_frame. */
export function decodeLinkFrame(frame: Uint8Array): LinkFrame {
  if (frame.length < LINK_HEADER_BYTES) throw badFrame(`${frame.length} bytes are too few`);
  if (frame.length > LIMIT.frameBytes.max) throw badFrame(`${frame.length} bytes are too many`);
  checkHead(frame[0], frame[1]);
  return {
    session: frame.subarray(2, LINK_HEADER_BYTES),
    messages: decodeMessages(frame.subarray(LINK_HEADER_BYTES)),
  };
}

export function encodeSocketFrame(messages: readonly unknown[]): Uint8Array {
  const body = encoder.encode(JSON.stringify(messages));
  const frame = new Uint8Array(SOCKET_HEADER_BYTES + body.length);
  new DataView(frame.buffer).setUint32(0, body.length + 2);
  frame[4] = FRAME_VERSION;
  frame[5] = FRAME_KINDS.messages;
  frame.set(body, SOCKET_HEADER_BYTES);
  return frame;
}

/** Takes a byte stream apart. `push` returns the messages that became whole; throws bad_frame. */
export function makeSocketDecoder(): { push(bytes: Uint8Array): unknown[] } {
  let held = new Uint8Array(0);
  return {
    push(bytes) {
      held = concat(held, bytes);
      const messages: unknown[] = [];
      while (held.length >= SOCKET_HEADER_BYTES) {
        const lengthBytes = new DataView(held.buffer, held.byteOffset).getUint32(0);
        if (lengthBytes < 2 || lengthBytes > LIMIT.frameBytes.max) {
          throw badFrame(`a length of ${lengthBytes} bytes`);
        }
        checkHead(held[4], held[5]);
        if (held.length < 4 + lengthBytes) break;
        messages.push(...decodeMessages(held.subarray(SOCKET_HEADER_BYTES, 4 + lengthBytes)));
        held = held.slice(4 + lengthBytes);
      }
      return messages;
    },
  };
}

function checkHead(version: number | undefined, kind: number | undefined): void {
  if (version !== FRAME_VERSION) {
    throw badFrame(`version ${version}, this side speaks ${FRAME_VERSION}`);
  }
  if (kind !== FRAME_KINDS.messages) throw badFrame(`kind ${kind}`);
}

function decodeMessages(body: Uint8Array): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch (cause) {
    throw new GantryError("bad_frame", "The frame's body is not JSON", { cause });
  }
  if (!Array.isArray(value)) throw badFrame("the body is not an array");
  return value;
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(left.length + right.length);
  whole.set(left);
  whole.set(right, left.length);
  return whole;
}

const badFrame = (what: string): GantryError =>
  new GantryError("bad_frame", `The frame cannot be read: ${what}`);
