// A backup of a running cluster, by the hub that was asked: every row of one log entry, and every file
// that a row names.
//
// MK1. Everything acknowledged by any hub before the call is in it: the rows are taken after a
//      linearizable read's barrier.
// MK2. The rows are those of one moment; commits go on beside it.
// MK3. One at a time is prepared; the copy of the rows lives in DATA_DIR/backup until its reader has
//      opened it. One that nobody opened within LEFT_MS goes at the next backup.
// MK4. A file that a row names and this hub lacks is fetched from another hub; one that no hub has is
//      named in the manifest as missing, and the rest is saved all the same.

import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { startSha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import {
  BACKUP_FORMAT,
  type BackupManifest,
  blobPartName,
  LEDGER_NAME,
} from "@gantry/shared/contract/backup.ts";
import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import type { RunPackRow } from "@gantry/shared/contract/run-rows.ts";
import { blobsOfPrint } from "../keep-scan.ts";
import type { BlobStore, OrderedStore } from "../ports.ts";
import type { HubCore } from "../roots/core.ts";
import { encodeSnapshot, type SnapshotFacts } from "../replica/snapshot-codec.ts";

const LEFT_MS = 600_000;

export interface BackupParts {
  readonly core: Pick<HubCore, "hub" | "ledgerStore" | "clusterId" | "founders" | "isWitness">;
  /** Reads through to other hubs. */
  readonly blobs: BlobStore;
  /** Of the data folder. */
  readonly root: string;
  readonly dataFormat: number;
  readonly version: string;
}

/** What the door streams. `ledgerPath` never leaves the hub. */
export interface PreparedBackup {
  readonly manifest: BackupManifest;
  /** To be removed by whoever opens it (MK3). */
  readonly ledgerPath: string;
}

/** Throws busy, capability_missing at a witness, disk_full, io_error, no_leader. */
export function makeBackups(parts: BackupParts): (signal: AbortSignal) => Promise<PreparedBackup> {
  const folder = join(parts.root, "backup");
  let isBusy = false;
  return async (signal) => {
    if (parts.core.isWitness)
      throw new GantryError("capability_missing", "A witness holds no state: ask another hub");
    if (isBusy)
      throw new GantryError("busy", "Another backup is being prepared", {
        details: { retryAfterS: 5 },
      });
    isBusy = true;
    try {
      return await prepare(parts, folder, signal);
    } finally {
      isBusy = false;
    }
  };
}

async function prepare(
  { core, blobs, dataFormat, version }: BackupParts,
  folder: string,
  signal: AbortSignal,
): Promise<PreparedBackup> {
  const { hub, ledgerStore } = core;
  await hub.replica.barrier(signal); // MK1
  await hub.replica.checkpoint();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await sweep(folder, hub.clock.now());
  const ledgerPath = join(folder, `${randomUUID()}.snap`);
  const ledger = await writeLedger(ledgerPath, ledgerStore);
  const parts = [{ name: LEDGER_NAME, sizeBytes: ledger.facts.sizeBytes, sha256: ledger.sha256 }];
  const missing: string[] = [];
  for (const sha256 of await namedBlobs(ledgerStore)) {
    signal.throwIfAborted();
    const sizeBytes = await sizeOf(blobs, sha256);
    if (sizeBytes === undefined) missing.push(sha256);
    else parts.push({ name: blobPartName(sha256), sizeBytes, sha256 });
  }
  const { index } = ledger.facts;
  hub.log.info({ index, parts: parts.length, missing: missing.length }, "prepared a backup");
  const manifest: BackupManifest = {
    format: BACKUP_FORMAT,
    madeAtMs: hub.clock.now(),
    version,
    dataFormat,
    clusterId: core.clusterId,
    hub: hub.id,
    founders: [...core.founders],
    voters: [...(ledger.facts.membership?.voters ?? [hub.id])],
    index,
    missing,
    parts,
  };
  return { manifest, ledgerPath };
}

/** MK3. */
async function sweep(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const { mtimeMs } = await stat(join(folder, name));
    if (nowMs - mtimeMs > LEFT_MS) await rm(join(folder, name), { force: true });
  }
}

/** MK2. */
async function writeLedger(
  path: string,
  store: OrderedStore,
): Promise<{ readonly facts: SnapshotFacts; readonly sha256: string }> {
  try {
    await using file = await open(path, "w", 0o600);
    const hasher = startSha256();
    const facts = await encodeSnapshot(store, async (bytes) => {
      hasher.update(bytes);
      await file.writeFile(bytes);
    });
    return { facts, sha256: hasher.hex() };
  } catch (cause) {
    await rm(path, { force: true });
    if (cause instanceof GantryError) throw cause;
    const isFull = (cause as { code?: unknown }).code === "ENOSPC";
    throw new GantryError(
      isFull ? "disk_full" : "io_error",
      `The rows cannot be copied to ${path}`,
      { cause },
    );
  }
}

/** Read after the rows were copied: what is named is never removed but for packs, so none that the copy names is left out. */
async function namedBlobs(store: OrderedStore): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  const decoder = new TextDecoder();
  for (const heat of ["hot", "cold"]) {
    for await (const [, value] of store.entries({ gte: `${heat}/print/`, lt: `${heat}/print0` })) {
      const print = JSON.parse(decoder.decode(value)) as PrintRow; // written by the ledger alone
      for (const sha256 of blobsOfPrint(print.gcode)) named.add(sha256);
    }
  }
  const outputs = store.entries({ gte: "cold/order/runBlobs/", lt: "cold/order/runBlobs0" });
  for await (const [, value] of outputs) named.add(JSON.parse(decoder.decode(value)) as string);
  const packs = store.entries({ gte: "cold/runPack/", lt: "cold/runPack0" });
  for await (const [, value] of packs)
    named.add((JSON.parse(decoder.decode(value)) as RunPackRow).sha256);
  return named;
}

/** MK4. */
async function sizeOf(blobs: BlobStore, sha256: string): Promise<number | undefined> {
  const known = await blobs.size(sha256);
  if (known !== undefined) return known;
  await blobs.read(sha256, 0, 1).catch(() => undefined);
  return blobs.size(sha256);
}
