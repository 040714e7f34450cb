// A simulated LevelDB: batches in order, each whole or not at all; what no sync covers may be lost.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { OrderedStore, StoreOperation, StoreRange } from "../../../hub/ports.ts";
import type { World } from "../world.ts";

export interface SimStore {
  /** Batches end no earlier. */
  stallUntil: number;
  isFull: boolean;
  /** For one life of a hub: after it nothing resolves any more. */
  open(happens: (run: () => void) => void): OrderedStore;
  /** `keep`: how many of the batches that no sync covers survive. */
  crash(keep: number): void;
  unsynced(): number;
}

interface Batch {
  readonly operations: readonly StoreOperation[];
  readonly isSync: boolean;
}

export function makeSimStore(world: World, latencyMs: () => number): SimStore {
  let current = new Map<string, Uint8Array>();
  let durable = new Map<string, Uint8Array>();
  let unsynced: Batch[] = [];
  let underWay: Batch[] = [];
  let endsAt = 0;
  let life = 0;

  function write(map: Map<string, Uint8Array>, { operations }: Batch): void {
    for (const operation of operations) {
      if (operation.type === "put") map.set(operation.key, operation.value);
      else map.delete(operation.key);
    }
  }

  function finish(batch: Batch, own: number, done: () => void): void {
    if (own !== life) return;
    const waitMs = Math.min(store.stallUntil - world.now, 20);
    if (waitMs > 0) {
      world.after(waitMs, () => finish(batch, own, done));
      return;
    }
    if (underWay[0] !== batch) {
      world.after(1, () => finish(batch, own, done)); // the one before is stalled
      return;
    }
    underWay.shift();
    write(current, batch);
    unsynced.push(batch);
    if (batch.isSync) {
      for (const one of unsynced) write(durable, one);
      unsynced = [];
    }
    done();
  }

  const store: SimStore = {
    stallUntil: 0,
    isFull: false,
    open(happens) {
      const own = life;
      return {
        getSync: (key) => current.get(key),
        batch(operations, { sync }) {
          if (own !== life) return new Promise(() => {}); // a process that is no more
          if (store.isFull) {
            return Promise.reject(new GantryError("disk_full", "The simulated disk is full"));
          }
          const copied = operations.map((operation) =>
            operation.type === "put" ? { ...operation, value: operation.value.slice() } : operation,
          );
          const batch: Batch = { operations: copied, isSync: sync };
          underWay.push(batch);
          endsAt = Math.max(endsAt, world.now + latencyMs());
          return new Promise((resolve) => {
            world.after(endsAt - world.now, () => finish(batch, own, () => happens(resolve)));
          });
        },
        async *entries(range: StoreRange) {
          const view = new Map(current);
          let keys = [...view.keys()]
            .filter((key) => key >= (range.gte ?? "") && (range.lt === undefined || key < range.lt))
            .toSorted((a, b) => (a < b ? -1 : 1));
          if (range.reverse === true) keys = keys.toReversed();
          for (const key of keys.slice(0, range.limit ?? keys.length)) {
            const value = view.get(key);
            if (value !== undefined) yield [key, value] as const;
          }
        },
        close: () => Promise.resolve(),
      };
    },
    crash(keep) {
      life += 1;
      for (const batch of [...unsynced, ...underWay].slice(0, keep)) write(durable, batch);
      unsynced = [];
      underWay = [];
      endsAt = 0;
      current = new Map(durable);
    },
    unsynced: () => unsynced.length + underWay.length,
  };
  return store;
}
