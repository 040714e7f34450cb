// Outputs of pure nodes that said they may be used again: the same node with the same values within its
// time. In memory, of this hub alone: a pure node may be done once more at any time.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Json, JsonObject } from "../workflow/json-value.ts";

export interface RunCache {
  /** Undefined where there is none, or its time is over. */
  find(node: WorkflowNode, values: JsonObject): Json | undefined;
  /** Does nothing for a node that names no time. */
  keep(node: WorkflowNode, values: JsonObject, output: Json): void;
}

/** `nowMs`: of a clock that never goes back. */
export function makeRunCache(nowMs: () => number): RunCache {
  const kept = new Map<string, { readonly output: Json; readonly untilMs: number }>();
  return {
    find(node, values) {
      if (node.cache === undefined) return undefined;
      const found = kept.get(keyOf(node, values));
      return found === undefined || found.untilMs <= nowMs() ? undefined : found.output;
    },
    keep(node, values, output) {
      if (node.cache === undefined) return;
      const [oldest] = kept.keys();
      if (kept.size >= LIMIT.runCache.max && oldest !== undefined) kept.delete(oldest);
      kept.set(keyOf(node, values), { output, untilMs: nowMs() + node.cache.ttlMs });
    },
  };
}

/** What it does, not what it is called or how often it is tried. */
function keyOf(node: WorkflowNode, values: JsonObject): string {
  const { title: _t, retry: _r, cache: _c, timeoutMs: _m, undo: _u, needs: _n, ...doing } = node;
  return digestOf({ ...doing, ...values });
}
