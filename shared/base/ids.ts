// Ids: a kind, then 26 characters of Crockford base32 (48 bits of time, 80 of chance), as ULIDs are.
// They sort by time, name their kind, and are safe in a URL, a file name and an MQTT topic.

import type { Random } from "./prng.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS = 10;
const CHANCE_CHARS = 16;

export type IdKind =
  | "req"
  | "cnv"
  | "msg"
  | "cfm"
  | "job"
  | "prt"
  | "node"
  | "boot"
  | "tok"
  | "join"
  | "ses"
  | "sch"
  | "whk"
  | "evt"
  | "trn"
  | "rsv"
  | "run"
  | "gol"
  | "art"
  | "apr"
  | "mem"
  | "kno";

/** `atMs`: wall clock, 0 to 2^48 - 1. */
export function mintId(kind: IdKind, atMs: number, random: Random): string {
  let time = "";
  let rest = Math.floor(atMs);
  for (let place = 0; place < TIME_CHARS; place += 1) {
    time = `${ALPHABET[rest % 32]}${time}`;
    rest = Math.floor(rest / 32);
  }
  let chance = "";
  for (let place = 0; place < CHANCE_CHARS; place += 1) {
    chance += ALPHABET[Math.floor(random() * 32)];
  }
  return `${kind}_${time}${chance}`;
}

const ID = /^[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}$/;

export const isId = (text: string, kind?: IdKind): boolean =>
  ID.test(text) && (kind === undefined || text.startsWith(`${kind}_`));
