// Brings the ledger's store to where the log can take it on: nothing to do at almost every start;
// from the newest readable snapshot when the store is lost, was damaged and removed, or is older
// than the oldest log entry kept. That is also what a crash in the middle of taking over another
// hub's snapshot leaves: the log was reset to it, and the ledger not yet replaced.
//
// RC1. The ledger is never ahead of the log, and the log never begins after the ledger's next entry:
//      otherwise facts are missing, and the hub says so instead of going on with half a truth.
// RC2. A log that is known to have lost its end is taken on to the ledger: what the ledger shows was
//      committed. It is still damaged, and its hub does not vote where others can.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { LogStore, OrderedStore } from "../ports.ts";
import { APPLIED_KEY, readApplied } from "./ledger-store.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

/**
 * Call before the ledger is loaded; read `logStore.restored` after it. Throws data_damaged when
 * neither the store nor a snapshot fits the log (RC1).
 */
export async function recoverLedger(
  logStore: LogStore,
  store: OrderedStore,
  snapshots: SnapshotStore | undefined,
  log: Logger,
): Promise<void> {
  const { lastIndex } = logStore.restored;
  const { index, term, membership } = readApplied(store.getSync(APPLIED_KEY));
  if (index > lastIndex) {
    if (logStore.damage !== undefined && term !== undefined && membership !== undefined) {
      await logStore.reset({ index, term, membership }); // RC2
      log.warn({ from: lastIndex, to: index }, "the damaged log was taken on to the ledger");
      return;
    }
    const message = `The ledger shows log entry ${index}, but the log ends at ${lastIndex}`;
    throw new GantryError("data_damaged", message);
  }
  const firstIndex = logStore.log.offset.index + 1;
  if (index + 1 >= firstIndex) return;
  for (const snapshot of (await snapshots?.list()) ?? []) {
    if (snapshot.index + 1 < firstIndex || snapshot.index > lastIndex) continue;
    try {
      await snapshots?.restore(snapshot, store);
      log.warn({ from: index, to: snapshot.index }, "the ledger was made anew from a snapshot");
      return;
    } catch (error) {
      const { index: at } = snapshot;
      log.error({ snapshot: at, error: toErrorRecord(error) }, "the snapshot is not usable");
    }
  }
  throw new GantryError(
    "data_damaged",
    `The ledger shows log entry ${index}, the log begins at ${firstIndex}, and no snapshot closes the gap`,
  );
}
