// What all measurements share: the figure that each hands back, and the arithmetic of samples.

/** One measured number beside its goal and the floor that the machine itself sets. */
export interface Figure {
  readonly name: string;
  readonly unit: "ms" | "MB" | "MB/s" | "1/s" | "%" | "x";
  /** Median, or the one value where it is read once. */
  readonly median: number;
  readonly p99?: number;
  /** Behind the median, where it is known. */
  readonly samples?: number;
  /** Times have a ceiling to stay under, rates a floor to stay over. */
  readonly goal?: { readonly atMost: number } | { readonly atLeast: number };
  readonly p99Goal?: { readonly atMost: number };
  /** The same work without ours: what the machine, Node or another program needs for it. */
  readonly floor?: { readonly name: string; readonly value: number };
  readonly note?: string;
}

export type Measurement = () => Promise<readonly Figure[]>;

/** The value under which `share` (0 to 1) of the samples lie; NaN without samples. */
export function percentileOf(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const medianOf = (samples: readonly number[]): number => percentileOf(samples, 0.5);

/** Three significant digits or two decimals, whichever keeps more. */
export const rounded = (value: number): number =>
  Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100;

/** A figure of samples; `p99` only where there are enough of them to mean something. */
export function figureOf(
  name: string,
  unit: Figure["unit"],
  samples: readonly number[],
  rest: Omit<Figure, "name" | "unit" | "median" | "p99" | "samples"> = {},
): Figure {
  const p99 = samples.length >= 50 ? { p99: rounded(percentileOf(samples, 0.99)) } : {};
  const median = rounded(medianOf(samples));
  return { name, unit, median, ...p99, samples: samples.length, ...rest };
}

export function isMet({ median, p99, goal, p99Goal }: Figure): boolean {
  if (p99 !== undefined && p99Goal !== undefined && p99 > p99Goal.atMost) return false;
  if (goal === undefined) return true;
  return "atMost" in goal ? median <= goal.atMost : median >= goal.atLeast;
}

/** Does `work` `count` times in all, `clients` at a time; each hands back what it measured. */
export async function manyTimes<T>(
  count: number,
  clients: number,
  work: (index: number) => Promise<T>,
): Promise<readonly T[]> {
  const results: T[] = [];
  let next = 0;
  async function client(): Promise<void> {
    while (next < count) {
      const index = next;
      next += 1;
      results.push(await work(index));
    }
  }
  await Promise.all(Array.from({ length: clients }, client));
  return results;
}

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
