// Files that people name in words: "print bracket on ender". First what was printed before under that
// name, then the folder DATA_DIR/gcode on the hub. A file is scanned for the printer it is to run on.

import { opendir, open, realpath, stat } from "node:fs/promises";
import { basename, join, sep } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { DeviceRow, GcodeFacts } from "@gantry/shared/contract/rows.ts";
import { dialectOf, type GcodeLimits, makeScanner } from "@gantry/shared/gcode/scan.ts";
import { keepScan } from "../keep-scan.ts";
import type { Rows } from "../ledger/rows.ts";
import type { BlobStore } from "../ports.ts";

const PRINTS_LOOKED_AT = 500;
const FILES_LOOKED_AT = 5_000;
const SLICE_BYTES = 65_536; // about 2 ms of scanning; the main thread breathes between slices

export interface LibraryFile {
  readonly name: string;
  readonly gcode: GcodeFacts;
}

export interface Library {
  /** Throws not_found, or the scanner's gcode_* codes when the file is not for this printer. */
  find(name: string, printer: DeviceRow, signal: AbortSignal): Promise<LibraryFile>;
}

export function makeLibrary(rows: Rows, blobs: BlobStore, folder: string): Library {
  return {
    async find(name, printer, signal) {
      const limits = limitsOf(printer);
      const earlier = printedBefore(rows, name);
      if (earlier !== undefined) {
        await rescan(blobs, earlier.gcode, limits, signal); // it may have been for a larger bed
        return earlier;
      }
      const path = await pathOf(folder, name);
      return { name: basename(path), gcode: await takeIn(blobs, path, limits, signal) };
    },
  };
}

export const limitsOf = ({ printer }: DeviceRow): GcodeLimits => ({
  sizeMm: printer.sizeMm,
  nozzleMaxC: printer.nozzleMaxC,
  bedMaxC: printer.bedMaxC,
  dialect: dialectOf(printer.driver),
});

function printedBefore(rows: Rows, name: string): LibraryFile | undefined {
  const count = rows.get("count", "prints") ?? 0;
  for (let place = count - 1; place >= Math.max(0, count - PRINTS_LOOKED_AT); place -= 1) {
    const id = rows.get("order", `prints/${place}`);
    const print = id === undefined ? undefined : rows.get("print", id);
    if (print !== undefined && isNamed(print.name, name))
      return { name: print.name, gcode: print.gcode };
  }
  return undefined;
}

/** Case and the ending do not count: people say "bracket" for Bracket.gcode. */
const isNamed = (name: string, said: string): boolean => bareName(name) === bareName(said);
const bareName = (text: string): string => text.toLowerCase().replace(/\.(gcode|gco|g)$/u, "");

/** A name is looked up in the folder's listing, never joined to a path: no name can leave the folder. */
async function pathOf(folder: string, said: string): Promise<string> {
  let looked = 0;
  try {
    for await (const entry of await opendir(folder)) {
      looked += 1;
      if (looked > FILES_LOOKED_AT) break;
      if (!isNamed(entry.name, said)) continue;
      const path = await realpath(join(folder, entry.name));
      const isInside = path.startsWith(`${await realpath(folder)}${sep}`);
      if (isInside && (await stat(path)).isFile()) return path;
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new GantryError("io_error", `${folder} cannot be read`, { cause });
    }
  }
  const advice = `upload it (npx gantry print FILE --on PRINTER) or put it into ${folder}`;
  throw new GantryError("not_found", `There is no file called ${said}; ${advice}`);
}

async function takeIn(
  blobs: BlobStore,
  path: string,
  limits: GcodeLimits,
  signal: AbortSignal,
): Promise<GcodeFacts> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  if (size > LIMIT.gcodeBytes.max) throw new GantryError("too_large", `${path} has ${size} bytes`);
  const writer = await blobs.write();
  try {
    const scanner = makeScanner(limits);
    for await (const slice of file.readableWebStream()) {
      signal.throwIfAborted();
      const bytes = new Uint8Array(slice as ArrayBuffer); // a byte stream gives buffers
      scanner.push(bytes);
      await writer.write(bytes);
    }
    const facts = scanner.finish();
    return await keepScan(blobs, facts, await writer.finish());
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Throws the scanner's codes where the stored file is not for a printer of these limits. */
export async function rescan(
  blobs: Pick<BlobStore, "read">,
  gcode: GcodeFacts,
  limits: GcodeLimits,
  signal: AbortSignal,
): Promise<void> {
  const scanner = makeScanner(limits);
  for (let offset = 0; offset < gcode.sizeBytes; offset += SLICE_BYTES) {
    signal.throwIfAborted();
    scanner.push(await blobs.read(gcode.sha256, offset, SLICE_BYTES));
  }
  scanner.finish();
}
