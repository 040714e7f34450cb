// The join code: what a person carries from a hub to a new node.
//
//   GJ1-<the hub's CURVE public key, 52 characters>-<secret, 16 characters>-<check, 4 characters>
//
// JC1. The node refuses every hub that does not hold the key in the code: a false hub learns nothing.
// JC2. The check tells a typo apart from a code that is wrong, used or expired: a typo is found on
//      the node and costs none of the tries that the hub allows.
// JC3. Characters are Crockford base32: case does not count, o reads as 0, i and l read as 1.

import { sha256 } from "../base/digest.ts";
import { GantryError } from "../base/errors.ts";
import { decodeZ85, encodeZ85 } from "./z85.ts";

const PREFIX = "GJ1";
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const KEY_BYTES = 32;
const KEY_CHARS = 52;
export const JOIN_SECRET_BYTES = 10;
const SECRET_CHARS = 16;
const CHECK_BYTES = 3;
const CHECK_CHARS = 4;

export interface JoinCode {
  /** CURVE public key of the hub, Z85. */
  readonly hubKey: string;
  /** 16 characters; what the node sends as `code` in `enrol`, and of which the hub keeps the hash. */
  readonly secret: string;
}

/** The secret of a new code from 10 random bytes. */
export function joinSecret(bytes: Uint8Array): string {
  if (bytes.length !== JOIN_SECRET_BYTES) {
    throw new GantryError("bad_request", `A join secret is made of ${JOIN_SECRET_BYTES} bytes`);
  }
  return encodeBase32(bytes);
}

export function encodeJoinCode({ hubKey, secret }: JoinCode): string {
  const body = `${encodeBase32(decodeZ85(hubKey))}-${secret}`;
  return `${PREFIX}-${body}-${checkOf(body)}`.toUpperCase();
}

/** Throws join_code_invalid, saying whether it is no join code at all or one with a typo (JC2). */
export function decodeJoinCode(text: string): JoinCode {
  const [prefix, key = "", secret = "", check, ...rest] = text.trim().toLowerCase().split("-");
  const hasShape = prefix === PREFIX.toLowerCase() && check !== undefined && rest.length === 0;
  if (!hasShape) throw invalid(`A join code looks like ${PREFIX}-KEY-SECRET-CHECK`);
  const body = `${tidied(key)}-${tidied(secret)}`;
  const isWhole = body.length === KEY_CHARS + 1 + SECRET_CHARS && checkOf(body) === tidied(check);
  if (!isWhole) throw invalid("The join code has a typo: its check characters do not fit");
  return { hubKey: encodeZ85(decodeBase32(tidied(key), KEY_BYTES)), secret: tidied(secret) };
}

const tidied = (text: string): string => text.replaceAll("o", "0").replaceAll(/[il]/g, "1");

function checkOf(body: string): string {
  const hex = sha256(`gantry join code ${body}`);
  const bytes = Uint8Array.from({ length: CHECK_BYTES }, (_, index) =>
    Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16),
  );
  return encodeBase32(bytes).slice(0, CHECK_CHARS);
}

function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : `${text}${ALPHABET[(held << (5 - bits)) & 31]}`;
}

function decodeBase32(text: string, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  let held = 0;
  let bits = 0;
  for (const char of text) {
    const digit = ALPHABET.indexOf(char);
    if (digit < 0) throw invalid(`The join code may not contain ${JSON.stringify(char)}`);
    held = (held << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = held >> bits;
      at += 1;
    }
    held &= (1 << bits) - 1;
  }
  return bytes;
}

const invalid = (message: string): GantryError => new GantryError("join_code_invalid", message);
