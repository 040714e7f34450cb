// The log on disk: hard state and entries in an OrderedStore of their own, so that compaction of the
// ledger's store never delays a commit. One group-commit batch is one entry is one key.
//
//   h             hard state, JSON
//   l/INDEX       [version u8][term u48][crc32 u32 of data][data]      INDEX: 16 hex digits
//
// S1. An append is synced before it resolves: hard state and entries in one batch.
// S2. An entry whose bytes do not match their crc is data_damaged, never skipped.
// S3. Indexes have no gap: a missing one below the last is data_damaged.

import { crc32 } from "node:zlib";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Entry, HardState, Restored } from "../consensus/core.ts";
import { EMPTY_LOG } from "../consensus/core.ts";
import type { OrderedStore, StoreOperation } from "../ports.ts";

const ENTRY_VERSION = 1;
const HEADER_BYTES = 11;
const HARD_STATE_KEY = "h";
const PREFIX = "l/";
const AFTER_PREFIX = "l0";

export interface LogStore {
  /** What was found at open. */
  readonly restored: Restored;
  /** The oldest entry kept; last + 1 when there is none. */
  readonly firstIndex: number;
  append(hardState: HardState | undefined, entries: readonly Entry[]): Promise<void>;
  /** From `from` to the end, in order. */
  read(from: number): AsyncIterable<Entry>;
  /** Forgets entries up to and including `through`. */
  trim(through: number): Promise<void>;
}

export async function openLogStore(store: OrderedStore): Promise<LogStore> {
  const restored = await restore(store);
  let firstIndex = restored.firstIndex;
  return {
    restored: restored.log,
    get firstIndex() {
      return firstIndex;
    },
    append(hardState, entries) {
      const operations: StoreOperation[] = entries.map((entry) => ({
        type: "put",
        key: keyOf(entry.index),
        value: encode(entry),
      }));
      if (hardState !== undefined) {
        const value = new TextEncoder().encode(JSON.stringify(hardState));
        operations.push({ type: "put", key: HARD_STATE_KEY, value });
      }
      return store.batch(operations, { sync: true }); // S1
    },
    read: (from) => readEntries(store, from),
    async trim(through) {
      const operations: StoreOperation[] = [];
      for (; firstIndex <= through; firstIndex += 1) {
        operations.push({ type: "del", key: keyOf(firstIndex) });
      }
      await store.batch(operations, { sync: false });
    },
  };
}

async function restore(store: OrderedStore): Promise<{ log: Restored; firstIndex: number }> {
  const hardState = readHardState(store);
  const [last] = await Array.fromAsync(
    store.entries({ gte: PREFIX, lt: AFTER_PREFIX, reverse: true, limit: 1 }),
  );
  const [first] = await Array.fromAsync(store.entries({ gte: PREFIX, lt: AFTER_PREFIX, limit: 1 }));
  if (last === undefined || first === undefined) {
    return { log: { ...EMPTY_LOG, hardState }, firstIndex: 1 };
  }
  const tail = decode(last[0], last[1]);
  const log = { hardState, lastIndex: tail.index, lastTerm: tail.term };
  return { log, firstIndex: indexOf(first[0]) };
}

function readHardState(store: OrderedStore): HardState {
  const bytes = store.getSync(HARD_STATE_KEY);
  if (bytes === undefined) return EMPTY_LOG.hardState;
  return JSON.parse(new TextDecoder().decode(bytes)) as HardState; // written by append only
}

async function* readEntries(store: OrderedStore, from: number): AsyncGenerator<Entry> {
  let expected = from;
  for await (const [key, value] of store.entries({ gte: keyOf(from), lt: AFTER_PREFIX })) {
    const entry = decode(key, value);
    if (entry.index !== expected) {
      throw new GantryError("data_damaged", `Log entry ${expected} is missing`); // S3
    }
    expected += 1;
    yield entry;
  }
}

const keyOf = (index: number): string => `${PREFIX}${index.toString(16).padStart(16, "0")}`;
const indexOf = (key: string): number => Number.parseInt(key.slice(PREFIX.length), 16);

function encode({ term, data }: Entry): Uint8Array {
  const value = Buffer.allocUnsafe(HEADER_BYTES + data.length);
  value.writeUInt8(ENTRY_VERSION, 0);
  value.writeUIntBE(term, 1, 6);
  value.writeUInt32BE(crc32(data), 7);
  value.set(data, HEADER_BYTES);
  return value;
}

function decode(key: string, value: Uint8Array): Entry {
  const index = indexOf(key);
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < HEADER_BYTES || bytes.readUInt8(0) !== ENTRY_VERSION) {
    throw new GantryError("data_damaged", `Log entry ${index} has no readable header`);
  }
  const data = bytes.subarray(HEADER_BYTES);
  if (crc32(data) !== bytes.readUInt32BE(7)) {
    throw new GantryError("data_damaged", `Log entry ${index} does not match its checksum`); // S2
  }
  return { index, term: bytes.readUIntBE(1, 6), data };
}
