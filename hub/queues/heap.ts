// A binary heap whose members know their place in it, so that any of them can leave. A member is in at
// most one heap at a time.

import { assert } from "@gantry/shared/base/assert.ts";

export interface Slotted {
  /** Place in its heap; -1 while it is in none. */
  slot: number;
}

export interface Heap<T extends Slotted> {
  readonly size: number;
  /** The first by `isBefore`. */
  top(): T | undefined;
  /** O(log n). */
  push(item: T): void;
  pop(): T | undefined;
  /** O(log n). The item must be in this heap. */
  remove(item: T): void;
  /** All members, in no order. */
  items(): readonly T[];
}

export function makeHeap<T extends Slotted>(isBefore: (one: T, other: T) => boolean): Heap<T> {
  const heap: T[] = [];

  function place(item: T, slot: number): void {
    heap[slot] = item;
    item.slot = slot;
  }

  function rise(item: T, from: number): void {
    let slot = from;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      const above = heap[parent] as T; // parent < slot
      if (!isBefore(item, above)) break;
      place(above, slot);
      slot = parent;
    }
    place(item, slot);
  }

  function sink(item: T, from: number): void {
    let slot = from;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as T)) child += 1;
      const below = heap[child] as T; // child < length
      if (!isBefore(below, item)) break;
      place(below, slot);
      slot = child;
    }
    place(item, slot);
  }

  function remove(item: T): void {
    const { slot } = item;
    assert(heap[slot] === item, "it is in this heap");
    item.slot = -1;
    const last = heap.pop() as T; // there is one: the item
    if (last === item) return;
    const above = heap[(slot - 1) >> 1];
    if (slot > 0 && above !== undefined && isBefore(last, above)) rise(last, slot);
    else sink(last, slot);
  }

  return {
    get size() {
      return heap.length;
    },
    top: () => heap[0],
    push(item) {
      assert(item.slot === -1, "it is in no other heap");
      heap.push(item);
      rise(item, heap.length - 1);
    },
    pop() {
      const first = heap[0];
      if (first !== undefined) remove(first);
      return first;
    },
    remove,
    items: () => heap,
  };
}
