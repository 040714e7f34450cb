// Pieces of a model's file for another machine that fetches it through the hub. Who fetches checks the
// hash of the whole; here only what is known under that hash is read.

import { open } from "node:fs/promises";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { ModelPath } from "./ports.ts";

const PIECE_BYTES = 1_048_576;

/** The answer to one question for a piece. Never throws. */
export async function readModelPiece(
  { id, sha256, offset }: Extract<HubMessage, { type: "modelPiece" }>,
  find: (sha256: string) => ModelPath | undefined,
): Promise<NodeMessage> {
  try {
    const found = find(sha256);
    if (found === undefined) throw new GantryError("not_found", "This node has no such model file");
    await using file = await open(found.path).catch((cause: unknown) => {
      throw new GantryError("not_found", "The model file is gone", { cause });
    });
    const bytes = Buffer.alloc(Math.max(0, Math.min(PIECE_BYTES, found.sizeBytes - offset)));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
    const base64 = bytes.subarray(0, bytesRead).toString("base64");
    return { type: "modelPieceRead", id, bytes: base64, sizeBytes: found.sizeBytes };
  } catch (error) {
    return { type: "failed", id, error: toErrorRecord(error) };
  }
}
