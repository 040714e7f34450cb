// Turns texts into vectors, in a worker thread that lives only while it is needed.
//
// M1. One batch is in the worker at a time; what arrives meanwhile goes together into the next one.
//     So the busier it is, the larger and cheaper the batches (requirement: batch, cache, async).
// M2. At most WAITING_TEXTS_MAX texts wait; then `busy`.
// M3. The worker ends after `idleMs` without work and comes back with the next text. It must come
//     back with the same tag: a model file that was changed underneath is `model_invalid`, because
//     its vectors may not be compared with the stored ones.

import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { present } from "@gantry/shared/base/assert.ts";
import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { LEXICAL_DIMENSIONS, writeLexicalModel } from "../rules/lexical-model.ts";
import { type EmbedderFacts, embedderFacts } from "../rules/embedder-tag.ts";
import type { Pooling } from "../rules/pooling.ts";
import type { EmbedModel, FromEmbedWorker, TextVector } from "./embed-worker.ts";

/** A model of the operator's, or the built-in one, whose file is made in `lexicalFolder`. */
export type EmbedderSource =
  | { readonly modelPath: string; readonly vocabPath: string; readonly pooling?: Pooling }
  | { readonly lexicalFolder: string };

export interface EmbedderPorts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: 5 minutes. */
  readonly idleMs?: number;
}

export interface Embedded {
  readonly vectors: readonly Float32Array[];
  /** EW1 of embed-worker.ts, over all texts. */
  readonly tokens: number;
}

export interface Embedder extends AsyncDisposable {
  /** Vectors of different tags must never be compared. */
  readonly tag: string;
  readonly dimensions: number;
  readonly isLoaded: boolean;
  /**
   * One vector of length 1 for each text, in order, and how many tokens the model saw for them. A
   * text whose vector was kept counts as often as it is asked for. Throws bad_request for too many or too long
   * texts, busy, model_failed, model_invalid, timeout, and the signal's reason.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embedded>;
  close(): Promise<void>;
}

const IDLE_MS = 300_000;
const TEXTS_MAX = 256;
const WAITING_TEXTS_MAX = 2_048;
const TEXT_CHARS_MAX = 32_768;
/** Recent texts whose vectors are kept: a question is embedded for the cache and for memory. */
const CACHED_MAX = 512;
const BATCH_MS_MAX = TIMEOUT.firstTokenMs;

interface Call {
  readonly texts: readonly string[];
  readonly resolve: (vectors: readonly TextVector[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Learns the tag: of the built-in model from its file alone, of another one by loading it once;
 * throws model_invalid. The caller closes it.
 */
export async function startEmbedder(
  source: EmbedderSource,
  ports: EmbedderPorts,
  signal: AbortSignal,
): Promise<Embedder> {
  const model = await modelOf(source);
  const { clock, log, idleMs = IDLE_MS } = ports;
  const scope = makeScope((name, error) => log.error({ error }, name));
  const cached = new Map<string, TextVector>();
  const waiting: Call[] = [];
  let facts = model.kind === "lexical" ? await lexicalFacts(model.modelPath) : undefined;
  let worker: EmbedWorker | undefined;
  let usedAtMs = clock.monotonic();
  let isServing = false;
  let isClosed = false;

  async function serve(signal: AbortSignal): Promise<void> {
    while (waiting.length > 0 && !signal.aborted) {
      const calls = nextBatch();
      const texts = calls.flatMap((call) => call.texts);
      try {
        worker ??= await open(signal);
        const vectors = await worker.embed(texts, clock.timeout(BATCH_MS_MAX, signal));
        usedAtMs = clock.monotonic();
        let from = 0;
        for (const call of calls) {
          call.resolve(vectors.slice(from, from + call.texts.length));
          from += call.texts.length;
        }
      } catch (error) {
        await drop();
        const fault = error instanceof Error ? error : new Error(String(error));
        for (const call of calls) call.reject(fault);
      }
    }
  }

  /** The oldest calls that fit into one batch; at least one. */
  function nextBatch(): Call[] {
    const calls = waiting.splice(0, 1);
    let count = calls[0]?.texts.length ?? 0;
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      count += next.texts.length;
      if (count > TEXTS_MAX) break;
      waiting.shift();
      calls.push(next);
    }
    return calls;
  }

  async function open(signal: AbortSignal): Promise<EmbedWorker> {
    const opened = openWorker(model);
    const found = await opened
      .ready(clock.timeout(TIMEOUT.answerMs, signal))
      .catch(async (error: unknown) => {
        await opened.end();
        throw error;
      });
    if (facts !== undefined && facts.tag !== found.tag) {
      await opened.end();
      throw new GantryError("model_invalid", `${model.modelPath} was changed; restart the agent`);
    }
    facts = found;
    log.info({ tag: found.tag }, "embedder loaded");
    scope.start("idle", (signal) => endWhenIdle(opened, signal));
    return opened;
  }

  async function endWhenIdle(watched: EmbedWorker, signal: AbortSignal): Promise<void> {
    for (let restMs = idleMs; restMs > 0; restMs = isServing ? idleMs : restOfIdleMs()) {
      await clock.sleep(restMs, signal);
    }
    if (worker === watched) await drop();
  }

  const restOfIdleMs = (): number => usedAtMs + idleMs - clock.monotonic();

  async function drop(): Promise<void> {
    const ending = worker;
    worker = undefined;
    await ending?.end();
  }

  function ask(texts: readonly string[], signal: AbortSignal): Promise<readonly TextVector[]> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(reasonOf(signal));
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      const settle =
        <T>(tell: (value: T) => void) =>
        (value: T): void => {
          signal.removeEventListener("abort", onAbort);
          tell(value);
        };
      waiting.push({ texts, resolve: settle(resolve), reject: settle(reject) });
      if (isServing) return;
      isServing = true;
      scope.start("serve", async (signal) => {
        await serve(signal).finally(() => (isServing = false));
      });
    });
  }

  async function embed(texts: readonly string[], signal: AbortSignal): Promise<Embedded> {
    checkTexts(texts);
    if (isClosed) throw new GantryError("stopping", "The embedder is closed");
    const missing = [...new Set(texts.filter((text) => !cached.has(text)))];
    const found = new Map(texts.map((text) => [text, cached.get(text)]));
    const waitingTexts = waiting.reduce((sum, call) => sum + call.texts.length, 0);
    if (waitingTexts + missing.length > WAITING_TEXTS_MAX) {
      throw new GantryError("busy", `${waitingTexts} texts wait for the embedder`);
    }
    const made = missing.length === 0 ? [] : await ask(missing, signal);
    for (const [index, text] of missing.entries()) {
      found.set(text, made[index]);
      keep(text, present(made[index], "a vector"));
    }
    // Copies: a caller that writes into its vector must not write into ours.
    const all = texts.map((text) => present(found.get(text), "a vector"));
    return {
      vectors: all.map(({ vector }) => vector.slice()),
      tokens: all.reduce((sum, { tokens }) => sum + tokens, 0),
    };
  }

  function keep(text: string, vector: TextVector): void {
    cached.set(text, vector);
    const oldest = cached.size > CACHED_MAX ? cached.keys().next().value : undefined;
    if (oldest !== undefined) cached.delete(oldest);
  }

  async function close(): Promise<void> {
    isClosed = true;
    await scope.close();
    for (const call of waiting.splice(0)) {
      call.reject(new GantryError("stopping", "The embedder is closed"));
    }
    await drop();
  }

  try {
    if (facts === undefined) await ask(["probe"], signal);
  } catch (error) {
    await close();
    throw error;
  }
  const { tag, dimensions } = present(facts, "the embedder's facts");
  return {
    tag,
    dimensions,
    get isLoaded() {
      return worker !== undefined;
    },
    embed,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function checkTexts(texts: readonly string[]): void {
  if (texts.length > TEXTS_MAX) {
    throw new GantryError(
      "bad_request",
      `${texts.length} texts at once; ${TEXTS_MAX} are the most`,
    );
  }
  const long = texts.findIndex((text) => text.length > TEXT_CHARS_MAX);
  if (long < 0) return;
  throw new GantryError("bad_request", `Text ${long} has over ${TEXT_CHARS_MAX} characters`, {
    details: { field: `texts.${long}` },
  });
}

async function modelOf(source: EmbedderSource): Promise<EmbedModel> {
  if ("modelPath" in source) return { kind: "encoder", pooling: "mean", ...source };
  return { kind: "lexical", modelPath: await lexicalFile(source.lexicalFolder) };
}

async function lexicalFacts(path: string): Promise<EmbedderFacts> {
  return embedderFacts(await readFile(path), "lexical", LEXICAL_DIMENSIONS);
}

/** Made once per data folder; whole or not there (written aside, then renamed). */
async function lexicalFile(folder: string): Promise<string> {
  const path = join(folder, "lexical-1.onnx");
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (exists) return path;
  await mkdir(folder, { recursive: true });
  const aside = `${path}.${process.pid}.part`;
  await writeFile(aside, writeLexicalModel());
  await rename(aside, path);
  return path;
}

interface EmbedWorker {
  ready(signal: AbortSignal): Promise<EmbedderFacts>;
  /** One call at a time. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<readonly TextVector[]>;
  end(): Promise<void>;
}

function openWorker(model: EmbedModel): EmbedWorker {
  const worker = new Worker(new URL("embed-worker.ts", import.meta.url), {
    workerData: model,
    execArgv: [],
    env: {},
  });
  worker.unref();
  const answer = (signal: AbortSignal): Promise<FromEmbedWorker> =>
    new Promise((resolve, reject) => {
      const cleanUp = (): void => {
        worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        signal.removeEventListener("abort", onAbort);
        worker.unref();
      };
      const fail = (error: Error): void => {
        cleanUp();
        reject(error);
      };
      const onMessage = (message: FromEmbedWorker): void => {
        cleanUp();
        resolve(message);
      };
      const onError = (cause: Error): void =>
        fail(new GantryError("model_failed", `The embedder failed: ${cause.message}`, { cause }));
      const onExit = (): void => fail(new GantryError("model_failed", "The embedder ended"));
      const onAbort = (): void => fail(reasonOf(signal));
      if (signal.aborted) return onAbort();
      worker.ref();
      worker.on("message", onMessage).on("error", onError).on("exit", onExit);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  return {
    async ready(signal) {
      const message = await answer(signal);
      if (message.kind === "ready") return message.facts;
      throw errorOf(message);
    },
    async embed(texts, signal) {
      const answered = answer(signal);
      worker.postMessage({ texts });
      const message = await answered;
      if (message.kind === "vectors") return message.vectors;
      throw errorOf(message);
    },
    end: async () => void (await worker.terminate()),
  };
}

const errorOf = (message: FromEmbedWorker): GantryError =>
  message.kind === "failed"
    ? fromErrorRecord(message.error)
    : new GantryError("model_failed", "The embedder answered out of turn");
