// GET /api/backup: the whole backup as one download. Its length is known before its first byte, so a
// client that got less knows it.

import { backupBytes, BACKUP_MEDIA_TYPE } from "@gantry/shared/contract/backup.ts";
import { manifestBytes } from "@gantry/shared/adapters/backup-file.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { PreparedBackup } from "../../backup/make-backup.ts";
import { streamBackup } from "../../backup/stream.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";

/** Copying the rows: 10 GB at 20 MB/s. */
const PREPARE_MS = 500_000;

export const backup =
  ({ desk, blobs, clock, log }: DoorDeps): Handler =>
  async (c) => {
    const request = await readRequest(c, "backup");
    const prepared = (await within(clock, PREPARE_MS, c.req.raw.signal, (signal) =>
      desk.call("backup", request, { signal }),
    )) as PreparedBackup; // made by hub/backup/make-backup.ts
    const { manifest } = prepared;
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      try {
        yield* streamBackup(prepared, blobs);
      } catch (error) {
        log.error({ error: toErrorRecord(error) }, "a backup broke off");
        throw error;
      }
    }
    const body = ReadableStream.from(pieces());
    const name = `gantry-${manifest.index}.tar`;
    return new Response(body, {
      headers: {
        "content-type": BACKUP_MEDIA_TYPE,
        "content-length": String(backupBytes(manifestBytes(manifest).length, manifest.parts)),
        "content-disposition": `attachment; filename="${name}"`,
      },
    });
  };
