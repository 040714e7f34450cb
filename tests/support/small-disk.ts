// Test equipment: a small disk of one's own (tmpfs), which needs root, and filling it.

import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const mountDisk = (folder: string, sizeMib: number): boolean =>
  spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMib}m,mode=700`, "gantry-test", folder])
    .status === 0;
export const unmountDisk = (folder: string): boolean =>
  spawnSync("umount", ["-l", folder]).status === 0;

/** Where it is false the test is shown as skipped. */
export function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "gantry-mount-"));
  const isMounted = mountDisk(folder, 1);
  if (isMounted) unmountDisk(folder);
  rmdirSync(folder);
  return isMounted;
}

/** Takes every page that is left; how many bytes that were. Throws what is not a full disk. */
export function fillDisk(path: string): number {
  const file = openSync(path, "w");
  let bytes = 0;
  try {
    for (const page = Buffer.alloc(4_096, 1); ;) bytes += writeSync(file, page);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    return bytes;
  } finally {
    closeSync(file);
  }
}
