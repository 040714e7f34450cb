// What the log store keeps in memory: terms as runs, and the newest entries up to a bound of bytes,
// so that sending to a hub that keeps up never reads the disk.

import { assert } from "@gantry/shared/base/assert.ts";
import type { Entry } from "../consensus/types.ts";

const ENTRY_OVERHEAD_BYTES = 128; // the objects around the data, as a round number

const sizeOf = (entry: Entry): number => entry.data.length + ENTRY_OVERHEAD_BYTES;

export interface LogOffset {
  readonly index: number;
  readonly term: number;
  readonly chain: Uint8Array;
}

export interface LogMemory {
  readonly offset: LogOffset;
  readonly lastIndex: number;
  readonly lastTerm: number;
  termAt(index: number): number | undefined;
  /** Undefined when it is not among the newest. */
  recent(index: number): Entry | undefined;
  /** The next one. */
  push(entry: Entry): void;
  /** Forgets what is above `index`. */
  cut(index: number): void;
  /** Forgets what is up to `offset.index`. */
  trim(offset: LogOffset): void;
}

/** `bytesMax`: of recent entries; when full the oldest leave memory, not the disk. */
export function makeLogMemory(start: LogOffset, bytesMax: number): LogMemory {
  let offset = start;
  let lastIndex = start.index;
  let runs: { readonly from: number; readonly term: number }[] = [];
  const recent = new Map<number, Entry>();
  let recentFrom = start.index + 1; // every index from here to the last is in `recent`
  let bytes = 0;

  function forget(index: number): void {
    const entry = recent.get(index);
    if (entry === undefined) return;
    recent.delete(index);
    bytes -= sizeOf(entry);
  }

  function termAt(index: number): number | undefined {
    if (index === offset.index) return offset.term;
    if (index < offset.index || index > lastIndex) return undefined;
    let [low, high] = [0, runs.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((runs[middle]?.from ?? Infinity) <= index) low = middle;
      else high = middle - 1;
    }
    return runs[low]?.term;
  }

  return {
    get offset() {
      return offset;
    },
    get lastIndex() {
      return lastIndex;
    },
    get lastTerm() {
      return runs.at(-1)?.term ?? offset.term;
    },
    termAt,
    recent: (index) => recent.get(index),
    push(entry) {
      assert(entry.index === lastIndex + 1, "the log in memory has no gap");
      lastIndex = entry.index;
      if (runs.at(-1)?.term !== entry.term) runs.push({ from: entry.index, term: entry.term });
      recent.set(entry.index, entry);
      bytes += sizeOf(entry);
      for (; bytes > bytesMax && recentFrom < lastIndex; recentFrom += 1) forget(recentFrom);
    },
    cut(index) {
      assert(index >= offset.index && index <= lastIndex, "cut within the log");
      for (let above = Math.max(index + 1, recentFrom); above <= lastIndex; above += 1) {
        forget(above);
      }
      lastIndex = index;
      recentFrom = Math.min(recentFrom, index + 1);
      while ((runs.at(-1)?.from ?? 0) > index) runs.pop();
    },
    trim(next) {
      assert(next.index >= offset.index && next.index <= lastIndex, "trim within the log");
      for (; recentFrom <= next.index; recentFrom += 1) forget(recentFrom);
      offset = next;
      runs = runs.filter((_, place) => (runs[place + 1]?.from ?? lastIndex + 1) > next.index + 1);
    },
  };
}
