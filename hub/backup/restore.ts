// Makes a new hub from a backup: an empty data folder becomes that of a single hub, the first of a new
// cluster, with every row as it was.
//
// RS1. Until everything is in place and on the disk, format.json says `restoring`: no hub starts on half
//      a restore.
// RS2. The new cluster has an id of its own, and hub and agent links get new keys: neither a hub nor an
//      agent of the old cluster, which may still be alive, can mix in.
// RS3. Positions go on POSITION_GAP after the last one: what the old cluster handed out after the
//      backup (fencing tokens, event ids, revisions) is lower than whatever the new one hands out.
// RS4. Rows are not touched. What must change because time has passed is changed by commands of the
//      new hub, on the record.

import { mkdir, open, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readBackup } from "@gantry/shared/adapters/backup-file.ts";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { present } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type BackupManifest, LEDGER_NAME } from "@gantry/shared/contract/backup.ts";
import type { HubConfig } from "@gantry/shared/contract/config.ts";
import { openBlobFiles } from "../adapters/blob-files.ts";
import { openCluster } from "../adapters/cluster-file.ts";
import { FORMAT, pathsIn } from "../adapters/data-dir.ts";
import { openLevelStore } from "../adapters/level-store.ts";
import { openLogFolder } from "../adapters/log-folder.ts";
import { openRaftLog } from "../adapters/raft-log.ts";
import { openTailMark } from "../adapters/tail-mark.ts";
import { foundingMembership } from "../cluster/bootstrap.ts";
import type { BlobWriter } from "../ports.ts";
import { APPLIED_KEY, type AppliedMark, readApplied } from "../replica/ledger-store.ts";
import { restoreRows } from "../replica/snapshot-codec.ts";
import { openSnapshotFiles, readSnapshotFile } from "../replica/snapshot-files.ts";

/** 12 days of 1,000,000 commands a second, and room for 8,000 restores below 2 ** 53. */
export const POSITION_GAP = 2 ** 40;

export interface Restored {
  readonly dataDir: string;
  readonly manifest: BackupManifest;
  /** The new cluster's. */
  readonly clusterId: string;
  readonly hub: string;
}

/**
 * `config` says the hub's id and addresses; its data folder must be missing or empty. Throws conflict
 * where it is not, not_found, data_damaged for a backup that is not whole, data_dir_version,
 * disk_full, io_error. After a failure the folder is to be emptied.
 */
export async function restoreBackup(
  file: string,
  config: HubConfig,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<Restored> {
  const root = resolve(config.dataDir);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const names = (await readdir(root)).filter((name) => name !== "lost+found");
  if (names.length > 0) {
    throw new GantryError(
      "conflict",
      `${root} is not empty: a backup is restored into a folder of its own`,
    );
  }
  const paths = pathsIn(root);
  const formatPath = join(root, "format.json");
  await writeFileDurably(formatPath, `${JSON.stringify({ format: "restoring" })}\n`, 0o600); // RS1
  const unpacked = join(root, LEDGER_NAME);
  const { manifest } = await unpack(file, unpacked, paths.blobs, onProgress);

  const { file: cluster } = await openCluster(root, config, true); // RS2: alone, with keys of its own
  const membership = foundingMembership(cluster);
  await using stack = new AsyncDisposableStack();
  const ledger = await openLevelStore(paths.ledger, { createIfMissing: true });
  stack.defer(() => ledger.close());
  await restoreRows(unpacked, readSnapshotFile(unpacked), ledger);
  const found = readApplied(ledger.getSync(APPLIED_KEY));
  const mark: AppliedMark = {
    index: found.index,
    term: found.term ?? 1,
    position: found.position + POSITION_GAP, // RS3
    membership,
    membershipIndex: found.index,
  };
  const value = new TextEncoder().encode(JSON.stringify(mark));
  await ledger.batch([{ type: "put", key: APPLIED_KEY, value }], { sync: true });

  const logDisk = await openLogFolder(paths.log, { createIfMissing: true });
  stack.defer(() => logDisk.close());
  const tail = await openTailMark(paths.logTail);
  stack.defer(() => tail.close());
  const log = await openRaftLog(logDisk, tail, { found: membership });
  await log.reset({ index: mark.index, term: present(mark.term, "the term"), membership });

  const snapshots = await openSnapshotFiles(paths.snapshots);
  stack.defer(() => snapshots.close());
  await snapshots.write(ledger); // hubs that join, and the doctor, begin with it
  await rm(unpacked);
  await stack.disposeAsync();
  await writeFileDurably(formatPath, `${JSON.stringify({ format: FORMAT })}\n`, 0o600); // RS1
  return { dataDir: root, manifest, clusterId: cluster.clusterId, hub: cluster.hub };
}

/** Every part is proven against the manifest, and the whole against its total, before it is used. */
async function unpack(
  file: string,
  ledgerPath: string,
  blobsDir: string,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<{ readonly manifest: BackupManifest }> {
  const blobs = await openBlobFiles(blobsDir);
  await using ledger = await open(ledgerPath, "wx", 0o600);
  let blob: BlobWriter | undefined;
  return await readBackup(
    file,
    {
      async begin({ name }, { dataFormat }) {
        if (dataFormat > FORMAT)
          throw new GantryError("data_dir_version", `${file} is of a later release than this one`);
        blob = name === LEDGER_NAME ? undefined : await blobs.write();
      },
      async piece(bytes) {
        if (blob === undefined) await ledger.writeFile(bytes);
        else await blob.write(bytes);
      },
      async end() {
        if (blob === undefined) await ledger.sync();
        else await blob.finish();
      },
    },
    onProgress,
  );
}
