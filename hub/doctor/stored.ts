// Checks of the bytes: format, log, snapshots, the audit chain, and the replay of it all.

import { readFormat } from "../adapters/data-dir.ts";
import { EMPTY_META, findBrokenAudit, META_ID } from "../ledger/journal.ts";
import type { OrderedStore } from "../ports.ts";
import { decodeEntry } from "../replica/entry-codec.ts";
import { APPLIED_KEY, readApplied } from "../replica/ledger-store.ts";
import { readSnapshotFile, snapshotPaths } from "../replica/snapshot-files.ts";
import { type Check, makeFaults } from "./finding.ts";
import { STATE_ROWS } from "../replica/capture.ts";
import { entriesOf, rebuild, stateHashOf } from "./state.ts";
import { rowAt, tableOf } from "./table.ts";

const PROGRESS_EVERY = 5_000;
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

/** Every entry against its checksum and the chain, the end against the tail mark. */
export const log: Check = {
  name: "log",
  advice: `In a cluster: remove this hub from it and join it anew. Alone: ${RESTORE}`,
  async examine(patient, onProgress) {
    const store = await patient.log();
    const faults = makeFaults();
    if (store.damage !== undefined) faults.add(store.damage);
    let [entries, commands] = [0, 0];
    for (const entry of entriesOf(store)) {
      entries += 1;
      if (entry.kind === "commands") commands += decodeEntry(entry.index, entry.data).length;
      if (entries % PROGRESS_EVERY === 0) onProgress(`log entry ${entry.index}`);
    }
    const { lastIndex, lastTerm } = store.restored;
    const from = store.log.offset.index + 1;
    const mark = patient.isMarked ? "" : ", no tail mark";
    const note = `entries ${from} to ${lastIndex}, ${commands} commands, term ${lastTerm}${mark}`;
    return { note, faults: faults.list() };
  },
};

export const snapshots: Check = {
  name: "snapshots",
  advice: "Remove the named file; the other snapshot and the log give the whole ledger.",
  async examine(patient) {
    const faults = makeFaults();
    const found = await snapshotPaths(patient.paths.snapshots);
    for (const { path } of found) {
      try {
        for await (const _rows of readSnapshotFile(path));
      } catch (error) {
        faults.add(messageOf(error));
      }
    }
    const firstIndex = (await patient.log()).log.offset.index + 1;
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
    const { lastIndex } = (await patient.log()).restored;
    if (mark.index > lastIndex) {
      return faulty(`The ledger shows log entry ${mark.index}, the log ends at ${lastIndex}`);
    }
    await using fresh = await rebuild(patient, mark.index, onProgress);
    const { index, position, store } = fresh;
    const [stored, replayed] = [await stateHashOf(patient.ledger), await stateHashOf(store)];
    const note = `state ${stored.slice(0, 12)} at entry ${index}, command ${position}`;
    if (stored === replayed && position === mark.position) return { note, faults: [] };
    const key = await firstDifference(patient.ledger, store);
    return { note, faults: [`A replay of the log gives another state; first at ${key}`] };
  },
};

async function firstDifference(stored: OrderedStore, replayed: OrderedStore): Promise<string> {
  const others = replayed.entries(STATE_ROWS)[Symbol.asyncIterator]();
  for await (const [key, value] of stored.entries(STATE_ROWS)) {
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
