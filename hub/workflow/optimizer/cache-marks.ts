// Marks pure calls so that an equal one within a time gets the stored answer.

import { isExecuted, isPure } from "./certain.ts";
import type { Pass } from "./pass.ts";

export const CACHE_TTL_MS = 3_600_000; // an hour: long enough for the runs of a shift

export const markCaches =
  (ttlMs: number): Pass =>
  (view) => {
    const marked = view.ids.filter((id) => {
      const node = view.node(id);
      return isExecuted(node) && isPure(node) && node.cache === undefined;
    });
    return {
      operations: marked.map((id) => ({ op: "setNode", id, at: "/cache", value: { ttlMs } })),
      notes: marked.map((id) => `An answer of "${id}" is kept for ${ttlMs} ms`),
    };
  };
