// What a pass of the optimizer is.
//
// OP1. A pass is a pure function of a graph and gives a patch of node operations: an overlay like any
//      other, judged by the same validator. The graph itself stays.
// OP2. No node that is not pure is moved against another one that is not pure, merged, dropped or
//      doubled. What a run gives, which effects it has and in which order they must come is the same.
// OP3. The one difference allowed: a pure call whose answer nobody wants is not made, so a run that the
//      failure of such a call would have ended goes on.

import type { NodeOperation } from "../node-patch.ts";
import type { View } from "./view.ts";

export const PASSES = [
  "dead-paths",
  "predicate-pushdown",
  "loop-invariants",
  "common-subexpressions",
  "http-coalescing",
  "parallelisation",
  "cache-marks",
] as const;
export type PassName = (typeof PASSES)[number];

export interface Finding {
  readonly operations: readonly NodeOperation[];
  /** A sentence for each thing done. */
  readonly notes: readonly string[];
}

/** Looks at one graph; bodies are given to it one by one (optimize.ts). */
export type Pass = (view: View) => Finding;

export const NOTHING: Finding = { operations: [], notes: [] };
