// The ledger on disk: rows in an OrderedStore of their own, written in checkpoints. A checkpoint is
// one batch of every row that changed, together with the log index it is true for; what came after
// it is replayed from the log at start.
//
//   applied           {index, position}: the log entry and the last command that the rows show
//   hot/..., cold/... rows as JSON (hub/ledger/rows.ts)
//
// K1. Rows and `applied` are written in one batch: never one without the other.
// K2. A checkpoint is not synced. Losing it costs replay time, not facts: the log is synced.

import type { OrderedStore, StoreOperation } from "../ports.ts";
import { HOT_PREFIX, makeRows, type RowChange, type Rows } from "../ledger/rows.ts";

const APPLIED_KEY = "applied";
const AFTER_HOT = "hot0";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface AppliedMark {
  readonly index: number;
  readonly position: number;
}

export interface LoadedLedger {
  readonly rows: Rows;
  readonly applied: AppliedMark;
}

export async function loadLedger(store: OrderedStore): Promise<LoadedLedger> {
  const mark = store.getSync(APPLIED_KEY);
  const hot: (readonly [string, unknown])[] = [];
  for await (const [key, value] of store.entries({ gte: HOT_PREFIX, lt: AFTER_HOT })) {
    hot.push([key, JSON.parse(decoder.decode(value))]);
  }
  const view = (key: string): string | undefined => {
    const value = store.getSync(key);
    return value === undefined ? undefined : decoder.decode(value);
  };
  const applied =
    mark === undefined
      ? { index: 0, position: 0 }
      : (JSON.parse(decoder.decode(mark)) as AppliedMark); // written below
  return { rows: makeRows(view, hot), applied };
}

/** K1. */
export async function storeCheckpoint(
  store: OrderedStore,
  changes: readonly RowChange[],
  applied: AppliedMark,
): Promise<void> {
  const operations: StoreOperation[] = changes.map(({ key, row }) =>
    row === undefined
      ? { type: "del", key }
      : { type: "put", key, value: encoder.encode(JSON.stringify(row)) },
  );
  operations.push({
    type: "put",
    key: APPLIED_KEY,
    value: encoder.encode(JSON.stringify(applied)),
  });
  await store.batch(operations, { sync: false });
}
