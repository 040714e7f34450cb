// Webhooks: events of the ledger, posted to an address until it has said yes, or refused often enough.

import type { ErrorRecord } from "../base/errors.ts";
import { EVENT_TYPES, type EventType, type LedgerEvent } from "./events.ts";

export interface WebhookRow {
  readonly id: string;
  readonly url: string;
  /** Exact types, prefixes like `job.*`, or `*`. */
  readonly types: readonly string[];
  /** Only events about this thing: a run, a job, a printer. */
  readonly subject?: string;
  /** Of the signature; shown once, to who made it. */
  readonly secret: string;
  readonly by: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Log position: every event up to it was delivered or is a dead letter. */
  readonly cursor: number;
  readonly counts: { readonly delivered: number; readonly failed: number };
  readonly lastError?: ErrorRecord;
  readonly lastDeliveredAtMs?: number;
  /** Ids of its dead letters, the oldest first. */
  readonly dead: readonly string[];
}

/** An event that the receiver did not take. */
export interface DeadLetterRow {
  /** Of the delivery: the receiver gets the same one with each try and after a redelivery. */
  readonly id: string;
  readonly webhook: string;
  readonly event: LedgerEvent;
  readonly error: ErrorRecord;
  readonly attempts: number;
  readonly diedAtMs: number;
  /** A person asked for another try. */
  readonly isWanted?: boolean;
}

export type DeadLetter = Pick<DeadLetterRow, "id" | "event" | "error" | "attempts">;

export type WebhookCommand =
  | ({ readonly type: "webhookMade"; readonly webhook: string } & Pick<
      WebhookRow,
      "url" | "types" | "subject" | "secret"
    >)
  | { readonly type: "webhookDeleted"; readonly webhook: string }
  /** What became of deliveries; refused in an older term, or if the cursor is not at `fromCursor`. */
  | {
      readonly type: "webhookProgressed";
      readonly webhook: string;
      readonly term: number;
      readonly fromCursor: number;
      readonly cursor: number;
      readonly delivered: number;
      readonly dead: readonly DeadLetter[];
    }
  /** What became of a dead letter that was tried again. */
  | {
      readonly type: "webhookRetried";
      readonly webhook: string;
      readonly term: number;
      readonly delivery: string;
      /** Left out: it was delivered. */
      readonly error?: ErrorRecord;
      readonly attempts: number;
    }
  /** A person wants dead letters tried again: these, or all. */
  | {
      readonly type: "webhookRedelivered";
      readonly webhook: string;
      readonly deliveries?: readonly string[];
    };

/** Told to nobody by webhook: a receiver that is away would cause events about itself without end. */
const isOwn = (type: EventType): boolean => type.startsWith("webhook.");

/** The event types that a pattern names; none for a pattern that is not one. */
export function typesOf(pattern: string): readonly EventType[] {
  const known = EVENT_TYPES.filter((type) => !isOwn(type));
  if (pattern === "*") return known;
  if (pattern.endsWith(".*")) return known.filter((type) => type.startsWith(pattern.slice(0, -1)));
  return known.filter((type) => type === pattern);
}
