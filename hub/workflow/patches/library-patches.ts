// Patches of a workflow itself: they become a new version of it, and runs begun before keep theirs.
// Pure: the ledger keeps what waits, a hand of the leader says when it is time.
//
// LP1. What waits is made together: as soon as LIBRARY_BATCH.patchesMax wait, or waitMs after the first
//      of them came in, whichever is first.
// LP2. Three layers judge, as they do a run's patch: its own form, the graph that comes of it, and where
//      it may call. Nothing is changed here; a base never is.

import { digestOf } from "@gantry/shared/base/digest.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { JsonPatch } from "../json-patch.ts";
import { checkOperations } from "./author-layer.ts";
import { changesBetween, isUnchanged } from "./changes.ts";
import { makeGraph } from "./judge.ts";
import { type PatchFault, patchFault } from "./patch-fault.ts";
import type { GraphOperation } from "./patch-types.ts";
import { graphUrlFaults } from "./security-rule.ts";
import { callFaults } from "./spawn-rule.ts";
import { undoBetween } from "./undo.ts";

export const LIBRARY_BATCH = { patchesMax: 100, waitMs: 5_000 } as const;

export interface LibraryDraft {
  readonly operations: unknown;
  readonly reason: unknown;
  /** They are the hub's own, as of a revert: their form is no outsider's. */
  readonly isOwn?: boolean;
}

export type LibraryVerdict =
  | {
      readonly kind: "made";
      readonly graph: Graph;
      /** Of the graph's canonical JSON. */
      readonly sha256: string;
      readonly operations: readonly GraphOperation[];
      /** From exactly this graph to the one before, order of edges and all. */
      readonly inverse: JsonPatch;
      /** The same by names: for a graph in which other things have changed since. */
      readonly undo: readonly GraphOperation[];
    }
  | { readonly kind: "refused"; readonly faults: readonly PatchFault[] };

/** LP2. `hosts`: what a workflow may call at all. */
export function judgeLibraryPatch(
  graph: Graph,
  { operations: given, reason, isOwn = false }: LibraryDraft,
  hosts: readonly string[],
): LibraryVerdict {
  const checked = isOwn
    ? { kind: "operations" as const, operations: given as readonly GraphOperation[] } // as undoBetween made them
    : checkOperations(given, reason);
  if (checked.kind === "faults") return { kind: "refused", faults: checked.faults };
  const { operations } = checked;
  const made = makeGraph(graph, operations);
  if (made.kind === "faults") return { kind: "refused", faults: made.faults };
  if (isUnchanged(changesBetween(graph, made.graph)))
    return refused(patchFault("empty_patch", "/operations", "The patch changes nothing"));
  const faults = [...callFaults(made.graph), ...graphUrlFaults(made.graph, hosts)];
  if (faults.length > 0) return refused(...faults);
  return {
    kind: "made",
    graph: made.graph,
    sha256: digestOf(made.graph),
    operations,
    inverse: made.inverse,
    undo: undoBetween(graph, made.graph),
  };
}

const refused = (...faults: readonly PatchFault[]): LibraryVerdict => ({ kind: "refused", faults });

/** LP1: when what waits is made; ms since 1970. `sinceMs`: when the first of it came in. */
export const dueAtMs = (waiting: number, sinceMs: number): number =>
  waiting >= LIBRARY_BATCH.patchesMax ? sinceMs : sinceMs + LIBRARY_BATCH.waitMs;
