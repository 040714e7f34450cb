// Says of an answer whether it was given before: `exact; age=12`, `semantic; sim=0.93; age=12`, `miss`.

import type { Routing } from "@gantry/shared/contract/rows.ts";

export const CACHE_HEADER = "x-gantry-cache";

/** Ages in seconds. */
export function cacheHeaderOf({ cached, metadata }: Pick<Routing, "cached" | "metadata">): string {
  if (!cached) return "miss";
  const kind = metadata["cache"] === "semantic" ? "semantic" : "exact";
  const likeness = metadata["likeness"];
  const sim = kind === "semantic" && likeness !== undefined ? `; sim=${String(likeness)}` : "";
  return `${kind}${sim}; age=${String(metadata["ageS"] ?? 0)}`;
}
