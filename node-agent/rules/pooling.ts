// From what a model says of each token to one vector of length 1 for the text. Pure.

import { assert } from "@gantry/shared/base/assert.ts";

/** `mean` over the real tokens (MiniLM, gte), or the first token (bge). */
export type Pooling = "mean" | "first";

/**
 * `states`: [batch, tokens, dimensions] flat. `lengths`: real tokens of each row; the rest is padding.
 */
export function pool(
  states: Float32Array,
  lengths: readonly number[],
  dimensions: number,
  pooling: Pooling,
): Float32Array[] {
  const tokens = states.length / (lengths.length * dimensions);
  assert(Number.isInteger(tokens), "the states do not fill their rows");
  return lengths.map((length, row) => {
    const vector = new Float32Array(dimensions);
    const used = pooling === "first" ? 1 : length;
    for (let token = 0; token < used; token += 1) {
      const from = (row * tokens + token) * dimensions;
      for (let axis = 0; axis < dimensions; axis += 1) {
        vector[axis] = (vector[axis] ?? 0) + (states[from + axis] ?? 0);
      }
    }
    return normalised(vector);
  });
}

/** Length 1, in place; a vector of zeros stays one. The mean's divisor falls away in this. */
export function normalised(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  if (length === 0) return vector;
  for (let axis = 0; axis < vector.length; axis += 1) vector[axis] = (vector[axis] ?? 0) / length;
  return vector;
}
