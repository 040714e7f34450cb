// gantry backup: the whole state of the running cluster as one file here; --check reads such a file.
//
// BU1. A file has its final name only when all of it is on disk here and was read again and proven.
// BU2. Old backups in the folder go only after the new one is whole.

import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { readBackup, type ReadBackup } from "@gantry/shared/adapters/backup-file.ts";
import { syncFolder } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { badUsage, intOption, isOn } from "../args.ts";
import { type Command, type Context, show } from "../context.ts";
import { openClient } from "../opening.ts";
import { lookOf } from "../render/look.ts";
import { REDRAW, renderProgress } from "../render/progress.ts";
import { formatBytes } from "../render/units.ts";

/** A name that sorts by time: `gantry-20261121T135200Z.tar`. */
const NAME = /^gantry-\d{8}T\d{6}Z\.tar$/;

export const backup: Command = async (context) => {
  const { words, options, world } = context;
  const [word] = words;
  if (isOn(options, "check")) {
    if (word === undefined) throw badUsage(context.name, context.spec, "FILE is missing");
    const path = resolve(world.cwd, word);
    return showBackup(context, path, await prove(context, path));
  }
  const kept = intOption(options, "keep", { min: 1, max: 10_000 });
  const path = await targetOf(context, word);
  const isNamed = NAME.test(path.slice(dirname(path).length + 1));
  if (kept !== undefined && !isNamed)
    throw badUsage(context.name, context.spec, "--keep needs a folder, not a file");
  const proven = await fetchTo(context, path);
  if (kept !== undefined) await prune(dirname(path), kept); // BU2
  return showBackup(context, path, proven);
};

/** A file that does not exist yet; in a folder, one named by the time. */
async function targetOf({ world }: Context, word: string | undefined): Promise<string> {
  const path = resolve(world.cwd, word ?? ".");
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true || word?.endsWith("/") === true) {
    const time = new Date(world.clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, "");
    return join(path, `gantry-${time}.tar`);
  }
  if (found !== undefined) throw new GantryError("conflict", `${path} is there already`);
  return path;
}

/** BU1. */
async function fetchTo(context: Context, path: string): Promise<ReadBackup> {
  const { signal } = context.world;
  const beside = `${path}.part`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { bytes, sizeBytes } = await openClient(context).download({ signal });
  const draw = progress(context, "Saving");
  try {
    await using file = await open(beside, "w", 0o600);
    let doneBytes = 0;
    for await (const piece of bytes) {
      await file.writeFile(piece);
      doneBytes += piece.length;
      draw(doneBytes, sizeBytes ?? doneBytes);
    }
    await file.sync();
  } catch (error) {
    await rm(beside, { force: true });
    throw fileError(error, beside);
  }
  try {
    const proven = await prove(context, beside);
    await rename(beside, path);
    await syncFolder(dirname(path));
    return proven;
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

function fileError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOSPC") return new GantryError("disk_full", `There is no room for ${path}`);
  return error;
}

async function prove(context: Context, path: string): Promise<ReadBackup> {
  const proven = await readBackup(path, {}, progress(context, "Checking"));
  const { world } = context;
  const { missing } = proven.manifest;
  if (missing.length > 0)
    world.stderr.write(`${missing.length} files that prints name are on no hub, nor in here\n`);
  return proven;
}

/** One line on a terminal, drawn again for each hundredth. */
function progress({ world, isJson }: Context, label: string): (done: number, of: number) => void {
  const look = lookOf(world.stderr, world.env);
  let shown = -1;
  return (doneBytes, totalBytes) => {
    const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
    const step = Math.floor(share * 100);
    if (!look.isRich || isJson || step === shown) return;
    shown = step;
    const notes = [`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`];
    world.stderr.write(REDRAW + (share >= 1 ? "" : renderProgress(look, { label, share, notes })));
  };
}

async function prune(folder: string, kept: number): Promise<void> {
  const names = (await readdir(folder)).filter((name) => NAME.test(name)).toSorted();
  for (const name of names.slice(0, Math.max(0, names.length - kept))) await rm(join(folder, name));
}

function showBackup(
  context: Context,
  path: string,
  { manifest, sizeBytes, sha256 }: ReadBackup,
): void {
  const { parts: all, ...facts } = manifest;
  const files = all.length - 1;
  const madeAt = new Date(manifest.madeAtMs).toISOString();
  show(context, { path, sizeBytes, sha256, files, ...facts }, () =>
    [
      `${path}: whole, ${formatBytes(sizeBytes)}, sha256 ${sha256}`,
      `saved ${madeAt} by ${manifest.hub}, release ${manifest.version}: log entry ${manifest.index}, ${files} files`,
    ].join("\n"),
  );
}
