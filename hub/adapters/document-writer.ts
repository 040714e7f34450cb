// Files of documents, written in a worker that is there only while there is something to write.
//
// DW1. One file at a time; LIMIT.documentsWaiting wait, and a further one is `busy`.
// DW2. A file that takes longer than TIMEOUT.documentMs ends with its worker, and the next one gets a
//      worker of its own; so does one whose worker died (out of memory): it fails, the hub lives on.

import { Worker } from "node:worker_threads";
import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { DocumentFormat, DocumentModel } from "@gantry/shared/contract/documents.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { WriteEnd } from "./documents/worker.ts";

const ENTRY = new URL("documents/worker.ts", import.meta.url);
const IDLE_MS = 30_000;
const HEAP_MB = 512; // of the worker: a document at its bounds takes about a third of it

export interface DocumentWriter {
  /** `images`: by blob. Throws busy, timeout, bad_request, capability_missing, too_large. */
  write(
    format: DocumentFormat,
    model: DocumentModel,
    images: ReadonlyMap<string, Uint8Array>,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  /** Is a worker there now? */
  isAwake(): boolean;
  close(): Promise<void>;
}

export function makeDocumentWriter(clock: Clock): DocumentWriter {
  let worker: Worker | undefined;
  let idle: AbortController | undefined;
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let id = 0;

  async function sleep(): Promise<void> {
    const ended = worker;
    worker = undefined;
    await ended?.terminate();
  }

  function sleepSoon(): void {
    idle = new AbortController();
    const { signal } = idle;
    clock.sleep(IDLE_MS, signal).then(sleep, () => {}); // there is something to write again
  }

  function wake(): Worker {
    idle?.abort();
    worker ??= new Worker(ENTRY, {
      name: "documents",
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.unref();
    return worker;
  }

  async function writeOne(
    order: { readonly format: DocumentFormat; readonly model: DocumentModel } & {
      readonly images: ReadonlyMap<string, Uint8Array>;
    },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    signal.throwIfAborted();
    const mine = wake();
    id += 1;
    const limit = clock.timeout(TIMEOUT.documentMs, signal);
    try {
      const { promise, resolve, reject } = Promise.withResolvers<WriteEnd>();
      const onError = (cause: Error): void => {
        if (worker === mine) worker = undefined; // DW2
        reject(new GantryError("too_large", "The document took too much memory", { cause }));
      };
      const onLimit = (): void =>
        reject(
          signal.aborted
            ? reasonOf(signal)
            : new GantryError("timeout", `A file takes ${TIMEOUT.documentMs / 1_000} s at most`),
        );
      mine.once("message", resolve);
      mine.once("error", onError);
      limit.addEventListener("abort", onLimit, { once: true });
      mine.postMessage({ id, ...order, atMs: clock.now() });
      try {
        const end = await promise;
        if ("error" in end) throw fromErrorRecord(end.error);
        return sized(end.bytes);
      } catch (error) {
        if (limit.aborted) await sleep(); // DW2
        throw error;
      } finally {
        mine.off("message", resolve);
        mine.off("error", onError);
        limit.removeEventListener("abort", onLimit);
      }
    } finally {
      if (worker !== undefined) sleepSoon();
    }
  }

  return {
    async write(format, model, images, signal) {
      if (waiting >= LIMIT.documentsWaiting.max)
        throw new GantryError("busy", `${waiting} files of documents wait already`, {
          details: { retryAfterS: 5, limit: "documentsWaiting" },
        }); // DW1
      waiting += 1;
      const turn = tail.then(() => writeOne({ format, model, images }, signal));
      tail = turn.catch(() => {}); // told to who asked
      try {
        return await turn;
      } finally {
        waiting -= 1;
      }
    },
    isAwake: () => worker !== undefined,
    async close() {
      idle?.abort();
      await sleep();
    },
  };
}

function sized(bytes: Uint8Array): Uint8Array {
  const { max } = LIMIT.documentFileBytes;
  if (bytes.length <= max) return bytes;
  throw new GantryError("too_large", `The file has ${bytes.length} bytes; ${max} are the most`);
}
