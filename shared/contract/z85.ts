// Z85 (ZeroMQ RFC 32): how CURVE keys are written, 32 bytes in 40 printable characters.

import { GantryError } from "../base/errors.ts";

const ALPHABET =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const BYTES_PER_GROUP = 4;
const CHARS_PER_GROUP = 5;

/** `bytes`: a multiple of 4 long. Throws bad_request otherwise. */
export function encodeZ85(bytes: Uint8Array): string {
  if (bytes.length % BYTES_PER_GROUP !== 0) {
    throw new GantryError("bad_request", `${bytes.length} bytes have no Z85 form`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = "";
  for (let at = 0; at < bytes.length; at += BYTES_PER_GROUP) {
    let rest = view.getUint32(at);
    let group = "";
    for (let place = 0; place < CHARS_PER_GROUP; place += 1) {
      group = `${ALPHABET[rest % 85]}${group}`;
      rest = Math.floor(rest / 85);
    }
    text += group;
  }
  return text;
}

/** Throws bad_request for another length or character. */
export function decodeZ85(text: string): Uint8Array {
  if (text.length % CHARS_PER_GROUP !== 0) throw notZ85();
  const bytes = new Uint8Array((text.length / CHARS_PER_GROUP) * BYTES_PER_GROUP);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < text.length; at += CHARS_PER_GROUP) {
    let value = 0;
    for (const char of text.slice(at, at + CHARS_PER_GROUP)) {
      const digit = ALPHABET.indexOf(char);
      if (digit < 0) throw notZ85();
      value = value * 85 + digit;
    }
    if (value > 0xffffffff) throw notZ85();
    view.setUint32((at / CHARS_PER_GROUP) * BYTES_PER_GROUP, value);
  }
  return bytes;
}

const notZ85 = (): GantryError => new GantryError("bad_request", "The text is not Z85");
