// The way back when a majority of hubs is gone for ever: one hub goes on alone with what it has.
// Offline, after a person was told what may be lost.
//
// RV1. What this hub has stored counts as committed; what others had alone is lost (RF1).
// RV2. The cluster gets another id, so that a hub of the old one that comes back is no part of it, and
//      what it says is not read.
// RV3. The change of the voters stands in the log itself: a hub that joins later and reads the log from
//      its beginning comes to the same membership.
// RV4. Everything that is changed was copied first. The cluster file is written last: cut off before
//      it, the same command can be given again.

import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { type DataDir, pathsIn, readFormat } from "../adapters/data-dir.ts";
import { openLevelStore } from "../adapters/level-store.ts";
import { openLogFolder } from "../adapters/log-folder.ts";
import { randomClusterId } from "../adapters/peer-keys.ts";
import { openRaftLog } from "../adapters/raft-log.ts";
import { forceMembership } from "../adapters/raft-log-force.ts";
import { openTailMark } from "../adapters/tail-mark.ts";
import { type ClusterFile, foundingMembership, parseClusterFile } from "../cluster/bootstrap.ts";
import { changeMembership, decodeChange, encodeChange, isJoint } from "../consensus/membership.ts";
import type { Entry, HubId, Membership, MembershipChange } from "../consensus/types.ts";
import type { LogStore, OrderedStore } from "../ports.ts";
import { recoverLedger } from "../replica/recover.ts";
import { openSnapshotFiles } from "../replica/snapshot-files.ts";

export interface Outlook {
  readonly hub: HubId;
  readonly clusterId: string;
  readonly voters: readonly HubId[];
  readonly term: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Surely committed, as this hub knows. */
  readonly commitIndex: number;
  /** What the log is known to lack. */
  readonly damage: string | undefined;
  readonly sizeBytes: number;
}

export interface Recovered {
  readonly clusterId: string;
  /** Where the old state is. */
  readonly keptAt: string;
  readonly lastIndex: number;
}

export interface Recovery extends AsyncDisposable {
  readonly outlook: Outlook;
  /** Once. Throws data_damaged, disk_full, io_error. */
  run(log: Logger): Promise<Recovered>;
}

interface Opened {
  readonly paths: DataDir;
  readonly file: ClusterFile;
  readonly logDisk: OrderedStore;
}

/** Holds the data folder: throws data_dir_locked while a hub runs, not_found, conflict for a witness. */
export async function openRecovery(root: string): Promise<Recovery> {
  const paths = pathsIn(root);
  if ((await readFormat(root)) === undefined || !existsSync(join(root, "cluster.json")))
    throw new GantryError("not_found", `${root} is not the data folder of a hub`);
  const path = join(root, "cluster.json");
  const file = parseClusterFile(await readFile(path, "utf8"), path);
  if (file.witnesses.includes(file.hub)) {
    const message = `${file.hub} is a witness and holds no state: recover a hub that does`;
    throw new GantryError("conflict", message);
  }
  const logDisk = await openLogFolder(paths.log, { createIfMissing: false }).catch(inWords(root));
  const opened = { paths, file, logDisk };
  try {
    const outlook = await look(opened);
    return {
      outlook,
      run: (log) => run(opened, log),
      [Symbol.asyncDispose]: () => logDisk.close(),
    };
  } catch (error) {
    await logDisk.close();
    throw error;
  }
}

const inWords =
  (root: string) =>
  (error: unknown): never => {
    if (!(error instanceof GantryError) || error.code !== "data_dir_locked") throw error;
    const message = `The hub of ${root} is running: stop it first (systemctl stop gantry-hub)`;
    throw new GantryError("data_dir_locked", message, { cause: error });
  };

async function look({ paths, file, logDisk }: Opened): Promise<Outlook> {
  const tail = await openTailMark(paths.logTail);
  const log = await openRaftLog(logDisk, tail, { found: foundingMembership(file) });
  await tail.close();
  const { hardState, lastIndex, lastTerm } = log.restored;
  return {
    hub: file.hub,
    clusterId: file.clusterId,
    voters: membershipAtEnd(log).voters,
    term: hardState.term,
    lastIndex,
    lastTerm,
    commitIndex: Math.min(hardState.commit, lastIndex),
    damage: log.damage,
    sizeBytes: await sizeOf(KEPT.map((name) => join(paths.root, name))),
  };
}

const KEPT = ["cluster.json", "log", "log.tail", "ledger"] as const;

async function run({ paths, file, logDisk }: Opened, log: Logger): Promise<Recovered> {
  const keptAt = await keepOld(paths.root);
  const found = foundingMembership(file);
  const tail = await openTailMark(paths.logTail);
  const before = await openRaftLog(logDisk, tail, { found });
  const ledger = await openLevelStore(paths.ledger, { createIfMissing: true });
  try {
    const snapshots = await openSnapshotFiles(paths.snapshots);
    await recoverLedger(before, ledger, snapshots, log);
  } finally {
    await ledger.close();
  }
  const membership = membershipAtEnd(before);
  await forceMembership(logDisk, tail, membership);
  const forced = await openRaftLog(logDisk, tail, { found });
  const lastIndex = await appendAlone(forced, file.hub, membership);
  await tail.close();

  const clusterId = randomClusterId();
  const own = file.peers.filter(({ id }) => id === file.hub);
  const next: ClusterFile = {
    version: 1,
    clusterId,
    hub: file.hub,
    founders: file.founders, // RV3: before the first log entry it was these
    witnesses: [],
    peers: own,
  };
  const path = join(paths.root, "cluster.json");
  await writeFileDurably(path, `${JSON.stringify(next, undefined, 2)}\n`, 0o600); // RV2, RV4
  return { clusterId, keptAt, lastIndex };
}

/** The membership when everything that is stored is committed (RV1). */
function membershipAtEnd(log: LogStore): Membership {
  const { lastIndex, membershipIndex } = log.restored;
  let { membership } = log.restored;
  const first = Math.max(membershipIndex, log.log.offset.index) + 1;
  for (let index = first; index <= lastIndex; index += 1) {
    const [entry] = log.log.entries(index, index, 0);
    if (entry?.kind === "membership") membership = changed(membership, decodeChange(entry.data));
  }
  return membership;
}

function changed(before: Membership, change: MembershipChange): Membership {
  const outcome = changeMembership(before, change);
  if (outcome.kind === "changed") return outcome.membership;
  throw new GantryError("data_damaged", `The log has an impossible change: ${outcome.reason}`);
}

/** RV3. Gives the index of the last entry. */
async function appendAlone(log: LogStore, self: HubId, before: Membership): Promise<number> {
  const { hardState, lastIndex } = log.restored;
  const { term } = hardState;
  const entries: Entry[] = [];
  let membership = before;
  const add = (change: MembershipChange): void => {
    membership = changed(membership, change);
    const index = lastIndex + entries.length + 1;
    entries.push({ index, term, kind: "membership", data: encodeChange(change) });
  };
  if (isJoint(membership)) add({ steps: [] });
  const { voters, learners } = membership;
  const others = [...voters, ...learners].filter((hub) => hub !== self);
  const joins = voters.includes(self) ? [] : [{ type: "addVoter" as const, hub: self }];
  const leaves = others.map((hub) => ({ type: "remove" as const, hub }));
  if (joins.length + leaves.length > 0) {
    add({ steps: [...joins, ...leaves], transition: "joint" });
    add({ steps: [] });
  }
  const last = lastIndex + entries.length;
  log.setMembership(membership, last);
  await log.append({ hardState: { term, vote: null, commit: last }, entries, isSync: true });
  return last;
}

/** RV4. A copy, so that a recovery that is cut off leaves everything where it was. */
async function keepOld(root: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const target = join(root, `before-recover-${number}`);
    if (existsSync(target)) continue;
    await mkdir(target, { mode: 0o700 });
    for (const name of KEPT) {
      const source = join(root, name);
      if (existsSync(source)) await cp(source, join(target, name), { recursive: true });
    }
    return target;
  }
}

async function sizeOf(paths: readonly string[]): Promise<number> {
  let sizeBytes = 0;
  for (const path of paths) {
    const facts = await stat(path).catch(() => undefined);
    if (facts === undefined) continue;
    if (!facts.isDirectory()) sizeBytes += facts.size;
    else sizeBytes += await sizeOf((await readdir(path)).map((name) => join(path, name)));
  }
  return sizeBytes;
}
