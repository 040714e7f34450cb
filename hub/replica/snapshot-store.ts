// Where a hub keeps snapshots of its ledger: its own, and those it received from other hubs. The log
// need then not be kept for ever, and a hub that was away for long, or lost its ledger, starts from
// one. Files are hub/replica/snapshot-files.ts; the simulator has them in memory.

import type { OrderedStore } from "../ports.ts";
import type { SnapshotFacts } from "./snapshot-codec.ts";

export type KeptSnapshot = SnapshotFacts;

export interface SnapshotStore {
  /** Whole ones, newest first, the newest two. One whose beginning is damaged is left out. */
  list(): Promise<readonly KeptSnapshot[]>;
  /** The ledger as it is at the call, beside the hub's work. Throws disk_full or io_error. */
  write(ledgerStore: OrderedStore): Promise<KeptSnapshot>;
  /**
   * At most `sizeBytes` of the bytes, to serve to other hubs; undefined if it is not here. One that
   * was pushed out by newer ones meanwhile can be read to its end by who began.
   */
  piece(
    index: number,
    offset: number,
    sizeBytes: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly totalBytes: number } | undefined>;
  /** Begins to take in one of another hub; what was received of the same index before is void. */
  receive(index: number): Promise<SnapshotReceiver>;
  /** Replaces everything in `ledgerStore`. Throws data_damaged, disk_full, io_error. */
  restore(snapshot: Pick<KeptSnapshot, "index">, ledgerStore: OrderedStore): Promise<void>;
  close(): Promise<void>;
}

export interface SnapshotReceiver {
  /** The next bytes. Throws disk_full or io_error. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Verifies every byte (chunks, total hash, index, and what of `expected` is given), and only then
   * lists it; it is on the disk when this resolves. Throws data_damaged, disk_full, io_error: then
   * nothing is kept.
   */
  finish(expected?: { readonly term?: number; readonly sha256?: string }): Promise<KeptSnapshot>;
  /** Forgets what was written; nothing after `finish` or another `abort`. */
  abort(): Promise<void>;
}

/** Why a verified snapshot is not the one that was asked for; undefined when it is. */
export function mismatchOf(
  found: KeptSnapshot,
  expected: { readonly index: number; readonly term?: number; readonly sha256?: string },
): string | undefined {
  if (found.index !== expected.index) {
    return `is of log entry ${found.index}, not of ${expected.index}`;
  }
  if (expected.term !== undefined && found.term !== expected.term) {
    return `is of term ${found.term ?? "?"}, not of ${expected.term}`;
  }
  const isOther = expected.sha256 !== undefined && found.sha256 !== expected.sha256;
  return isOther ? "is not the one that was announced" : undefined;
}
