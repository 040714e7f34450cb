// The data folder: made at the first start, marked with the version of its format, and readable by
// its owner alone.

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";

/** 2: the log is in segments (log-folder.ts). A folder of format 1 is taken over as it is opened. */
export const FORMAT = 2;
const FORMATS_READ: readonly unknown[] = [1, FORMAT];

export interface DataDir {
  readonly root: string;
  readonly log: string;
  /** The tail mark of the log (tail-mark.ts). */
  readonly logTail: string;
  readonly ledger: string;
  readonly snapshots: string;
  readonly blobs: string;
  readonly gcode: string;
  readonly token: string;
  /** Room that is given up when the disk is full (disk-room.ts). */
  readonly ballast: string;
}

export const pathsIn = (root: string): DataDir => ({
  root,
  log: join(root, "log"),
  logTail: join(root, "log.tail"),
  ledger: join(root, "ledger"),
  snapshots: join(root, "snapshots"),
  blobs: join(root, "blobs"),
  gcode: join(root, "gcode"),
  token: join(root, "token"),
  ballast: join(root, "ballast"),
});

/** Throws data_dir_version for a folder of another release, io_error. */
export async function openDataDir(root: string): Promise<DataDir> {
  const paths = pathsIn(root);
  try {
    for (const path of [root, paths.log, paths.ledger, paths.blobs, paths.gcode]) {
      await mkdir(path, { recursive: true, mode: 0o700 });
    }
  } catch (cause) {
    throw new GantryError("io_error", `The data folder ${root} cannot be made`, { cause });
  }
  const path = join(root, "format.json");
  if ((await readFormat(root)) !== FORMAT) {
    await writeFileDurably(path, `${JSON.stringify({ format: FORMAT })}\n`, 0o600);
  }
  return paths;
}

/** The format of a data folder, checked; undefined where there is none yet. */
export async function readFormat(root: string): Promise<number | undefined> {
  const path = join(root, "format.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return undefined;
  }
  const { format } = parse(path, text);
  if (!FORMATS_READ.includes(format)) {
    throw new GantryError(
      "data_dir_version",
      `${root} has format ${String(format)}, this release reads ${FORMATS_READ.join(" and ")}; use the release that wrote it`,
    );
  }
  return Number(format);
}

function parse(path: string, text: string): { format: unknown } {
  try {
    return JSON.parse(text) as { format: unknown };
  } catch (cause) {
    throw new GantryError("data_damaged", `${path} is not readable`, { cause });
  }
}
