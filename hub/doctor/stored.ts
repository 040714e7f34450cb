// Checks of the bytes: format, log, snapshots, the audit chain, and the replay of it all.

import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { readFormat } from "../adapters/data-dir.ts";
import { openLevelStore } from "../adapters/level-store.ts";
import { type LogStore, openLogStore } from "../adapters/log-store.ts";
import { applyEntry, type Ledger } from "../ledger/apply.ts";
import { EMPTY_META, findBrokenAudit, META_ID } from "../ledger/journal.ts";
import { startStateHash } from "../ledger/state-hash.ts";
import type { OrderedStore } from "../ports.ts";
import { decodeEntry } from "../replica/entry-codec.ts";
import { APPLIED_KEY, loadLedger, readApplied, storeCheckpoint } from "../replica/ledger-store.ts";
import { listSnapshots, readSnapshot, restoreSnapshot } from "../replica/snapshot.ts";
import { type Check, makeFaults } from "./finding.ts";
import type { Patient } from "./patient.ts";
import { parseRow, rowAt, tableOf } from "./table.ts";

const PROGRESS_EVERY = 5_000;
const CHECKPOINT_ROWS = 4_000;
const RESTORE = "Restore the newest backup; keep this folder for whoever looks into it.";
const REBUILD =
  "Stop the hub, move DATA_DIR/ledger aside and start it: the ledger is made anew from log and snapshots.";

export const format: Check = {
  name: "format",
  advice: "Use the release that wrote this folder.",
  async examine({ paths }) {
    const version = await readFormat(paths.root);
    return version === undefined
      ? { note: "format.json", faults: [`${paths.root} has no format.json`] }
      : { note: `version ${version}`, faults: [] };
  },
};

export const log: Check = {
  name: "log",
  advice: RESTORE,
  async examine(patient, onProgress) {
    const store = await openLogStore(patient.log);
    let [entries, commands, term] = [0, 0, 0];
    for await (const entry of store.read(store.firstIndex)) {
      if (entry.term < term) return faulty(`Log entry ${entry.index} has an older term`);
      term = entry.term;
      entries += 1;
      commands += decodeEntry(entry.index, entry.data).length;
      if (entries % PROGRESS_EVERY === 0) onProgress(`log entry ${entry.index}`);
    }
    const { lastIndex } = store.restored;
    const note = `entries ${store.firstIndex} to ${lastIndex}, ${commands} commands`;
    return { note, faults: [] };
  },
};

export const snapshots: Check = {
  name: "snapshots",
  advice: "Remove the named file; the other snapshot and the log give the whole ledger.",
  async examine(patient) {
    const faults = makeFaults();
    const found = await listSnapshots(patient.snapshots);
    for (const { path } of found) {
      try {
        for await (const _rows of readSnapshot(path));
      } catch (error) {
        faults.add(messageOf(error));
      }
    }
    const { firstIndex } = await openLogStore(patient.log);
    const isClosed = firstIndex === 1 || found.some(({ index }) => index + 1 >= firstIndex);
    if (!isClosed) faults.add(`The log begins at ${firstIndex}, and no snapshot reaches it`);
    return { note: `${found.length} of them`, faults: faults.list() };
  },
};

/** The hash chain, from the first row to the one that the ledger says is the last. */
export const audit: Check = {
  name: "audit",
  advice: "Somebody or something changed the record of what was done. Ask who had this machine.",
  async examine({ ledger }, onProgress) {
    let meta = EMPTY_META;
    for await (const [, { audit: rows }] of tableOf(ledger, "journal")) {
      const broken = findBrokenAudit(rows, meta);
      if (broken !== undefined) {
        return faulty(`Audit row ${meta.auditSeq + rows.indexOf(broken) + 1} does not follow`);
      }
      const last = rows.at(-1);
      if (last !== undefined) meta = { auditSeq: last.seq, auditHash: last.hash };
      if (meta.auditSeq % PROGRESS_EVERY === 0) onProgress(`audit row ${meta.auditSeq}`);
    }
    const claimed = rowAt(ledger, "meta", META_ID) ?? EMPTY_META;
    const isWhole = claimed.auditSeq === meta.auditSeq && claimed.auditHash === meta.auditHash;
    const missing = `The audit ends at row ${meta.auditSeq}, it should end at ${claimed.auditSeq}`;
    return { note: `${meta.auditSeq} rows`, faults: isWhole ? [] : [missing] };
  },
};

/** Everything again from the log, and the same rows must come out. */
export const replay: Check = {
  name: "replay",
  advice: REBUILD,
  async examine(patient, onProgress) {
    const mark = readApplied(patient.ledger.getSync(APPLIED_KEY));
    const logStore = await openLogStore(patient.log);
    const { lastIndex } = logStore.restored;
    if (mark.index > lastIndex) {
      return faulty(`The ledger shows log entry ${mark.index}, the log ends at ${lastIndex}`);
    }
    const fresh = await openLevelStore(join(patient.scratch, "replayed"), {
      createIfMissing: true,
    });
    try {
      const { index, position } = await rebuild(patient, logStore, fresh, mark.index, onProgress);
      const [stored, replayed] = [await hashOf(patient.ledger), await hashOf(fresh)];
      const note = `state ${stored.slice(0, 12)} at entry ${index}, command ${position}`;
      if (stored === replayed && position === mark.position) return { note, faults: [] };
      const key = await firstDifference(patient.ledger, fresh);
      return { note, faults: [`A replay of the log gives another state; first at ${key}`] };
    } finally {
      await fresh.close();
    }
  },
};

/** The ledger at log entry `until`, built in `store` from the oldest fitting snapshot and the log. */
async function rebuild(
  patient: Patient,
  logStore: LogStore,
  store: OrderedStore,
  until: number,
  onProgress: (note: string) => void,
): Promise<{ index: number; position: number }> {
  const { firstIndex } = logStore;
  if (firstIndex > 1) {
    const fitting = (await listSnapshots(patient.snapshots)).findLast(
      (snapshot) => snapshot.index + 1 >= firstIndex && snapshot.index <= until,
    );
    if (fitting === undefined) throw new GantryError("data_damaged", "No snapshot fits the log");
    await restoreSnapshot(fitting, store);
  }
  const { rows, applied } = await loadLedger(store);
  const ledger: Ledger = { rows, position: applied.position };
  let { index } = applied;
  const checkpoint = async (): Promise<void> => {
    const mark = { index, position: ledger.position };
    await storeCheckpoint(store, rows.takeBatch(), mark, systemClock);
    rows.batchStored();
  };
  for await (const entry of logStore.read(index + 1)) {
    if (entry.index > until) break;
    applyEntry(ledger, decodeEntry(entry.index, entry.data));
    index = entry.index;
    if (rows.dirtyCount >= CHECKPOINT_ROWS) await checkpoint();
    if (index % PROGRESS_EVERY === 0) onProgress(`replayed log entry ${index} of ${until}`);
  }
  await checkpoint();
  return { index, position: ledger.position };
}

const ROWS = { gte: "cold/", lt: "hot0" };

async function hashOf(store: OrderedStore): Promise<string> {
  const hasher = startStateHash();
  for await (const [key, value] of store.entries(ROWS)) hasher.add(key, parseRow(value));
  return hasher.hex();
}

async function firstDifference(stored: OrderedStore, replayed: OrderedStore): Promise<string> {
  const others = replayed.entries(ROWS)[Symbol.asyncIterator]();
  for await (const [key, value] of stored.entries(ROWS)) {
    const other = await others.next();
    const isSame =
      other.done !== true && other.value[0] === key && Buffer.compare(other.value[1], value) === 0;
    if (!isSame) return key;
  }
  return "the end";
}

const faulty = (fault: string): { note: string; faults: string[] } => ({
  note: "",
  faults: [fault],
});
const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
