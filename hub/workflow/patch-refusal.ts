// Why a patch is refused. Programs match on code and reason; neither changes its meaning.
//
// PR1. bad_patch: no document would take it. patch_conflict: this one does not. too_large: a bound.
// PR2. `details` has the reason and, where it is about one operation, its number from 0 and its path.

import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";

const REASONS = {
  not_an_array: "bad_patch",
  not_an_object: "bad_patch",
  unknown_op: "bad_patch",
  bad_path: "bad_patch",
  bad_from: "bad_patch",
  missing_value: "bad_patch",
  not_json: "bad_patch",
  into_itself: "bad_patch",
  removes_all: "bad_patch",
  /** The id of a node, or an end of an edge, is not one. */
  bad_id: "bad_patch",
  bad_edge: "bad_patch",
  not_found: "patch_conflict",
  bad_index: "patch_conflict",
  out_of_bounds: "patch_conflict",
  test_failed: "patch_conflict",
  /** The document has no object `nodes` and list `edges`. */
  not_a_graph: "patch_conflict",
  no_node: "patch_conflict",
  node_exists: "patch_conflict",
  no_edge: "patch_conflict",
  edge_exists: "patch_conflict",
  too_many_operations: "too_large",
  too_deep: "too_large",
  too_heavy: "too_large",
} as const satisfies Readonly<Record<string, ErrorCode>>;

export type PatchReason = keyof typeof REASONS;

const SHOWN_CHARS = 200; // of a path

export function refusal(reason: PatchReason, operation?: number, path?: string): GantryError {
  const shown = path?.slice(0, SHOWN_CHARS);
  const where = operation === undefined ? "" : `, operation ${operation}`;
  const at = shown === undefined ? "" : ` at "${shown}"`;
  return new GantryError(REASONS[reason], `The patch was not applied: ${reason}${where}${at}`, {
    details: {
      reason,
      ...(operation === undefined ? {} : { operation }),
      ...(shown === undefined ? {} : { path: shown }),
    },
  });
}
