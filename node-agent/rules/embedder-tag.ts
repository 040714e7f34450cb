// The name of a vector space. Vectors of different tags must never be compared. Pure.

import { sha256 } from "@gantry/shared/base/digest.ts";

export interface EmbedderFacts {
  /** First 16 hex digits of the model file's sha256, the pooling, the dimensions. */
  readonly tag: string;
  readonly dimensions: number;
}

export function embedderFacts(
  model: Uint8Array,
  pooling: string,
  dimensions: number,
): EmbedderFacts {
  return { tag: `${sha256(model).slice(0, 16)}-${pooling}-${dimensions}`, dimensions };
}
