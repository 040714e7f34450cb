// A job's file by offset, through one descriptor that stays open.

import { open } from "node:fs/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { JobFile } from "../ports.ts";

/** Rejects with not_found or io_error. */
export async function openJobFile(path: string): Promise<JobFile> {
  const handle = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === "ENOENT" ? "not_found" : "io_error";
    throw new GantryError(code, `The job's file ${path} cannot be opened`, { cause });
  });
  const { size } = await handle.stat();
  return {
    sizeBytes: size,
    async read(offset, sizeBytes) {
      const bytes = new Uint8Array(sizeBytes);
      try {
        const { bytesRead } = await handle.read(bytes, 0, sizeBytes, offset);
        return bytes.subarray(0, bytesRead);
      } catch (cause) {
        throw new GantryError("io_error", `The job's file ${path} cannot be read`, { cause });
      }
    },
    close: () => handle.close(),
  };
}
