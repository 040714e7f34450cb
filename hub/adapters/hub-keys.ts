// The hub's CURVE key pair: made once, kept in DATA_DIR/keys/link.json, readable by the hub alone.
//
// HK1. It is never replaced: every node and every join code holds its public half.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { curveKeyPair } from "zeromq";
import { z } from "zod";

const keysSchema = z.object({ publicKey: z.string().length(40), secretKey: z.string().length(40) });

/** Z85, 40 characters each. */
export type CurveKeys = Readonly<z.infer<typeof keysSchema>>;

/** Reads the keys, or makes them at the first start. Throws data_damaged (HK1), io_error. */
export function openHubKeys(dataDir: string): Promise<CurveKeys> {
  const advice = "restore it from a backup, or delete it and enrol every node again";
  return openKeysFile(join(dataDir, "keys", "link.json"), curveKeyPair, advice);
}

/** A key pair in a file of its own. `advice`: what to do when it is damaged. */
export async function openKeysFile(
  path: string,
  make: () => CurveKeys,
  advice: string,
): Promise<CurveKeys> {
  const text = await readIfThere(path);
  if (text !== undefined) return parseKeys(path, text, advice);
  const keys = make();
  await writeFileDurably(path, `${JSON.stringify(keys)}\n`, 0o600);
  return keys;
}

function parseKeys(path: string, text: string, advice: string): CurveKeys {
  try {
    return keysSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new GantryError("data_damaged", `${path} does not hold the hub's keys; ${advice}`, {
      cause,
    });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new GantryError("io_error", `${path} cannot be read`, { cause });
  }
}
