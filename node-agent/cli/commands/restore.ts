// gantry restore: the hub's own restore, as a program of its own. Towers do not import each other, so
// this one is started, not called.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { badUsage, textOption } from "../args.ts";
import { type Command, wordAt } from "../context.ts";

/** The exit code is the restore's own. */
export const restore: Command = async (context) => {
  const { world, options, isJson } = context;
  const file = resolve(world.cwd, wordAt(context, 0, "The backup"));
  const dataDir = textOption(options, "data-dir");
  if (dataDir === undefined) throw badUsage(context.name, context.spec, "--data-dir is missing");
  const program = fileURLToPath(new URL("../../../hub/bin/restore.js", import.meta.url));
  if (!existsSync(program)) {
    throw new GantryError("capability_missing", `This machine has no hub: ${program} is missing`);
  }
  const words = [file, resolve(world.cwd, dataDir), ...(isJson ? ["--json"] : [])];
  return await world.runNode(program, words);
};
