// One log entry's bytes: [version u8][JSON array of commands, UTF-8]. Empty data is the entry that
// opens a term and holds no command.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";

const VERSION = 1;

/** `commands`: already encoded one by one, so that a batch can be bounded by bytes as it grows. */
export function encodeEntry(commands: readonly string[]): Uint8Array {
  const json = Buffer.from(`[${commands.join(",")}]`, "utf8");
  const data = Buffer.allocUnsafe(1 + json.length);
  data[0] = VERSION;
  data.set(json, 1);
  return data;
}

/** Throws data_damaged, or data_dir_version for an entry of a later release. */
export function decodeEntry(index: number, data: Uint8Array): readonly Command[] {
  if (data.length === 0) return [];
  if (data[0] !== VERSION) {
    throw new GantryError("data_dir_version", `Log entry ${index} has version ${data[0]}`);
  }
  try {
    return JSON.parse(
      Buffer.from(data.buffer, data.byteOffset + 1, data.length - 1).toString(),
    ) as Command[];
  } catch (cause) {
    throw new GantryError("data_damaged", `Log entry ${index} is not JSON`, { cause });
  }
}
