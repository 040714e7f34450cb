// gantry doctor: the hub's own examination of its stored data, as a program of its own. Towers do not
// import each other, so this one is started, not called.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { readClientConfig } from "@gantry/shared/contract/config.ts";
import { type Command, readText } from "../context.ts";

/** The exit code is the doctor's own. */
export const doctor: Command = async ({ world, words, isJson }) => {
  const [dataDir = readClientConfig(world.env, readText).dataDir] = words;
  const program = fileURLToPath(new URL("../../../hub/bin/doctor.js", import.meta.url));
  if (!existsSync(program)) {
    throw new GantryError("capability_missing", `This machine has no hub: ${program} is missing`);
  }
  return await world.runNode(program, isJson ? [dataDir, "--json"] : [dataDir]);
};
