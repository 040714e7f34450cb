// The rows of ended runs as one compressed blob: a line of JSON for each run, all of it zstd. Many runs
// of one workflow are alike, so they are compressed together; one is read by unpacking them all, which
// is why a pack is small.
//
// PK1. What is unpacked is bounded before it is: a pack that would be larger is damaged.

import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { PackedRow } from "@gantry/shared/contract/run-commands.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Text of one run in a pack; no longer than LIMIT.runPackedBytes. */
export const packLine = (run: string, rows: readonly PackedRow[]): string =>
  JSON.stringify({ run, rows });

/** `lines`: of packLine, in the order of the command that names the pack. */
export const packRuns = (lines: readonly string[]): Promise<Uint8Array> =>
  compress(Buffer.from(lines.join("\n")));

/** Throws data_damaged. */
export async function unpackRun(
  bytes: Uint8Array,
  place: number,
  run: string,
): Promise<readonly PackedRow[]> {
  const maxOutputLength = 2 * LIMIT.runPackedBytes.max; // PK1
  try {
    const text = (await decompress(bytes, { maxOutputLength })).toString("utf8");
    const line = text.split("\n")[place] ?? "";
    const found = JSON.parse(line) as { run: string; rows: readonly PackedRow[] }; // packLine wrote it
    if (found.run === run) return found.rows;
  } catch (cause) {
    throw new GantryError("data_damaged", `The pack of ${run} cannot be read`, { cause });
  }
  throw new GantryError("data_damaged", `The pack has another run in the place of ${run}`);
}
