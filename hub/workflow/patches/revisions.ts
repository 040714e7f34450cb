// A run's graph at any of its revisions, what changed between two of them, and who did it.

import { assert } from "@gantry/shared/base/assert.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { diff } from "../json-diff.ts";
import type { JsonPatch } from "../json-patch.ts";
import type { Json } from "../json-value.ts";
import { type Changes, changesBetween } from "./changes.ts";
import { type Made, makeGraph } from "./judge.ts";
import type { AppliedPatch, Approver, Author } from "./patch-types.ts";

/** The base with patches on it, in order. Refused only if `patches` were not made on this base. */
export function materialise(base: Graph, patches: readonly AppliedPatch[]): Made {
  let made = makeGraph(base, []);
  for (const { operations } of patches) {
    if (made.kind === "faults") return made;
    made = makeGraph(made.graph, operations);
  }
  return made;
}

/** `revision`: 0 to the number of patches. */
export function graphAt(base: Graph, patches: readonly AppliedPatch[], revision: number): Graph {
  assert(
    Number.isInteger(revision) && revision >= 0 && revision <= patches.length,
    "a revision of the run",
  );
  const made = materialise(base, patches.slice(0, revision));
  assert(made.kind === "graph", "patches in a run's history were accepted once");
  return made.graph;
}

export interface RevisionDiff {
  readonly from: number;
  readonly to: number;
  /** For people: nodes and edges. */
  readonly changes: Changes;
  /** For programs: from one graph to the other, RFC 6902. */
  readonly operations: JsonPatch;
}

/** Either way round. */
export function diffRevisions(
  base: Graph,
  patches: readonly AppliedPatch[],
  from: number,
  to: number,
): RevisionDiff {
  const [before, after] = [graphAt(base, patches, from), graphAt(base, patches, to)];
  const operations = diff(before as unknown as Json, after as unknown as Json); // JSON by their schema
  return { from, to, changes: changesBetween(before, after), operations };
}

export interface PatchLine {
  readonly id: string;
  readonly revision: number;
  readonly who: Author;
  readonly approvedBy: Approver | undefined;
  readonly why: string;
  readonly atMs: number;
  /** Places that it wrote. */
  readonly what: readonly string[];
  readonly reverts: string | undefined;
  /** The id of the patch that took it back. */
  readonly revertedBy: string | undefined;
}

/** Who changed what, when and why; the oldest first. */
export function patchLines(patches: readonly AppliedPatch[]): readonly PatchLine[] {
  const revertedBy = new Map(
    patches.flatMap(({ id, reverts }) => (reverts === undefined ? [] : [[reverts, id] as const])),
  );
  return patches.map(({ id, revision, author, approvedBy, reason, atMs, touches, reverts }) => ({
    id,
    revision,
    who: author,
    approvedBy,
    why: reason,
    atMs,
    what: touches.writes,
    reverts,
    revertedBy: revertedBy.get(id),
  }));
}

/** The first patch that wrote this node, or undefined if it is the base's: shown beside a timeline. */
export const originOf = (
  patches: readonly AppliedPatch[],
  node: string,
): AppliedPatch | undefined => patches.findLast(({ written }) => written.ids.includes(node));
