// Who this node is: DATA_DIR/agent/identity.json, 0600, written whole or not at all.
//
// ID1. Keys and secret are on disk before the hub hears of them: a node that dies between the hub's
//      `enrolled` and its own write asks again with the same keys and is the same node.
// ID2. A damaged identity is never replaced in silence: the hub would see a stranger.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { hubFactsSchema } from "@gantry/shared/contract/link.ts";
import { curveKeyPair } from "zeromq";
import { z } from "zod";
import type { Identity } from "../agent/ports.ts";

const SECRET_BYTES = 32;

const identitySchema = z.object({
  node: z.string().exactOptional(),
  publicKey: z.string().length(40),
  secretKey: z.string().length(40),
  secret: z.string().min(1),
  hubKey: z.string().length(40),
  // Missing from a node that has known one hub only.
  hubs: hubFactsSchema.exactOptional(),
  reign: z.object({ cluster: z.string(), term: z.number().int() }).exactOptional(),
});

const pathIn = (dataDir: string): string => join(dataDir, "agent", "identity.json");

/** Undefined at the first start. Throws data_damaged (ID2), io_error. */
export async function readIdentity(dataDir: string): Promise<Identity | undefined> {
  const path = pathIn(dataDir);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new GantryError("io_error", `${path} cannot be read`, { cause });
  }
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch (cause) {
    const advice = "restore it, or delete it and enrol this node with a new join code";
    throw new GantryError("data_damaged", `${path} is damaged; ${advice}`, { cause });
  }
}

/** Keys and a secret for a node that will ask the hub of `hubKey` for enrolment. */
export const makeIdentity = (hubKey: string): Identity => ({
  ...curveKeyPair(),
  secret: randomBytes(SECRET_BYTES).toString("base64url"),
  hubKey,
});

/** On disk, fsynced, when it resolves. */
export const writeIdentity = (dataDir: string, identity: Identity): Promise<void> =>
  writeFileDurably(pathIn(dataDir), `${JSON.stringify(identity)}\n`, 0o600);
