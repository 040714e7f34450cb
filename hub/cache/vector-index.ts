// Vectors by name, in groups that never see each other. One embedder's vectors alone: those of another
// tag mean something else and are refused.
//
// VI1. Rows are packed: the last one takes the place of one that leaves, so a scan touches nothing dead.
// VI2. A search gives only what is in the asked group: who may not see a thing cannot find it by likeness.

import { assert } from "@gantry/shared/base/assert.ts";
import { makeVectorTable, rounded, type VectorTable } from "./vector-scan.ts";

export interface Near {
  readonly id: string;
  /** Cosine, -1 to 1. */
  readonly likeness: number;
}

export interface VectorIndex {
  readonly size: number;
  readonly dimensions: number;
  readonly kind: VectorTable["kind"];
  has(id: string): boolean;
  /** Replaces what was there under this id. */
  put(id: string, group: string, vector: readonly number[] | Float32Array): void;
  drop(id: string): void;
  /** The most alike of any of these groups, most alike first; at least `least` alike. */
  near(
    vector: readonly number[] | Float32Array,
    groups: readonly string[],
    count: number,
    least?: number,
  ): readonly Near[];
}

const FIRST_ROWS = 64;

export function makeVectorIndex(dimensions: number, isPlain = false): VectorIndex {
  let table = makeVectorTable(dimensions, FIRST_ROWS, isPlain);
  let groupOfRow = new Int32Array(FIRST_ROWS);
  const ids: string[] = [];
  const vectors: ReturnType<typeof rounded>[] = [];
  const rowOf = new Map<string, number>();
  const groupNumbers = new Map<string, { readonly number: number; rows: number }>();
  let nextGroup = 1;

  function join(group: string): number {
    let found = groupNumbers.get(group);
    if (found === undefined) {
      found = { number: nextGroup, rows: 0 };
      nextGroup += 1;
      groupNumbers.set(group, found);
    }
    found.rows += 1;
    return found.number;
  }

  function leave(number: number): void {
    for (const [name, group] of groupNumbers) {
      if (group.number !== number) continue;
      group.rows -= 1;
      if (group.rows === 0) groupNumbers.delete(name);
      return;
    }
  }

  function grow(): void {
    table = table.grown(table.capacity * 2);
    const groups = new Int32Array(table.capacity);
    groups.set(groupOfRow);
    groupOfRow = groups;
  }

  function drop(id: string): void {
    const row = rowOf.get(id);
    if (row === undefined) return;
    leave(groupOfRow[row] ?? 0);
    const last = ids.length - 1;
    const lastId = ids[last];
    const lastVector = vectors[last];
    assert(lastId !== undefined && lastVector !== undefined, "VI1: there is a last row");
    ids[row] = lastId; // VI1
    vectors[row] = lastVector;
    groupOfRow[row] = groupOfRow[last] ?? 0;
    table.set(row, lastVector);
    rowOf.set(lastId, row);
    ids.pop();
    vectors.pop();
    rowOf.delete(id);
  }

  return {
    get size() {
      return ids.length;
    },
    dimensions,
    get kind() {
      return table.kind;
    },
    has: (id) => rowOf.has(id),
    put(id, group, vector) {
      assert(vector.length === dimensions, "a vector of this embedder");
      drop(id);
      if (ids.length === table.capacity) grow();
      const row = ids.length;
      const kept = rounded(vector);
      table.set(row, kept);
      groupOfRow[row] = join(group);
      ids.push(id);
      vectors.push(kept);
      rowOf.set(id, row);
    },
    drop,
    near(vector, groups, count, least = -1) {
      if (vector.length !== dimensions || ids.length === 0) return [];
      const numbers = groups.flatMap((name) => groupNumbers.get(name)?.number ?? []); // VI2
      if (numbers.length === 0) return [];
      const cosines = table.scan(rounded(vector), ids.length);
      return best({ cosines, ids, groupOfRow, numbers, count, least });
    },
  };
}

interface Wanted {
  readonly cosines: Float32Array;
  readonly ids: readonly string[];
  readonly groupOfRow: Int32Array;
  readonly numbers: readonly number[];
  readonly count: number;
  readonly least: number;
}

/** The `count` best rows, by insertion: `count` is small and a row seldom gets in. */
function best({ cosines, ids, groupOfRow, numbers, count, least }: Wanted): readonly Near[] {
  const found: Near[] = [];
  const rows = ids.length;
  let floor = least;
  for (let row = 0; row < rows; row += 1) {
    const likeness = cosines[row] ?? 0;
    if (likeness < floor || !numbers.includes(groupOfRow[row] ?? 0)) continue;
    if (found.length === count) found.pop();
    let at = found.length;
    while (at > 0 && (found[at - 1]?.likeness ?? 0) < likeness) at -= 1;
    found.splice(at, 0, { id: ids[row] ?? "", likeness });
    if (found.length === count) floor = found[count - 1]?.likeness ?? floor;
  }
  return found;
}
