// What the doctor examines: a copy of log and ledger in a temp folder, because LevelDB writes to a
// folder by opening it. The data folder itself is only read.
//
// DC1. Nothing in the data folder is made, changed or removed.
// DC2. A folder that a running hub holds is not copied: the copy would be of no single moment.

import { cp, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type DataDir, pathsIn } from "../adapters/data-dir.ts";
import { openLevelStore } from "../adapters/level-store.ts";
import { openLogFolder } from "../adapters/log-folder.ts";
import { openRaftLog } from "../adapters/raft-log.ts";
import { readTailMark } from "../adapters/tail-mark.ts";
import type { LogStore, OrderedStore } from "../ports.ts";

export interface Patient extends AsyncDisposable {
  readonly paths: DataDir;
  /** Reads the whole log at the first call. Throws data_dir_version. */
  readonly log: () => Promise<LogStore>;
  /** Without a mark the loss of the log's end cannot be seen. */
  readonly isMarked: boolean;
  readonly ledger: OrderedStore;
  /** A temp folder for what a check needs to build; removed at the end. */
  readonly scratch: string;
}

/** Throws not_found, data_dir_locked, data_damaged or io_error. */
export async function openPatient(root: string): Promise<Patient> {
  const paths = pathsIn(root);
  for (const folder of [paths.log, paths.ledger]) await checkFree(root, folder);
  await using stack = new AsyncDisposableStack();
  const scratch = await mkdtemp(join(tmpdir(), "gantry-doctor-"));
  stack.defer(() => rm(scratch, { recursive: true, force: true }));
  const open = async (folder: string, by: typeof openLevelStore): Promise<OrderedStore> => {
    const store = await by(await copy(folder, scratch), { createIfMissing: false });
    stack.defer(() => store.close());
    return store;
  };
  const logDisk = await open(paths.log, openLogFolder);
  const ledger = await open(paths.ledger, openLevelStore);
  const mark = await readTailMark(paths.logTail);
  let opened: Promise<LogStore> | undefined;
  const log = (): Promise<LogStore> =>
    (opened ??= openRaftLog(logDisk, { read: () => mark, write: () => {} })); // DC1
  const held = stack.move();
  const dispose = (): Promise<void> => held.disposeAsync();
  const isMarked = mark !== undefined;
  return { paths, log, isMarked, ledger, scratch, [Symbol.asyncDispose]: dispose };
}

/** DC2: Linux lists who holds which lock; LevelDB's is on the file LOCK. */
async function checkFree(root: string, folder: string): Promise<void> {
  if ((await stat(folder).catch(() => undefined)) === undefined) {
    throw new GantryError("not_found", `${root} is not a data folder: ${folder} is missing`);
  }
  const lock = await stat(join(folder, "LOCK")).catch(() => undefined);
  const locks = await readFile("/proc/locks", "utf8").catch(() => "");
  if (lock === undefined) return;
  const holder = locks.split("\n").find((line) => line.includes(`:${lock.ino} `));
  if (holder === undefined) return;
  const pid = holder.trim().split(/\s+/)[4] ?? "?";
  const message = `${root} is in use by process ${pid}; stop the hub first: systemctl stop gantry-hub`;
  throw new GantryError("data_dir_locked", message);
}

async function copy(folder: string, scratch: string): Promise<string> {
  const target = join(scratch, basename(folder));
  try {
    await cp(folder, target, { recursive: true, filter: (path) => basename(path) !== "LOCK" });
  } catch (cause) {
    throw new GantryError("io_error", `${folder} cannot be copied to ${target}`, { cause });
  }
  return target;
}
