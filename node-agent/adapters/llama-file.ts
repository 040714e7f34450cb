// Reads the header of a model file on disk, without llama.cpp: for the list of models, and before a
// child is loaded, because the library retries an unreadable file for seconds.

import { open } from "node:fs/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type GgufFacts, readGguf } from "../rules/gguf.ts";

export interface ModelFile extends GgufFacts {
  readonly path: string;
  readonly sizeBytes: number;
}

const HEAD_BYTES_FIRST = 262_144;
/** The largest vocabularies seen take 12 MB. */
const HEAD_BYTES_MAX = 67_108_864;

/** Throws model_invalid, naming the path, for what is not a whole GGUF file. Reads the header only. */
export async function readModelFile(path: string, signal: AbortSignal): Promise<ModelFile> {
  const invalid = (reason: string, cause?: unknown): GantryError =>
    new GantryError("model_invalid", `${path} is not a usable model: ${reason}`, { cause });
  await using file = await open(path).catch((cause: unknown) => {
    throw invalid("it cannot be opened", cause);
  });
  const status = await file.stat();
  if (!status.isFile()) throw invalid("it is not a file");
  const sizeBytes = status.size;
  for (let bytes = HEAD_BYTES_FIRST; ; bytes *= 4) {
    signal.throwIfAborted();
    const head = new Uint8Array(Math.min(bytes, sizeBytes));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const reading = readGguf(head.subarray(0, bytesRead));
    if (reading.kind === "invalid") throw invalid(reading.reason);
    if (reading.kind === "read") {
      if (sizeBytes < reading.sizeBytesMin) throw invalid("it is cut off; pull it again");
      return { ...reading.facts, path, sizeBytes };
    }
    if (bytes >= sizeBytes) throw invalid("it is cut off; pull it again");
    if (bytes >= HEAD_BYTES_MAX) throw invalid("its header is larger than 64 MiB");
  }
}
