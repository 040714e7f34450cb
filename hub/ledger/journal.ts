// The journal: for each log entry, the audit rows and events of its commands, as one row. Audit rows
// form a hash chain; whoever changes one on disk breaks every hash after it.
//
// J1. Audit sequence numbers have no gap and start at 1.
// J2. hash = sha256 of the row before's hash and of this row's fields, in a fixed order.

import { sha256 } from "@gantry/shared/base/digest.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { AuditRow } from "@gantry/shared/contract/rows.ts";

export interface JournalRow {
  readonly audit: readonly AuditRow[];
  readonly events: readonly LedgerEvent[];
}

/** What the ledger knows about itself; the one row of the table `meta`. */
export interface LedgerMeta {
  readonly auditSeq: number;
  readonly auditHash: string;
}

export const META_ID = "ledger";
export const EMPTY_META: LedgerMeta = { auditSeq: 0, auditHash: "0".repeat(64) };

/** Journal rows sort by the position of their first command. */
export const journalId = (position: number): string => position.toString(16).padStart(14, "0");

export type AuditFacts = Omit<AuditRow, "seq" | "before" | "hash">;

export function chainAudit(meta: LedgerMeta, facts: AuditFacts): AuditRow {
  const seq = meta.auditSeq + 1; // J1
  const before = meta.auditHash;
  return { seq, ...facts, before, hash: auditHash(seq, facts, before) };
}

/** J2. */
export function auditHash(seq: number, facts: AuditFacts, before: string): string {
  const { position, atMs, actor, action, object, requestId, detail } = facts;
  return sha256(
    JSON.stringify([before, seq, position, atMs, actor, action, object, requestId, detail]),
  );
}

/** The first row that does not follow from the one before it, if any. */
export function findBrokenAudit(rows: Iterable<AuditRow>, start: LedgerMeta): AuditRow | undefined {
  let { auditSeq, auditHash: before } = start;
  for (const row of rows) {
    const { seq, hash, before: claimed, ...facts } = row;
    const isWhole =
      seq === auditSeq + 1 && claimed === before && hash === auditHash(seq, facts, before);
    if (!isWhole) return row;
    auditSeq = seq;
    before = hash;
  }
  return undefined;
}
