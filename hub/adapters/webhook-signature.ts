// Signatures of webhooks after the Standard Webhooks specification, v1: HMAC-SHA256 under the secret's
// bytes over `id.timestamp.body`, exactly as sent. Receivers have libraries for it, or ten lines.

import { createHmac } from "node:crypto";
import type { Random } from "@gantry/shared/base/prng.ts";

const PREFIX = "whsec_";
const SECRET_BYTES = 32;

/** `random`: cryptographically strong. */
export function makeWebhookSecret(random: Random): string {
  const bytes = Uint8Array.from({ length: SECRET_BYTES }, () => Math.floor(random() * 256));
  return `${PREFIX}${Buffer.from(bytes).toString("base64")}`;
}

export interface SignedHeaders {
  readonly "webhook-id": string;
  /** Seconds since 1970: receivers refuse what is too old, and so a replay of it. */
  readonly "webhook-timestamp": string;
  readonly "webhook-signature": string;
}

export function signWebhook(secret: string, id: string, atMs: number, body: string): SignedHeaders {
  const timestamp = String(Math.floor(atMs / 1_000));
  const key = Buffer.from(secret.slice(PREFIX.length), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
}
