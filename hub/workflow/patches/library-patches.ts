// A library patch: one change for many base workflows, e.g. a notification at the end of each. Each
// base takes it as a whole or is left as it is; the bases themselves never change.
//
// LP1. Bases that come in are gathered and made together: 100 of them, or after 5 s, whichever is
//      first. Time comes in; who holds the batch sets one timer to `dueMs`.

import { digestOf } from "@gantry/shared/base/digest.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { checkOperations } from "./author-layer.ts";
import { makeGraph } from "./judge.ts";
import type { PatchFault } from "./patch-fault.ts";
import { callFaults } from "./spawn-rule.ts";
import { graphUrlFaults } from "./security-rule.ts";

export const LIBRARY_BATCH = { basesMax: 100, waitMs: 5_000 } as const;

export interface LibraryPatch {
  readonly id: string;
  readonly operations: unknown;
  readonly reason: string;
}

export type Materialised =
  | { readonly kind: "made"; readonly base: string; readonly hash: string; readonly graph: Graph }
  | { readonly kind: "refused"; readonly base: string; readonly faults: readonly PatchFault[] };

/** `base`: the hash of the graph. `hosts`: what a workflow may call at all. In the order of `bases`. */
export function materialiseOn(
  patch: LibraryPatch,
  bases: readonly { readonly base: string; readonly graph: Graph }[],
  hosts: readonly string[],
): readonly Materialised[] {
  const checked = checkOperations(patch.operations, patch.reason);
  if (checked.kind === "faults")
    return bases.map(({ base }) => ({ kind: "refused", base, faults: checked.faults }));
  return bases.map(({ base, graph }) => {
    const made = makeGraph(graph, checked.operations);
    if (made.kind === "faults") return { kind: "refused", base, faults: made.faults };
    const faults = [...callFaults(made.graph), ...graphUrlFaults(made.graph, hosts)];
    if (faults.length > 0) return { kind: "refused", base, faults };
    return { kind: "made", base, hash: digestOf(made.graph), graph: made.graph };
  });
}

export interface Batch<T> {
  readonly items: readonly T[];
  /** When it is made even if it is not full; null while it is empty. */
  readonly dueMs: number | null;
}

export interface Batched<T> {
  readonly batch: Batch<T>;
  /** To be made now, a list each. */
  readonly ready: readonly (readonly T[])[];
}

export const emptyBatch: Batch<never> = { items: [], dueMs: null };

/** LP1. `nowMs` never goes back. */
export function addToBatch<T>(batch: Batch<T>, items: readonly T[], nowMs: number): Batched<T> {
  const before = takeDue(batch, nowMs);
  const all = [...before.batch.items, ...items];
  const ready = [...before.ready];
  let from = 0;
  for (; all.length - from >= LIBRARY_BATCH.basesMax; from += LIBRARY_BATCH.basesMax)
    ready.push(all.slice(from, from + LIBRARY_BATCH.basesMax));
  const rest = all.slice(from);
  const since = from === 0 ? before.batch.dueMs : null; // what is left came in now
  const dueMs = rest.length === 0 ? null : (since ?? nowMs + LIBRARY_BATCH.waitMs);
  return { batch: { items: rest, dueMs }, ready };
}

export function takeDue<T>(batch: Batch<T>, nowMs: number): Batched<T> {
  const isDue = batch.dueMs !== null && nowMs >= batch.dueMs;
  return isDue ? { batch: { items: [], dueMs: null }, ready: [batch.items] } : { batch, ready: [] };
}
