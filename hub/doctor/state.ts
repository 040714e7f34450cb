// The state of a data folder as one number at one log entry: what the doctor compares with a replay,
// and what two hubs of a cluster must have alike.

import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { openLevelStore } from "../adapters/level-store.ts";
import type { Entry } from "../consensus/types.ts";
import { applyEntry, type Ledger } from "../ledger/apply.ts";
import { startStateHash } from "../ledger/state-hash.ts";
import type { LogStore, OrderedStore } from "../ports.ts";
import { STATE_ROWS } from "../replica/capture.ts";
import { decodeEntry } from "../replica/entry-codec.ts";
import { APPLIED_KEY, loadLedger, readApplied, storeCheckpoint } from "../replica/ledger-store.ts";
import { readSnapshotFile, snapshotPaths } from "../replica/snapshot-files.ts";
import { restoreRows } from "../replica/snapshot-codec.ts";
import { openPatient, type Patient } from "./patient.ts";
import { parseRow } from "./table.ts";

const PROGRESS_EVERY = 5_000;
const CHECKPOINT_ROWS = 4_000;
const READ_BYTES = 1_048_576;

export interface StateAt {
  readonly index: number;
  /** Of that entry; undefined where neither log nor checkpoint names it. */
  readonly term: number | undefined;
  /** Commands so far. */
  readonly position: number;
  /** 64 hex digits: equal on all hubs at an equal index. */
  readonly sha256: string;
}

/**
 * The state of a stopped hub at log entry `at`, or at its last one known to be committed. Changes
 * nothing in the folder. Throws not_found, data_dir_locked, data_damaged, io_error; not_found also
 * for an entry that is not committed here or lies before everything that is kept.
 */
export async function stateOf(dataDir: string, at?: number): Promise<StateAt> {
  await using patient = await openPatient(dataDir);
  const store = await patient.log();
  const applied = readApplied(patient.ledger.getSync(APPLIED_KEY));
  const { hardState, lastIndex, membership } = store.restored;
  // Of one voter alone everything that is stored is committed; it writes down how far only now and then.
  const isAlone = membership.voters.length === 1 && membership.outgoing.length === 0;
  const known = isAlone ? lastIndex : Math.min(hardState.commit, lastIndex);
  const committed = Math.max(known, applied.index);
  const index = at ?? committed;
  if (index > committed) {
    throw new GantryError("not_found", `${dataDir} knows no log entry ${index} to be committed`);
  }
  const term = store.log.termAt(index) ?? (index === applied.index ? applied.term : undefined);
  if (index >= applied.index) {
    const { position } = await advance(store, patient.ledger, index, () => {}); // it is a copy
    return { index, term, position, sha256: await stateHashOf(patient.ledger) };
  }
  await using made = await rebuild(patient, index, () => {});
  return { index, term, position: made.position, sha256: await stateHashOf(made.store) };
}

export async function stateHashOf(store: OrderedStore): Promise<string> {
  const hasher = startStateHash();
  for await (const [key, value] of store.entries(STATE_ROWS)) hasher.add(key, parseRow(value));
  return hasher.hex();
}

/** Every whole entry, in order. */
export function* entriesOf({ log, restored }: LogStore, from?: number): Generator<Entry> {
  for (let next = from ?? log.offset.index + 1; next <= restored.lastIndex;) {
    const entries = log.entries(next, restored.lastIndex, READ_BYTES);
    yield* entries;
    next += entries.length;
  }
}

interface Rebuilt extends AsyncDisposable {
  readonly index: number;
  readonly position: number;
  readonly store: OrderedStore;
}

/** The ledger at log entry `until`, made anew from the oldest fitting snapshot and the log. */
export async function rebuild(
  patient: Patient,
  until: number,
  onProgress: (note: string) => void,
): Promise<Rebuilt> {
  const logStore = await patient.log();
  const firstIndex = logStore.log.offset.index + 1;
  const folder = join(patient.scratch, "replayed");
  await using stack = new AsyncDisposableStack();
  const store = await openLevelStore(folder, { createIfMissing: true });
  stack.defer(() => store.close());
  if (firstIndex > 1) {
    const fitting = (await snapshotPaths(patient.paths.snapshots)).findLast(
      ({ index }) => index + 1 >= firstIndex && index <= until,
    );
    if (fitting === undefined) throw new GantryError("data_damaged", "No snapshot fits the log");
    await restoreRows(fitting.path, readSnapshotFile(fitting.path), store);
  }
  const reached = await advance(logStore, store, until, onProgress);
  const held = stack.move();
  return { ...reached, store, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Applies what comes after the checkpoint in `store`, through entry `until`. */
async function advance(
  logStore: LogStore,
  store: OrderedStore,
  until: number,
  onProgress: (note: string) => void,
): Promise<{ index: number; position: number }> {
  const { rows, applied } = await loadLedger(store);
  const ledger: Ledger = { rows, position: applied.position };
  let { index } = applied;
  const checkpoint = async (): Promise<void> => {
    const mark = { ...applied, index, position: ledger.position };
    await storeCheckpoint(store, rows.takeBatch(), mark, systemClock);
    rows.batchStored();
  };
  for (const entry of entriesOf(logStore, index + 1)) {
    if (entry.index > until) break;
    if (entry.kind === "commands") applyEntry(ledger, decodeEntry(entry.index, entry.data));
    index = entry.index;
    if (rows.dirtyCount >= CHECKPOINT_ROWS) await checkpoint();
    if (index % PROGRESS_EVERY === 0) onProgress(`replayed log entry ${index} of ${until}`);
  }
  await checkpoint();
  return { index, position: ledger.position };
}
