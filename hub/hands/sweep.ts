// Blobs that no row names are deleted after a day: uploads that were never submitted, files of prints
// that have left the history. What a run has named stays.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { Hub } from "../hub.ts";
import { blobsOfPrint } from "../keep-scan.ts";
import { ARTIFACTS_DROPPED } from "../ledger/domains/artifacts.ts";
import { PACKS_DROPPED } from "../ledger/domains/run-history.ts";
import type { BlobStore } from "../ports.ts";

const HOUR_MS = 3_600_000;
const KEPT_MS = LIFE.partFilesMs;

/** Once an hour, until the signal aborts. */
export async function sweepBlobs(hub: Hub, blobs: BlobStore, signal: AbortSignal): Promise<void> {
  for (;;) {
    await hub.clock.sleep(HOUR_MS, signal);
    const named = namedBlobs(hub);
    try {
      const swept = await blobs.sweep((sha256) => named.has(sha256), KEPT_MS);
      if (swept > 0) hub.log.info({ swept }, "swept blobs that nothing names");
    } catch (error) {
      hub.log.warn({ error: toErrorRecord(error) }, "blobs could not be swept");
    }
  }
}

function namedBlobs({ rows }: Hub): ReadonlySet<string> {
  const named = new Set<string>();
  const count = rows.get("count", "prints") ?? 0;
  for (let place = 0; place < count; place += 1) {
    const id = rows.get("order", `prints/${place}`);
    const print = id === undefined ? undefined : rows.get("print", id);
    for (const sha256 of print === undefined ? [] : blobsOfPrint(print.gcode)) named.add(sha256);
  }
  const ofRuns = rows.get("count", "runBlobs") ?? 0;
  for (let place = 0; place < ofRuns; place += 1) {
    const sha256 = rows.get("order", `runBlobs/${place}`);
    if (sha256 !== undefined) named.add(sha256);
  }
  for (const { text } of rows.hot("document").values()) named.add(text);
  const artifacts = rows.get("count", "artifacts") ?? 0;
  for (let number = rows.get("count", ARTIFACTS_DROPPED) ?? 0; number < artifacts; number += 1) {
    const id = rows.get("order", `artifacts/${number}`);
    const files = id === undefined ? undefined : rows.get("artifact", id)?.files;
    for (const file of Object.values(files ?? {})) named.add(file.sha256);
  }
  const packs = rows.get("count", "runPacks") ?? 0;
  for (let number = rows.get("count", PACKS_DROPPED) ?? 0; number < packs; number += 1) {
    const pack = rows.get("runPack", String(number));
    if (pack !== undefined) named.add(pack.sha256);
  }
  return named;
}
