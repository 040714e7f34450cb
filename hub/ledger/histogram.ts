// How many values fell where, with an error of at most 1/64: what percentiles of any number of days
// are read from, since buckets of days add up. Integers only, so that every hub has the same. Pure.
//
// HG1. Below 64 each value is a bucket of its own; above, each power of two has 32.

import { assert } from "@gantry/shared/base/assert.ts";

const EXACT = 64;
const PER_POWER = 32;

export type Counts = Readonly<Record<string, number>>;

/** The bucket of a whole number from 0 to 2^53 - 1. Buckets are in the order of their values. */
export function bucketOf(value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "a bucket is for a whole number from 0 on");
  if (value < EXACT) return value; // HG1
  let power = 1;
  let width = 2;
  while (value >= EXACT * width) {
    power += 1;
    width *= 2;
  }
  return EXACT + (power - 1) * PER_POWER + Math.floor(value / width) - PER_POWER;
}

/** The least value of a bucket, and how many values it stands for. */
export function boundsOf(bucket: number): { readonly from: number; readonly width: number } {
  if (bucket < EXACT) return { from: bucket, width: 1 };
  const power = Math.floor((bucket - EXACT) / PER_POWER) + 1;
  const width = 2 ** power;
  return { from: (((bucket - EXACT) % PER_POWER) + PER_POWER) * width, width };
}

/** `by` 1 or -1; a bucket with nothing in it is not there. */
export function countedIn(counts: Counts, key: string, by: number): Counts {
  const count = (counts[key] ?? 0) + by;
  if (count !== 0) return { ...counts, [key]: count };
  const { [key]: _, ...rest } = counts;
  return rest;
}

/** The middle of the bucket that holds the value of this rank; undefined where nothing was counted. */
export function percentileOf(counts: Counts, percent: number): number | undefined {
  const buckets = Object.keys(counts)
    .map(Number)
    .toSorted((a, b) => a - b);
  const total = buckets.reduce((sum, bucket) => sum + (counts[bucket] ?? 0), 0);
  if (total === 0) return undefined;
  let rank = Math.max(1, Math.ceil((percent / 100) * total));
  for (const bucket of buckets) {
    rank -= counts[bucket] ?? 0;
    if (rank > 0) continue;
    const { from, width } = boundsOf(bucket);
    return from + Math.floor((width - 1) / 2);
  }
  return undefined;
}
