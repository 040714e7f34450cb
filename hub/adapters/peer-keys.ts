// The CURVE keys by which hubs know each other, and where they come from.
//
//   alone      made by chance at the first start
//   founding   derived from a secret that all hubs of GANTRY_PEERS share: each computes all public keys
//   joining    derived from the seed in a cluster code: the cluster knows the new hub's public key
//
// PK1. Once in DATA_DIR/keys/peer.json they are never replaced: the membership names their public half.
// PK2. A pass (`passesOf`) is a function of both hubs' secret Diffie-Hellman value: only these two can
//      compute it, and each direction has its own.

import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { join } from "node:path";
import { present } from "@gantry/shared/base/assert.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { decodeZ85, encodeZ85 } from "@gantry/shared/contract/z85.ts";
import { curveKeyPair } from "zeromq";
import { PASS_BYTES } from "../peers/codec.ts";
import { type CurveKeys, openKeysFile } from "./hub-keys.ts";

const KEY_BYTES = 32;
/** A shorter secret could be found by trying. */
export const CLUSTER_SECRET_CHARS_MIN = 16;

// RFC 8410: what stands before the 32 bytes of a key in PKCS #8 and in SubjectPublicKeyInfo.
const PKCS8_HEAD = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_HEAD = Buffer.from("302a300506032b656e032100", "hex");

/**
 * The keys in DATA_DIR/keys/peer.json; at the first start `derived`, or a pair by chance, is written
 * there. Throws bad_config if `derived` is another pair than the stored one (PK1), data_damaged,
 * io_error, disk_full.
 */
export async function openPeerKeys(dataDir: string, derived?: CurveKeys): Promise<CurveKeys> {
  const path = join(dataDir, "keys", "peer.json");
  const advice = "restore it from a backup, or remove this hub from its cluster and add it again";
  const keys = await openKeysFile(path, () => derived ?? curveKeyPair(), advice);
  if (derived !== undefined && derived.publicKey !== keys.publicKey) {
    throw new GantryError(
      "bad_config",
      `${path} holds other keys than the given secret or code makes: use the one of this hub's first start`,
    );
  }
  return keys;
}

/** 64 bits by chance, as 16 hex digits. */
export const randomClusterId = (): string => randomBytes(8).toString("hex");

/** The id of the cluster that `founders` found with this secret: 16 hex digits, the order is no matter. */
export function deriveClusterId(secret: string, founders: readonly string[]): string {
  const salt = sha256(JSON.stringify(founders.toSorted()));
  return derive(secret, salt, "gantry cluster id", 8).toString("hex");
}

/**
 * The keys of one hub of a cluster: HKDF-SHA256, then X25519. `secret`: the shared text, of at least
 * CLUSTER_SECRET_CHARS_MIN characters, or the 32 bytes of a cluster code's seed. Throws bad_config.
 */
export function deriveKeys(
  secret: string | Uint8Array,
  clusterId: string,
  hubId: string,
): CurveKeys {
  const secretKey = derive(secret, clusterId, `gantry peer key ${hubId}`, KEY_BYTES);
  const publicKey = createPublicKey(privateKeyOf(secretKey));
  return { publicKey: encodeZ85(rawOf(publicKey)), secretKey: encodeZ85(secretKey) };
}

/** For a hub that will join: a fresh seed, and the public half of the keys that it makes. */
export function makeJoinKeys(
  clusterId: string,
  hubId: string,
): { readonly seed: Uint8Array; readonly publicKey: string } {
  const seed = Uint8Array.from(randomBytes(KEY_BYTES));
  return { seed, publicKey: deriveKeys(seed, clusterId, hubId).publicKey };
}

export interface Passes {
  /** In the head of every frame that we send. */
  readonly own: Buffer;
  /** In the head of every frame of the other hub. */
  readonly theirs: Buffer;
}

/** Of one pair of hubs and one cluster (PK2). Throws bad_config for a key that is no X25519 key. */
export function passesOf(own: CurveKeys, theirKey: string, clusterId: string): Passes {
  const shared = sharedSecret(own.secretKey, theirKey);
  const pass = (from: string, to: string): Buffer =>
    derive(shared, clusterId, `gantry peer pass ${from} ${to}`, PASS_BYTES);
  return { own: pass(own.publicKey, theirKey), theirs: pass(theirKey, own.publicKey) };
}

function sharedSecret(secretKey: string, publicKey: string): Buffer {
  try {
    return diffieHellman({
      privateKey: privateKeyOf(decodeZ85(secretKey)),
      publicKey: publicKeyOf(decodeZ85(publicKey)),
    });
  } catch (cause) {
    throw new GantryError("bad_config", `${publicKey} is no public key of a hub`, { cause });
  }
}

function derive(
  secret: string | Uint8Array,
  salt: string,
  info: string,
  sizeBytes: number,
): Buffer<ArrayBuffer> {
  if (typeof secret === "string" && secret.length < CLUSTER_SECRET_CHARS_MIN) {
    throw new GantryError(
      "bad_config",
      `The cluster secret has fewer than ${CLUSTER_SECRET_CHARS_MIN} characters; make one with: openssl rand -hex 32`,
    );
  }
  return Buffer.from(hkdfSync("sha256", secret, salt, info, sizeBytes));
}

const privateKeyOf = (bytes: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, bytes]), format: "der", type: "pkcs8" });

const publicKeyOf = (bytes: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_HEAD, bytes]), format: "der", type: "spki" });

const rawOf = (key: KeyObject): Buffer =>
  Buffer.from(present(key.export({ format: "jwk" }).x, "the public half"), "base64url");
