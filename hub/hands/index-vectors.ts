// Gives the texts of an index their vectors, in the background, in batches; begins anew for all of them
// when the embedder changes. Nothing waits for it: words find what has no vector yet.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Hub } from "../hub.ts";
import type { HybridIndex } from "../memory/hybrid-index.ts";
import type { Models } from "./models.ts";

const BATCH = 32;
const REST_MS = 1_000;
const LATER_MS = 15_000;

/** Of an embedder that could be asked now. */
export function embedderTag({ rows }: Hub): string | undefined {
  for (const { state, capabilities } of rows.hot("node").values()) {
    if (state === "alive" && capabilities.embedder !== undefined) return capabilities.embedder.tag;
  }
  return undefined;
}

/** Until the signal aborts; of the leader. */
export async function indexVectors(
  hub: Hub,
  models: Pick<Models, "embed">,
  index: HybridIndex,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const tag = embedderTag(hub);
    const batch = tag === undefined ? [] : index.waiting(tag, BATCH);
    const isDone = batch.length === 0 || (await embedBatch(hub, models, index, batch, signal));
    if (isDone && batch.length === BATCH) continue;
    // What is new has its words at once, so its vector may take a moment.
    await hub.clock.sleep(isDone ? REST_MS : LATER_MS, signal).catch(() => {});
  }
}

async function embedBatch(
  hub: Hub,
  models: Pick<Models, "embed">,
  index: HybridIndex,
  batch: readonly { readonly id: string; readonly text: string }[],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { tag, vectors } = await models.embed(
      batch.map(({ text }) => text),
      signal,
    );
    for (const [at, { id, text }] of batch.entries())
      index.putVector(id, text, tag, vectors[at] ?? []);
    return true;
  } catch (error) {
    if (!signal.aborted)
      hub.log.warn({ error: toErrorRecord(error) }, "texts wait for their vectors");
    return false;
  }
}

/** Undefined where nobody can embed now, or it fails: words alone are searched then. */
export async function vectorOf(
  hub: Hub,
  models: Pick<Models, "embed">,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly tag: string; readonly vector: readonly number[] } | undefined> {
  if (embedderTag(hub) === undefined) return undefined;
  try {
    const { tag, vectors } = await models.embed([text], signal);
    const [vector] = vectors;
    return vector === undefined ? undefined : { tag, vector };
  } catch {
    return undefined;
  }
}
