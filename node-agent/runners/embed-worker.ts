// The worker thread of the embedder: turns texts into vectors, one batch after another.
//
// EW1. A text's tokens are the ids that the model was given for it: after the cut at TOKENS_MAX, with
//      the model's own marks ([CLS], [SEP]), without padding. The lexical model's ids are features.

import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { present } from "@gantry/shared/base/assert.ts";
import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { type Matrix, openSession, type Session } from "../adapters/onnx.ts";
import { type EmbedderFacts, embedderFacts } from "../rules/embedder-tag.ts";
import { lexicalFeatures } from "../rules/lexical-model.ts";
import { normalised, type Pooling, pool } from "../rules/pooling.ts";
import { parseVocabulary, wordPieces } from "../rules/word-piece.ts";

export type EmbedModel =
  | { readonly kind: "lexical"; readonly modelPath: string }
  | {
      readonly kind: "encoder";
      readonly modelPath: string;
      readonly vocabPath: string;
      readonly pooling: Pooling;
    };

/** What became of one text. */
export interface TextVector {
  readonly vector: Float32Array;
  /** EW1. At least 1. */
  readonly tokens: number;
}

export interface ToEmbedWorker {
  readonly texts: readonly string[];
}

export type FromEmbedWorker =
  | { readonly kind: "ready"; readonly facts: EmbedderFacts }
  | { readonly kind: "vectors"; readonly vectors: readonly TextVector[] }
  | { readonly kind: "failed"; readonly error: ErrorRecord };

type Embed = (texts: readonly string[]) => Promise<TextVector[]>;

const TOKENS_MAX = 256;
/** Texts per run; more only makes the padding longer. */
const BATCH_MAX = 32;

const port = present(parentPort, "the port of the embedder's worker");
const say = (message: FromEmbedWorker): void => port.postMessage(message);

await start(workerData as EmbedModel);

async function start(model: EmbedModel): Promise<void> {
  try {
    const embed = await openModel(model);
    const dimensions = (await embed(["probe"]))[0]?.vector.length ?? 0;
    const pooling = model.kind === "lexical" ? "lexical" : model.pooling;
    port.on("message", (message: ToEmbedWorker) => void answer(embed, message.texts));
    const facts = embedderFacts(readFileSync(model.modelPath), pooling, dimensions);
    say({ kind: "ready", facts });
  } catch (error) {
    say({ kind: "failed", error: recordOf(error) });
    port.close();
  }
}

async function answer(embed: Embed, texts: readonly string[]): Promise<void> {
  try {
    say({ kind: "vectors", vectors: await inBatches(embed, texts) });
  } catch (error) {
    say({ kind: "failed", error: recordOf(error) });
  }
}

/** Texts of like length go together, so that little is padded; the order comes back as it was. */
async function inBatches(embed: Embed, texts: readonly string[]): Promise<TextVector[]> {
  const order = [...texts.keys()].toSorted(
    (a, b) => (texts[a]?.length ?? 0) - (texts[b]?.length ?? 0),
  );
  const vectors: TextVector[] = Array.from({ length: texts.length });
  for (let from = 0; from < order.length; from += BATCH_MAX) {
    const batch = order.slice(from, from + BATCH_MAX);
    const made = await embed(batch.map((index) => texts[index] ?? ""));
    for (const [at, index] of batch.entries()) vectors[index] = present(made[at], "a vector");
  }
  return vectors;
}

async function openModel(model: EmbedModel): Promise<Embed> {
  const session = await openSession(model.modelPath);
  if (model.kind === "lexical") return (texts) => embedLexical(session, texts);
  if (!session.inputs.includes("input_ids")) {
    throw new GantryError("model_invalid", `${model.modelPath} does not take input_ids`);
  }
  const vocabulary = parseVocabulary(readVocabulary(model.vocabPath));
  return async (texts) => {
    const rows = texts.map((text) => wordPieces(text, vocabulary, TOKENS_MAX));
    const ids = matrixOf("int64", rows);
    const mask = matrixOf(
      "int64",
      rows.map((row) => row.map(() => 1)),
    );
    const types = matrixOf(
      "int64",
      rows.map((row) => row.map(() => 0)),
    );
    const known = { input_ids: ids, attention_mask: mask, token_type_ids: types };
    const feeds = Object.entries(known).filter(([name]) => session.inputs.includes(name));
    const { values, dimensions } = await session.run(Object.fromEntries(feeds));
    const tokens = rows.map((row) => row.length);
    const vectors = pool(values, tokens, dimensions, model.pooling);
    return vectors.map((vector, row) => ({ vector, tokens: present(tokens[row], "a row") }));
  };
}

async function embedLexical(session: Session, texts: readonly string[]): Promise<TextVector[]> {
  const features = texts.map(lexicalFeatures);
  const { values, dimensions } = await session.run({
    ids: matrixOf(
      "int64",
      features.map(({ ids }) => ids),
    ),
    weights: matrixOf(
      "float32",
      features.map(({ weights }) => weights),
    ),
  });
  return features.map(({ ids }, row) => ({
    vector: normalised(values.slice(row * dimensions, (row + 1) * dimensions)),
    tokens: ids.length,
  }));
}

/** Rows filled up with zeros: padding id, mask off, weight none. */
function matrixOf(kind: Matrix["kind"], rows: readonly (readonly number[])[]): Matrix {
  const columns = Math.max(...rows.map((row) => row.length));
  const values = rows.flatMap((row) => [
    ...row,
    ...Array.from({ length: columns - row.length }, () => 0),
  ]);
  return { kind, rows: rows.length, columns, values };
}

function readVocabulary(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new GantryError("model_invalid", `The vocabulary ${path} cannot be read`, { cause });
  }
}

/** onnxruntime's words name files and operators, never a text: they are kept. */
function recordOf(error: unknown): ErrorRecord {
  if (error instanceof GantryError) return toErrorRecord(error);
  const words = error instanceof Error ? error.message : String(error);
  return { code: "model_failed", message: `The embedder failed: ${words}` };
}
