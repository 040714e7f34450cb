// One number for a whole ledger: the same rows give the same hash on every hub and after every
// restart. Rows come in key order, as the ordered store gives them.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import { startSha256 } from "@gantry/shared/base/digest.ts";

export interface StateHasher {
  /** Keys in ascending order, each once. */
  add(key: string, row: unknown): void;
  /** 64 hex digits; ends it. */
  hex(): string;
}

export function startStateHash(): StateHasher {
  const hasher = startSha256();
  return {
    add: (key, row) => hasher.update(`${key}\n${canonicalJson(row)}\n`),
    hex: () => hasher.hex(),
  };
}
