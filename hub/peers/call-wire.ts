// What calls between hubs post to each other (calls.ts), and how it is read.

import { type ErrorRecord, isErrorCode } from "@gantry/shared/base/errors.ts";

/** One post. `seq`: how many pieces of text came before it. */
export type Wire =
  | {
      readonly k: "call";
      readonly id: string;
      readonly kind: string;
      readonly body?: unknown;
      readonly ms: number;
    }
  | { readonly k: "text"; readonly id: string; readonly seq: number; readonly text: string }
  | { readonly k: "done"; readonly id: string; readonly seq: number; readonly body?: unknown }
  | { readonly k: "failed"; readonly id: string; readonly error: ErrorRecord }
  | { readonly k: "cancel"; readonly id: string }
  | { readonly k: "tell"; readonly kind: string; readonly body?: unknown };

/** Undefined if it is no message of a hub. */
export function parseWire(body: unknown): Wire | undefined {
  if (typeof body !== "object" || body === null || !("k" in body)) return undefined;
  const wire = body as Readonly<Record<string, unknown>>;
  const { k, id, kind, ms, seq, text, error } = wire;
  if (k === "tell") return typeof kind === "string" ? { k, kind, body: wire["body"] } : undefined;
  if (typeof id !== "string") return undefined;
  switch (k) {
    case "call":
      if (typeof kind !== "string" || !isCount(ms)) return undefined;
      return { k, id, kind, body: wire["body"], ms };
    case "text":
      return typeof text === "string" && isCount(seq) ? { k, id, seq, text } : undefined;
    case "done":
      return isCount(seq) ? { k, id, seq, body: wire["body"] } : undefined;
    case "failed":
      return { k, id, error: readError(error) };
    case "cancel":
      return { k, id };
    default:
      return undefined;
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;

/** A code of a later version reads as `internal`. */
function readError(value: unknown): ErrorRecord {
  const record = typeof value === "object" && value !== null ? value : {};
  const code = "code" in record && isErrorCode(record.code) ? record.code : "internal";
  const message = "message" in record ? String(record.message) : "";
  const details = "details" in record ? record.details : undefined;
  if (typeof details !== "object" || details === null) return { code, message };
  return { code, message, details: { ...details } };
}
