// Test equipment: an OrderedStore in memory that forgets, at a power cut, what was not synced.

import type { OrderedStore, StoreOperation, StoreRange } from "../../hub/ports.ts";

export interface ForgetfulStore extends OrderedStore {
  /** The power goes: everything since the last synced batch is gone. */
  cutPower(): void;
  /** Every batch from now on fails with this, until it is called without one. */
  failWith(error?: Error): void;
}

export function makeForgetfulStore(): ForgetfulStore {
  let synced = new Map<string, Uint8Array>();
  let current = new Map<string, Uint8Array>();
  let fault: Error | undefined;

  const keysOf = (range: StoreRange): string[] => {
    const keys = [...current.keys()]
      .filter(
        (key) =>
          (range.gte === undefined || key >= range.gte) &&
          (range.lt === undefined || key < range.lt),
      )
      .toSorted();
    if (range.reverse === true) keys.reverse();
    return keys.slice(0, range.limit ?? keys.length);
  };

  return {
    isReopening: false,
    getSync: (key) => current.get(key),
    async batch(operations: readonly StoreOperation[], { sync }) {
      await Promise.resolve();
      if (fault !== undefined) throw fault;
      for (const operation of operations) {
        if (operation.type === "put") current.set(operation.key, new Uint8Array(operation.value));
        else current.delete(operation.key);
      }
      if (sync) synced = new Map(current);
    },
    entries(range) {
      // As of the call, and not of the first look at it.
      const rows = keysOf(range).flatMap((key) => {
        const value = current.get(key);
        return value === undefined ? [] : [[key, value] as const];
      });
      return (async function* () {
        yield* rows;
      })();
    },
    close: () => Promise.resolve(),
    cutPower() {
      current = new Map(synced);
    },
    failWith(error) {
      fault = error;
    },
  };
}
