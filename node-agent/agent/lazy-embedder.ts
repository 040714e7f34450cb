// An embedder that is known before it is loaded: its tag and dimensions are remembered on disk, so
// that a node that nobody asks for vectors never loads the ONNX runtime (about 60 MB).
//
// LE1. Only the very first start, and a start after the model file changed, loads it to learn them.
// LE2. What is remembered is a promise to the hub: a loaded embedder with another tag changes it.

import { readFile } from "node:fs/promises";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import { z } from "zod";
import type { Embedder } from "../runners/embed.ts";
import type { Embedding } from "./ports.ts";

const factSchema = z.object({ key: z.string(), tag: z.string(), dimensions: z.number().int() });
type Fact = z.infer<typeof factSchema>;

export interface LazyEmbedderOptions {
  /** Where the facts are remembered. */
  readonly path: string;
  /** Changes when the model does: its path, size and time. */
  readonly key: string;
  readonly start: (signal: AbortSignal) => Promise<Embedder>;
  readonly log: Logger;
  readonly onChange: () => void;
}

export interface LazyEmbedder {
  readonly fact: { readonly tag: string; readonly dimensions: number } | undefined;
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embedding>;
  close(): Promise<void>;
}

export async function openLazyEmbedder(
  { path, key, start, log, onChange }: LazyEmbedderOptions,
  scope: Scope,
): Promise<LazyEmbedder> {
  const remembered = await readFact(path);
  let fact = remembered?.key === key ? remembered : undefined;
  let starting: Promise<Embedder> | undefined;

  async function load(): Promise<Embedder> {
    const embedder = await start(scope.signal);
    const { tag, dimensions } = embedder;
    if (fact?.tag !== tag) {
      fact = { key, tag, dimensions };
      await writeFileDurably(path, JSON.stringify(fact), 0o600);
      onChange(); // LE2
    }
    return embedder;
  }

  /** One load at a time; a failed one is tried again by the next caller. */
  function loaded(): Promise<Embedder> {
    starting ??= load().catch((error: unknown) => {
      starting = undefined;
      throw error;
    });
    return starting;
  }

  if (fact === undefined) {
    scope.start("embedder", async (signal) => {
      await loaded().catch((error: unknown) => {
        if (!signal.aborted) log.warn({ error }, "the embedder is not offered"); // LE1
      });
    });
  }

  return {
    get fact() {
      return fact === undefined ? undefined : { tag: fact.tag, dimensions: fact.dimensions };
    },
    async embed(texts, signal) {
      const embedder = await loaded();
      const { vectors, tokens } = await embedder.embed(texts, signal);
      return { tag: embedder.tag, vectors: vectors.map((vector) => [...vector]), tokens };
    },
    async close() {
      const embedder = await starting?.catch(() => {});
      await embedder?.close();
    },
  };
}

async function readFact(path: string): Promise<Fact | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return factSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new GantryError("data_damaged", `${path} is damaged; delete it`, { cause });
  }
}
