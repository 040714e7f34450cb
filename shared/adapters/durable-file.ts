// Small files that must survive a power cut whole: the old content or the new one, never a mixture.
//
// DF1. Written beside, fsynced, renamed over, and the folder fsynced: in that order.

import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Replaces `path`; makes its folder (0700) when missing. `mode` is for the file, e.g. 0o600. */
export async function writeFileDurably(path: string, text: string, mode: number): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beside = `${path}.new`;
  const file = await open(beside, "w", mode);
  try {
    await file.chmod(mode); // an older `.new` keeps its mode when it is opened again
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  await syncFolder(folder);
}

/** Makes the names in a folder durable: a rename or a new file is lost in a power cut without it. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
