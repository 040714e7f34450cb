// A download onto the disk. It has its final name only when all of it is here.

import { open, rename, rm } from "node:fs/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Download } from "@gantry/shared/client/client.ts";

/** Gives the bytes written. Throws interrupted for a file that is cut short; nothing stays then. */
export async function saveAt(path: string, { bytes, sizeBytes }: Download): Promise<number> {
  const beside = `${path}.part`;
  let doneBytes = 0;
  try {
    await using target = await open(beside, "w", 0o600);
    for await (const piece of bytes) {
      await target.writeFile(piece);
      doneBytes += piece.length;
    }
    await target.sync();
    if (sizeBytes !== undefined && doneBytes !== sizeBytes) {
      throw new GantryError("interrupted", `Only ${doneBytes} of ${sizeBytes} bytes came`);
    }
    await rename(beside, path);
    return doneBytes;
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
