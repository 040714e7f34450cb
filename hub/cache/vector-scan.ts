// A table of int8 vectors that is searched whole: exact, without building anything, 0.2 ms for 10,000 of
// 384 dimensions. An approximate index would be larger, slower to fill and sometimes wrong
// (docs/adr/0015-cache-memory.md has the figures).
//
// VS1. The WebAssembly scan is used only after it has given the plain loop's sums on a table of its own;
//      where it does not, or cannot be loaded, the plain loop does the work.
// VS2. A vector is scaled to its largest number before it is rounded, and its length is kept, so that a
//      score is the cosine with an error below 0.01 for any vector of 16 dimensions and more.

import { assert } from "@gantry/shared/base/assert.ts";
import { scanModule, type WasmMemory, WebAssembly } from "./wasm-scan.ts";

const PAGE_BYTES = 65_536;
const LANES = 16;
const FULL = 127;

/** One vector, rounded. `norm`: the length of the rounded numbers. */
export interface Rounded {
  readonly numbers: Int8Array;
  readonly norm: number;
}

export interface VectorTable {
  readonly capacity: number;
  readonly kind: "wasm" | "plain";
  /** `row` < `capacity`. */
  set(row: number, vector: Rounded): void;
  /** Cosines of the first `count` rows; the array is used again by the next scan. */
  scan(query: Rounded, count: number): Float32Array;
  /** The same rows with room for more; this one is not to be used any more. */
  grown(capacity: number): VectorTable;
}

const padded = (dimensions: number): number => Math.ceil(dimensions / LANES) * LANES;

/** VS2. The zero vector stays zero: nothing is like it. */
export function rounded(vector: readonly number[] | Float32Array): Rounded {
  const numbers = new Int8Array(padded(vector.length));
  let largest = 0;
  for (const value of vector) largest = Math.max(largest, Math.abs(value));
  let squares = 0;
  if (largest > 0 && Number.isFinite(largest)) {
    for (let at = 0; at < vector.length; at += 1) {
      const value = Math.round(((vector[at] ?? 0) / largest) * FULL);
      numbers[at] = value;
      squares += value * value;
    }
  }
  return { numbers, norm: Math.sqrt(squares) };
}

type Scan = (query: number, rows: number, count: number, dimensions: number, out: number) => void;

function compile(memory: WasmMemory): Scan | undefined {
  try {
    const made = new WebAssembly.Instance(new WebAssembly.Module(scanModule()), {
      m: { m: memory },
    });
    return made.exports["scan"] as Scan; // its type is in the module's bytes
  } catch {
    return undefined; // no SIMD here: VS1
  }
}

/** The same sums, number by number: 12 times slower. */
export function plainScan(
  query: Int16Array,
  rows: Int8Array,
  count: number,
  dimensions: number,
  out: Int32Array,
): void {
  for (let row = 0, from = 0; row < count; row += 1, from += dimensions) {
    let sum = 0;
    for (let at = 0; at < dimensions; at += 1) sum += (query[at] ?? 0) * (rows[from + at] ?? 0);
    out[row] = sum;
  }
}

/** VS1. Over every offset of the loop, with the extremes of int8 among the numbers. */
export function isScanSound(scan: Scan, memory: WasmMemory): boolean {
  const count = 9;
  for (const dimensions of [16, 48, 384]) {
    const layout = layoutOf(dimensions, count);
    const views = viewsOf(memory, layout);
    for (let at = 0; at < views.rows.length; at += 1) views.rows[at] = ((at * 73) % 255) - 127;
    for (let at = 0; at < dimensions; at += 1) views.query[at] = at % 5 === 0 ? -127 : 127;
    const expected = new Int32Array(count);
    plainScan(views.query, views.rows, count, dimensions, expected);
    scan(0, layout.rows, count, dimensions, layout.out);
    if (views.out.some((sum, row) => sum !== expected[row])) return false;
  }
  return true;
}

interface Layout {
  readonly dimensions: number;
  readonly capacity: number;
  readonly rows: number;
  readonly out: number;
  readonly bytes: number;
}

/** The query first, then the rows, then the sums. */
function layoutOf(dimensions: number, capacity: number): Layout {
  const rows = 2 * dimensions;
  const out = rows + dimensions * capacity;
  return { dimensions, capacity, rows, out, bytes: out + 4 * capacity };
}

const viewsOf = (memory: WasmMemory, layout: Layout) => ({
  query: new Int16Array(memory.buffer, 0, layout.dimensions),
  rows: new Int8Array(memory.buffer, layout.rows, layout.dimensions * layout.capacity),
  out: new Int32Array(memory.buffer, layout.out, layout.capacity),
});

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES);

let isSound: boolean | undefined; // VS1: tried once a process

function loadedScan(memory: WasmMemory): Scan | undefined {
  isSound ??= ((): boolean => {
    const trial = new WebAssembly.Memory({ initial: 1 });
    const scan = compile(trial);
    return scan !== undefined && isScanSound(scan, trial);
  })();
  return isSound ? compile(memory) : undefined;
}

/** `dimensions`: of the vectors, 1 to 4,096. `isPlain`: without WebAssembly. */
export function makeVectorTable(
  dimensions: number,
  capacity: number,
  isPlain = false,
): VectorTable {
  assert(dimensions >= 1 && dimensions <= 4_096, "WS2: 1 to 4,096 dimensions");
  return tableOf(padded(dimensions), Math.max(1, capacity), isPlain);
}

function tableOf(dimensions: number, capacity: number, isPlain: boolean): VectorTable {
  const layout = layoutOf(dimensions, capacity);
  const memory = new WebAssembly.Memory({ initial: pagesOf(layout.bytes) });
  const scan = isPlain ? undefined : loadedScan(memory);
  const { query, rows, out } = viewsOf(memory, layout);
  const norms = new Float32Array(capacity);
  const cosines = new Float32Array(capacity);
  const table: VectorTable = {
    capacity,
    kind: scan === undefined ? "plain" : "wasm",
    set(row, { numbers, norm }) {
      assert(row >= 0 && row < capacity && numbers.length === dimensions, "a row of this table");
      rows.set(numbers, row * dimensions);
      norms[row] = norm;
    },
    scan(asked, count) {
      assert(count <= capacity && asked.numbers.length === dimensions, "a query of this table");
      query.set(asked.numbers);
      if (scan === undefined) plainScan(query, rows, count, dimensions, out);
      else scan(0, layout.rows, count, dimensions, layout.out);
      for (let row = 0; row < count; row += 1) {
        const length = (norms[row] ?? 0) * asked.norm;
        cosines[row] = length === 0 ? 0 : (out[row] ?? 0) / length;
      }
      return cosines;
    },
    grown(wanted) {
      const next = tableOf(dimensions, wanted, isPlain);
      for (let row = 0; row < Math.min(capacity, wanted); row += 1) {
        const numbers = rows.slice(row * dimensions, (row + 1) * dimensions);
        next.set(row, { numbers, norm: norms[row] ?? 0 });
      }
      return next;
    },
  };
  return table;
}
