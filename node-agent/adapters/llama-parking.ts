// What a slot has read, kept in a file when another conversation takes the slot, and read back when its
// own comes again, after a restart too. Lives in the model's child process.
//
// LP1. A file belongs to one model file, one context and one build of this code: all are in its name's
//      hash. A state of anything else is never loaded: llama.cpp may die of it.
// LP2. At most LIMIT.parkedStates files; the oldest go. A file that cannot be read back is deleted, and
//      the prompt is read as if there were none.
// LP3. A file is read once: the slot has it then, and will be parked anew.

import { createHash } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { LlamaContextSequence } from "node-llama-cpp";

export interface Parking {
  /** Writes what the slot holds of this conversation, if it is worth it. Never throws. */
  park(session: string, sequence: LlamaContextSequence): Promise<void>;
  /** Fills the slot with what was parked of it, if there is more than `knownTokens`. Never throws. */
  restore(session: string, sequence: LlamaContextSequence, knownTokens: number): Promise<void>;
}

/** Fewer are read again sooner than a file is. */
const PARK_TOKENS_MIN = 256;
const FINGERPRINT_BYTES = 1_048_576;
const ENDING = ".state";

/** `folder` is made; files of other models in it are left alone. */
export async function openParking(
  folder: string,
  modelPath: string,
  contextTokens: number,
  tokensMin = PARK_TOKENS_MIN,
): Promise<Parking> {
  await mkdir(folder, { recursive: true });
  const model = await fingerprint(modelPath, contextTokens);
  const names = await readdir(folder);
  const ours = names.filter((name) => name.startsWith(`${model}-`) && name.endsWith(ENDING));
  const parked = new Map<string, number>(); // file name to tokens, the oldest first
  for (const name of ours) parked.set(name, Number(name.split("-")[2]?.slice(0, -ENDING.length)));

  const prefixOf = (session: string): string => `${model}-${hash(session).slice(0, 24)}-`;
  const nameOf = (session: string): string | undefined =>
    [...parked.keys()].find((name) => name.startsWith(prefixOf(session)));

  async function forget(name: string): Promise<void> {
    parked.delete(name);
    await rm(join(folder, name), { force: true }).catch(() => {});
  }

  return {
    async park(session, sequence) {
      const tokens = sequence.contextTokens.length;
      if (tokens < tokensMin) return;
      const name = `${prefixOf(session)}${tokens}${ENDING}`;
      const path = join(folder, name);
      try {
        await sequence.saveStateToFile(`${path}.part`);
        await rename(`${path}.part`, path);
        const before = nameOf(session);
        if (before !== undefined && before !== name) await forget(before);
        parked.delete(name);
        parked.set(name, tokens);
        for (const oldest of parked.keys()) {
          if (parked.size <= LIMIT.parkedStates.max) break;
          await forget(oldest); // LP2
        }
      } catch {
        await rm(`${path}.part`, { force: true }).catch(() => {}); // a full disk: it is read again instead
      }
    },
    async restore(session, sequence, knownTokens) {
      const name = nameOf(session);
      if (name === undefined || (parked.get(name) ?? 0) <= knownTokens) return;
      try {
        await sequence.clearHistory();
        await sequence.loadStateFromFile(join(folder, name), { acceptRisk: true }); // LP1 is why we may
      } catch {
        await sequence.clearHistory();
      }
      await forget(name); // LP2, LP3
    },
  };
}

/** LP1. The beginning and the end of a large file tell it from all others that have its size. */
async function fingerprint(path: string, contextTokens: number): Promise<string> {
  await using file = await open(path);
  const { size } = await stat(path);
  const digest = createHash("sha256").update(`1 ${size} ${contextTokens} `);
  for (const from of [0, Math.max(0, size - FINGERPRINT_BYTES)]) {
    const bytes = Buffer.alloc(Math.min(FINGERPRINT_BYTES, size));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    digest.update(bytes.subarray(0, bytesRead));
  }
  return digest.digest("hex").slice(0, 24);
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
