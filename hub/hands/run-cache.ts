// Outputs of pure nodes that said they may be used again: the same node with the same values within its
// time. In memory, of this hub alone: a pure node may be done once more at any time.
//
// RN1. Nobody gets an output that was made for another person, or with another role; a purge of kept
//      answers forgets these, too.
// RN2. What is personal by its form is not kept.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Role } from "@gantry/shared/contract/roles.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { isPersonal } from "../cache/personal.ts";
import type { Json, JsonObject } from "../workflow/json-value.ts";

export interface RunCache {
  /** Undefined where there is none, or its time is over. */
  find(node: WorkflowNode, values: JsonObject, owner: CacheOwner): Json | undefined;
  /** Does nothing for a node that names no time. */
  keep(node: WorkflowNode, values: JsonObject, output: Json, owner: CacheOwner): void;
}

/** RN1. For whom a node runs; the workspace is the person. */
export interface CacheOwner {
  readonly workspace: string;
  readonly role: Role;
  /** Grows with each purge. */
  readonly generation: number;
}

/** `nowMs`: of a clock that never goes back. */
export function makeRunCache(nowMs: () => number): RunCache {
  const kept = new Map<string, { readonly output: Json; readonly untilMs: number }>();
  return {
    find(node, values, owner) {
      if (node.cache === undefined) return undefined;
      const found = kept.get(keyOf(node, values, owner));
      return found === undefined || found.untilMs <= nowMs() ? undefined : found.output;
    },
    keep(node, values, output, owner) {
      if (node.cache === undefined) return;
      if (isPersonal(JSON.stringify([values, output]))) return; // RN2
      const [oldest] = kept.keys();
      if (kept.size >= LIMIT.runCache.max && oldest !== undefined) kept.delete(oldest);
      kept.set(keyOf(node, values, owner), { output, untilMs: nowMs() + node.cache.ttlMs });
    },
  };
}

/** What it does, not what it is called or how often it is tried. */
function keyOf(node: WorkflowNode, values: JsonObject, owner: CacheOwner): string {
  const { title: _t, retry: _r, cache: _c, timeoutMs: _m, undo: _u, needs: _n, ...doing } = node;
  return digestOf({ doing, values, owner });
}
