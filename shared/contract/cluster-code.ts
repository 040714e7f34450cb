// The cluster code: what a person carries from a cluster to a new hub (`gantry cluster add`).
//
//   GH1-<check, 8 characters>-<base64url: cluster, seed, new hub, founders, witnesses, hubs>
//
// CC1. It is a secret: the new hub's keys are derived from the seed, and who holds the code can be that
//      hub. It is never logged and goes into no row; the cluster keeps the public key alone.
// CC2. The check tells a typo or a lost end apart from a code that is another cluster's.
// CC3. White space within it does not count: terminals and mail programs break long lines.
// CC4. No bytes from outside throw anything but join_code_invalid.

import { sha256 } from "../base/digest.ts";
import { GantryError } from "../base/errors.ts";
import { decodeZ85, encodeZ85 } from "./z85.ts";

const PREFIX = "GH1-";
const CHECK_CHARS = 8;
const BODY_AT = PREFIX.length + CHECK_CHARS + 1;
const CLUSTER_BYTES = 8;
const KEY_BYTES = 32;
export const CLUSTER_SEED_BYTES = 32;
const TEXT_BYTES_MAX = 255;
const LIST_MAX = 255;

export interface ClusterCode {
  /** 16 lower-case hex digits. */
  readonly clusterId: string;
  /** Of the new hub, which must take this id. */
  readonly hub: string;
  /** CLUSTER_SEED_BYTES random bytes. Secret (CC1). */
  readonly seed: Uint8Array;
  /** The membership before the first log entry. */
  readonly founders: readonly string[];
  readonly witnesses: readonly string[];
  /** The hubs of now: `address` as other hubs use it, `publicKey` in Z85. */
  readonly hubs: readonly {
    readonly id: string;
    readonly address: string;
    readonly publicKey: string;
  }[];
}

/** Throws bad_request where a part has no place in a code: an id over 255 bytes, a wrong key. */
export function encodeClusterCode(code: ClusterCode): string {
  if (!/^[0-9a-f]{16}$/.test(code.clusterId) || code.seed.length !== CLUSTER_SEED_BYTES) {
    throw new GantryError("bad_request", "A cluster code needs a cluster id and a whole seed");
  }
  const bytes = [
    ...Uint8Array.fromHex(code.clusterId),
    ...code.seed,
    ...textBytes(code.hub),
    ...listBytes(code.founders, textBytes),
    ...listBytes(code.witnesses, textBytes),
    ...listBytes(code.hubs, ({ id, address, publicKey }) => [
      ...textBytes(id),
      ...textBytes(address),
      ...decodeZ85(publicKey),
    ]),
  ];
  const body = Uint8Array.from(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
  return `${PREFIX}${checkOf(body)}-${body}`;
}

/** Throws join_code_invalid, saying whether it is no cluster code at all or one with a typo (CC2). */
export function decodeClusterCode(text: string): ClusterCode {
  const code = text.replaceAll(/\s/g, "");
  if (!code.startsWith(PREFIX) || code[BODY_AT - 1] !== "-") {
    throw invalid(`A cluster code looks like ${PREFIX}CHECK-BODY`);
  }
  const body = code.slice(BODY_AT);
  if (checkOf(body) !== code.slice(PREFIX.length, BODY_AT - 1)) {
    throw invalid("The cluster code has a typo or is cut short: its check characters do not fit");
  }
  return parseBody(bytesOf(body));
}

/** What may be shown of a code: nothing that helps to use it. */
export const redactClusterCode = (text: string): string => `${text.slice(0, PREFIX.length)}...`;

const checkOf = (body: string): string =>
  sha256(`gantry cluster code ${body}`).slice(0, CHECK_CHARS);

function textBytes(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > TEXT_BYTES_MAX) {
    throw new GantryError("bad_request", `${text} is too long for a cluster code`);
  }
  return Uint8Array.of(bytes.length, ...bytes);
}

function listBytes<T>(items: readonly T[], bytesOf: (item: T) => Iterable<number>): number[] {
  if (items.length > LIST_MAX) {
    throw new GantryError("bad_request", "Too many hubs for a cluster code");
  }
  return [items.length, ...items.flatMap((item) => [...bytesOf(item)])];
}

function bytesOf(body: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(body, { alphabet: "base64url" });
  } catch (cause) {
    throw invalid("The cluster code may not contain these characters", cause);
  }
}

function parseBody(bytes: Uint8Array): ClusterCode {
  const decoder = new TextDecoder();
  let at = 0;
  const take = (sizeBytes: number): Uint8Array => {
    const part = bytes.subarray(at, at + sizeBytes);
    if (part.length !== sizeBytes) throw invalid("The cluster code is cut short");
    at += sizeBytes;
    return part;
  };
  const count = (): number => take(1)[0] ?? 0;
  const text = (): string => decoder.decode(take(count()));
  const list = <T>(item: () => T): T[] => Array.from({ length: count() }, item);
  const code: ClusterCode = {
    clusterId: take(CLUSTER_BYTES).toHex(),
    seed: take(CLUSTER_SEED_BYTES).slice(),
    hub: text(),
    founders: list(text),
    witnesses: list(text),
    hubs: list(() => ({ id: text(), address: text(), publicKey: encodeZ85(take(KEY_BYTES)) })),
  };
  if (at !== bytes.length) throw invalid("The cluster code has something after its end");
  return code;
}

const invalid = (message: string, cause?: unknown): GantryError =>
  new GantryError("join_code_invalid", message, cause === undefined ? {} : { cause });
