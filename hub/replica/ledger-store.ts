// The ledger on disk: rows in an OrderedStore of their own, written in checkpoints. A checkpoint is
// one batch of every row that changed, together with the log index it is true for; what came after
// it is replayed from the log at start.
//
//   applied           {index, term, position, membership, membershipIndex}: the log entry and the last
//                     command that the rows show, and who counts there
//   hot/..., cold/... rows as JSON (hub/ledger/rows.ts)
//
// K1. Rows and `applied` are written in one batch: never one without the other.
// K2. A checkpoint is synced, so that a power cut takes back the last ones and never one in the
//     middle: LevelDB skips a torn record of an unsynced file and goes on with what follows it.
// K3. Encoding gives way to other work every few milliseconds; the batch is still one.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Membership } from "../consensus/types.ts";
import { HOT_PREFIX, makeRows, type RowChange, type Rows } from "../ledger/rows.ts";
import type { OrderedStore, StoreOperation } from "../ports.ts";

export const APPLIED_KEY = "applied";
const AFTER_HOT = "hot0";
const SLICE_MS = 2; // a heartbeat, or a batch of commands, waits no longer than this
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface AppliedMark {
  readonly index: number;
  readonly position: number;
  /** Of the entry; undefined, as the membership, in a mark of a release that knew one hub only. */
  readonly term?: number;
  /** In force at `index`; made by the change at `membershipIndex` <= `index`. */
  readonly membership?: Membership;
  readonly membershipIndex?: number;
}

export interface LoadedLedger {
  readonly rows: Rows;
  readonly applied: AppliedMark;
}

/** The mark as `storeCheckpoint` wrote it; zero for a store that has none. */
export const readApplied = (value: Uint8Array | undefined): AppliedMark =>
  value === undefined
    ? { index: 0, position: 0 }
    : (JSON.parse(decoder.decode(value)) as AppliedMark); // written below

export async function loadLedger(store: OrderedStore): Promise<LoadedLedger> {
  const view = (key: string): string | undefined => {
    const value = store.getSync(key);
    return value === undefined ? undefined : decoder.decode(value);
  };
  return { rows: makeRows(view, await readHot(store)), applied: appliedIn(store) };
}

/**
 * Puts what the store now holds in the place of everything in `rows`, which stay the same object:
 * after a snapshot was restored under a running hub. No checkpoint may be under way.
 */
export async function reloadLedger(store: OrderedStore, rows: Rows): Promise<AppliedMark> {
  rows.reload(await readHot(store));
  return appliedIn(store);
}

const appliedIn = (store: OrderedStore): AppliedMark => readApplied(store.getSync(APPLIED_KEY));

async function readHot(store: OrderedStore): Promise<readonly (readonly [string, unknown])[]> {
  const hot: (readonly [string, unknown])[] = [];
  for await (const [key, value] of store.entries({ gte: HOT_PREFIX, lt: AFTER_HOT })) {
    hot.push([key, JSON.parse(decoder.decode(value))]);
  }
  return hot;
}

/** K1, K2, K3. `changes` are not changed meanwhile. */
export async function storeCheckpoint(
  store: OrderedStore,
  changes: readonly RowChange[],
  applied: AppliedMark,
  clock: Clock,
): Promise<void> {
  const operations: StoreOperation[] = [];
  let sliceEndMs = clock.monotonic() + SLICE_MS;
  for (const { key, row } of changes) {
    operations.push(
      row === undefined
        ? { type: "del", key }
        : { type: "put", key, value: Buffer.from(JSON.stringify(row), "utf8") },
    );
    if (clock.monotonic() < sliceEndMs) continue;
    await nextTurn();
    sliceEndMs = clock.monotonic() + SLICE_MS;
  }
  operations.push({
    type: "put",
    key: APPLIED_KEY,
    value: encoder.encode(JSON.stringify(applied)),
  });
  await store.batch(operations, { sync: true });
}
