// Patches of workflows as the ledger keeps them: those that wait, and what became of the others.

import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { JsonPatch } from "../workflow/json-patch.ts";
import type { PatchFault } from "../workflow/patches/patch-fault.ts";
import type { GraphOperation } from "../workflow/patches/patch-types.ts";

/** `NAME/N`, N from 1. */
export interface LibraryPatchRow {
  readonly workflow: string;
  readonly number: number;
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
  /** Log position: the revision of the workflow with it. */
  readonly position: number;
  readonly operations: readonly GraphOperation[];
  /** What a workflow might call when it came in. */
  readonly hosts: readonly string[];
  /** What it asked to be named. */
  readonly tag?: string;
  /** The patch that it takes back. */
  readonly reverts?: number;
  /** The patch that took it back. */
  readonly revertedBy?: number;
  readonly state: "waiting" | "made" | "refused";
  /** sha256 of the graph right after it, which no version may ever have been. */
  readonly after: string;
  readonly inverse: JsonPatch;
  readonly undo: readonly GraphOperation[];
  /** Since it is made or refused. */
  readonly decidedAtMs?: number;
  /** The version that has it, and the last patch that is in that version. */
  readonly version?: string;
  readonly through?: number;
  readonly faults?: readonly PatchFault[];
}

/** Consecutive patches that become one version. */
export interface LibrarySegment {
  readonly from: number;
  readonly to: number;
  /** When the first of them came in, ms since 1970. */
  readonly sinceMs: number;
  /** Of the graph with all of them. */
  readonly sha256: string;
  /** What that version is to be named. */
  readonly tag?: string;
}

/** By workflow: what waits for it. */
export interface LibraryHeadRow {
  readonly workflow: string;
  /** The version on which the first that waits was judged. */
  readonly base: string;
  /** Somebody kept another version meanwhile: the rest is judged anew. */
  readonly isMoved: boolean;
  /** With all that wait. */
  readonly graph: Graph;
  readonly sha256: string;
  readonly revision: number;
  /** The oldest first; never empty. */
  readonly segments: readonly LibrarySegment[];
}

export interface LibraryTotalsRow {
  readonly batches: number;
  readonly made: number;
  readonly refused: number;
  readonly last: {
    readonly workflow: string;
    readonly patches: number;
    /** Of the first of them. */
    readonly waitedMs: number;
    readonly atMs: number;
  };
}
