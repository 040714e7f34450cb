// A simulated LevelDB: batches in order, each whole or not at all; what no sync covers may be lost. A
// damaged disk loses more: the last batches, synced or not, or a bit of a value. As the real one does
// (LS2 of level-store.ts), it cannot be read while the first batch after one that failed is written.

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
  /** Between lives: the last `count` batches are not there, as if the end of the store were damaged. */
  lose(count: number): void;
  /** Between lives: flips a bit of a value, and gives its key; undefined if there is none that is meant. */
  rot(isMeant: (key: string) => boolean): string | undefined;
}

/** Batches that can be lost: more than a log syncs between two faults. */
const UNDO_MAX = 64;

/** A log of 64 MiB is read again. */
const REOPENING_MS_MAX = 100;

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
  /** What each of the last batches replaced. */
  const undo: ReadonlyMap<string, Uint8Array | undefined>[] = [];

  function writeDurable(batch: Batch): void {
    undo.push(new Map(batch.operations.map(({ key }) => [key, durable.get(key)])));
    if (undo.length > UNDO_MAX) undo.shift();
    write(durable, batch);
  }

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
      for (const one of unsynced) writeDurable(one);
      unsynced = [];
    }
    done();
  }

  const store: SimStore = {
    stallUntil: 0,
    isFull: false,
    open(happens) {
      const own = life;
      let isTorn = false;
      let isReopening = false;
      const assertOpen = (): void => {
        if (isReopening) throw new GantryError("starting", "The simulated store is opened anew");
      };
      return {
        getSync(key) {
          assertOpen();
          return current.get(key);
        },
        get isReopening() {
          return isReopening;
        },
        batch(operations, { sync }) {
          if (own !== life) return new Promise(() => {}); // a process that is no more
          if (store.isFull) {
            isTorn = true;
            return Promise.reject(new GantryError("disk_full", "The simulated disk is full"));
          }
          const copied = operations.map((operation) =>
            operation.type === "put"
              ? { ...operation, value: new Uint8Array(operation.value) }
              : operation,
          );
          const batch: Batch = { operations: copied, isSync: sync };
          if (isTorn) {
            [isTorn, isReopening] = [false, true];
            endsAt = Math.max(endsAt, world.now) + world.random() * REOPENING_MS_MAX;
          }
          underWay.push(batch);
          endsAt = Math.max(endsAt, world.now + latencyMs());
          return new Promise((resolve) => {
            world.after(endsAt - world.now, () =>
              finish(batch, own, () => {
                isReopening = false;
                happens(resolve);
              }),
            );
          });
        },
        async *entries(range: StoreRange) {
          assertOpen();
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
      for (const batch of [...unsynced, ...underWay].slice(0, keep)) writeDurable(batch);
      unsynced = [];
      underWay = [];
      endsAt = 0;
      current = new Map(durable);
    },
    unsynced: () => unsynced.length + underWay.length,
    lose(count) {
      for (let left = count; left > 0; left -= 1) {
        for (const [key, value] of undo.pop() ?? []) {
          if (value === undefined) durable.delete(key);
          else durable.set(key, value);
        }
      }
      current = new Map(durable);
    },
    rot(isMeant) {
      const keys = [...durable.keys()].filter(isMeant).toSorted();
      const key = keys[Math.floor(world.random() * keys.length)];
      const whole = key === undefined ? undefined : durable.get(key);
      if (key === undefined || whole === undefined) return undefined;
      const value = new Uint8Array(whole); // what was read of it before is elsewhere, and whole
      const at = Math.floor(world.random() * value.length);
      value[at] = (value[at] ?? 0) ^ (1 << Math.floor(world.random() * 8));
      durable.set(key, value);
      current = new Map(durable);
      return key;
    },
  };
  return store;
}
