// Brings the ledger's store to where the log can take it on: nothing to do at almost every start;
// from the newest readable snapshot when the store is lost, was damaged and removed, or is older
// than the oldest log entry kept.
//
// RC1. The ledger is never ahead of the log, and the log never begins after the ledger's next entry:
//      otherwise facts are missing, and the hub says so instead of going on with half a truth.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { LogStore } from "../adapters/log-store.ts";
import type { OrderedStore } from "../ports.ts";
import { APPLIED_KEY, readApplied } from "./ledger-store.ts";
import { listSnapshots, restoreSnapshot } from "./snapshot.ts";

/** Throws data_damaged when neither the store nor a snapshot fits the log (RC1). */
export async function recoverLedger(
  logStore: LogStore,
  store: OrderedStore,
  folder: string | undefined,
  log: Logger,
): Promise<void> {
  const { lastIndex } = logStore.restored;
  const { index } = readApplied(store.getSync(APPLIED_KEY));
  if (index > lastIndex) {
    const message = `The ledger shows log entry ${index}, but the log ends at ${lastIndex}`;
    throw new GantryError("data_damaged", message);
  }
  const { firstIndex } = logStore;
  if (index + 1 >= firstIndex) return;
  const snapshots = folder === undefined ? [] : await listSnapshots(folder);
  for (const snapshot of snapshots) {
    if (snapshot.index + 1 < firstIndex || snapshot.index > lastIndex) continue;
    try {
      await restoreSnapshot(snapshot, store);
      log.warn({ from: index, to: snapshot.index }, "the ledger was made anew from a snapshot");
      return;
    } catch (error) {
      log.error({ path: snapshot.path, error: toErrorRecord(error) }, "the snapshot is not usable");
    }
  }
  throw new GantryError(
    "data_damaged",
    `The ledger shows log entry ${index}, the log begins at ${firstIndex}, and no snapshot closes the gap`,
  );
}
