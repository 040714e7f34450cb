// Checkpoints, snapshots and trimming: what keeps a start short and the log small.
//
// U1. They run beside the commits and never hold one up.
// U2. The log is trimmed only behind the older of two snapshots, and never past what a hub that is
//     alive still needs, unless that hub is further behind than KEPT_ENTRIES: it gets the snapshot.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Rows } from "../ledger/rows.ts";
import type { LogStore, OrderedStore } from "../ports.ts";
import { type AppliedMark, storeCheckpoint } from "./ledger-store.ts";
import type { KeptSnapshot, SnapshotStore } from "./snapshot-store.ts";

const SNAPSHOT_LOG_BYTES = 64 * 1_048_576; // of log, about 0.5 s of replay
const SNAPSHOT_LOG_ENTRIES = 50_000;
const KEPT_ENTRIES = 10_000;

export interface UpkeepOptions {
  readonly rows: Rows;
  readonly ledgerStore: OrderedStore;
  readonly logStore: LogStore;
  readonly snapshots: SnapshotStore | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the rows show now. */
  readonly applied: () => AppliedMark;
  /** The lowest index that every hub in touch has; entries after it are still to be sent. */
  readonly neededFrom: () => number;
  readonly onSnapshot: (snapshot: KeptSnapshot) => void;
  /** A checkpoint has ended; the rows may have been away meanwhile (D10 of driver.ts). */
  readonly onCheckpoint: () => void;
  readonly logBytes?: number;
  readonly logEntries?: number;
  readonly keptEntries?: number;
}

export interface Upkeep {
  /** Writes every row that had changed at the call. A failure is logged and tried again later. */
  checkpoint(): Promise<void>;
  startCheckpoint(): Promise<void>;
  /** Snapshots and trims when the log has grown enough. One at a time; a failure is logged. */
  maintain(): Promise<void>;
  /** Bytes of an entry that was applied. */
  logged(sizeBytes: number): void;
  /** The rows came with a snapshot: what waited for a checkpoint is void. */
  replaced(): Promise<void>;
  settled(): Promise<void>;
}

export async function makeUpkeep(options: UpkeepOptions): Promise<Upkeep> {
  const { rows, ledgerStore, logStore, snapshots: store, clock, log } = options;
  let checkpointing: Promise<void> | undefined;
  let maintaining: Promise<void> | undefined;
  let unstored:
    | { readonly changes: ReturnType<Rows["takeBatch"]>; readonly mark: AppliedMark }
    | undefined;
  let kept: readonly KeptSnapshot[] = store === undefined ? [] : await store.list(); // newest first
  let loggedBytes = 0; // since the last snapshot or start
  if (kept[0] !== undefined) options.onSnapshot(kept[0]);

  function startCheckpoint(): Promise<void> {
    checkpointing ??= writeCheckpoint().finally(() => {
      checkpointing = undefined;
      options.onCheckpoint();
    });
    return checkpointing;
  }

  /** One at a time: who comes while one runs waits for it, and then for what came since. */
  async function checkpoint(): Promise<void> {
    if (checkpointing !== undefined) await checkpointing;
    await startCheckpoint();
  }

  async function writeCheckpoint(): Promise<void> {
    if (unstored === undefined) {
      if (rows.dirtyCount === 0) return;
      unstored = { changes: rows.takeBatch(), mark: options.applied() };
    }
    try {
      await storeCheckpoint(ledgerStore, unstored.changes, unstored.mark, clock);
    } catch (error) {
      log.error({ error: toErrorRecord(error) }, "the checkpoint failed; it is tried again");
      return;
    }
    unstored = undefined;
    rows.batchStored();
  }

  function maintain(): Promise<void> {
    if (store === undefined || !isSnapshotDue()) return maintaining ?? Promise.resolve();
    maintaining ??= takeSnapshot(store)
      .catch((error: unknown) =>
        log.error({ error: toErrorRecord(error) }, "no snapshot could be taken"),
      )
      .finally(() => {
        maintaining = undefined;
      });
    return maintaining;
  }

  /** Half the size of a snapshot at least: writing them costs at most twice what the log does. */
  function isSnapshotDue(): boolean {
    const { logBytes = SNAPSHOT_LOG_BYTES, logEntries = SNAPSHOT_LOG_ENTRIES } = options;
    const newest = kept[0];
    const since = options.applied().index - (newest?.index ?? 0);
    return (
      since > 0 &&
      (loggedBytes >= Math.max(logBytes, (newest?.sizeBytes ?? 0) / 2) || since >= logEntries)
    );
  }

  async function takeSnapshot(store: SnapshotStore): Promise<void> {
    await checkpoint();
    const bytesBefore = loggedBytes;
    const taken = await store.write(ledgerStore);
    kept = await store.list();
    loggedBytes -= bytesBefore;
    options.onSnapshot(taken);
    const older = kept[1];
    if (older !== undefined) await trim(older.index);
    const { index, sizeBytes } = taken;
    log.info({ index, sizeBytes, logFrom: logStore.log.offset.index + 1 }, "took a snapshot");
  }

  /** U2. */
  async function trim(through: number): Promise<void> {
    const { keptEntries = KEPT_ENTRIES } = options;
    const needed = Math.max(options.neededFrom(), through - keptEntries);
    const end = Math.min(through, needed);
    if (end > logStore.log.offset.index) await logStore.trim(end);
  }

  return {
    checkpoint,
    startCheckpoint,
    maintain,
    logged(sizeBytes) {
      loggedBytes += sizeBytes;
    },
    async replaced() {
      unstored = undefined;
      loggedBytes = 0;
      kept = store === undefined ? [] : await store.list();
      if (kept[0] !== undefined) options.onSnapshot(kept[0]);
    },
    async settled() {
      await maintaining;
      await checkpointing;
    },
  };
}
