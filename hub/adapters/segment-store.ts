// OrderedStore as an append-only log of records in preallocated segments, with all keys in memory. For
// the log of a hub: few keys change but the newest, and every write waits for its sync.
//
// SS1. A batch that is synced is one write and one sync. What was not synced before goes with it, in the
//      same record, and is kept in memory until then: on the disk nothing is ever behind something else.
// SS2. Memory follows only when the disk has it. A write that failed is as if it had not been: the next
//      one goes to the same place, under the same sequence number.
// SS3. A segment is used again, or removed, when nothing in it counts on the disk and no older one is
//      left: a deletion stays readable for as long as what it deletes.
// SS4. The few keys that keep the oldest segment alive are written again with the first record of a new
//      one: one that seldom changes never holds up the rest.
// SS5. At open the records are read in order. Behind a damaged one nothing is written: a new segment
//      begins. What a damaged record held is missing, and the chain of the log says so (raft-log.ts S2).

import { close as closeFd, readSync } from "node:fs";
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { OrderedStore, StoreOperation, StoreRange } from "../ports.ts";
import { writeError } from "./level-store.ts";
import {
  decodeHead,
  isUnused,
  encodeHead,
  encodeRecord,
  HEAD_BYTES,
  lookForRecord,
  type Placed,
  sizeOfRecord,
} from "./segment-format.ts";
import {
  listSegments,
  makeSegment,
  openSegment,
  reuseSegment,
  type Segment,
  segmentName,
  syncFolder,
  writeSynced,
} from "./segment-files.ts";
import { makeSortedKeys } from "./sorted-keys.ts";

const SEGMENT_BYTES = 8 * 1_048_576;
const UNSYNCED_BYTES_MAX = 1_048_576; // then they are written without being asked
const MOVED_KEYS_MAX = 16;
const MOVED_BYTES_MAX = 65_536;
const READ_IN_A_TURN = 64;

export interface SegmentStoreOptions {
  /** 8 random bytes. */
  readonly drawSalt: () => Uint8Array;
  /** Of a segment; 8 MiB where left out. */
  readonly segmentBytes?: number;
}

interface Place {
  readonly segment: Segment;
  readonly at: number;
  readonly size: number;
}

/** Makes the folder when it is missing. Throws data_damaged, disk_full, io_error. */
export async function openSegmentStore(
  folder: string,
  { drawSalt, segmentBytes = SEGMENT_BYTES }: SegmentStoreOptions,
): Promise<OrderedStore> {
  const index = makeSortedKeys<Place>();
  /** Not synced yet (SS1); undefined: deleted. */
  const unsynced = new Map<string, Uint8Array | undefined>();
  let unsyncedBytes = 0;
  /** In the order of their numbers; the last one is written to. */
  const segments: Segment[] = [];
  let spare: Segment | undefined;
  let preparing: Promise<void> | undefined;
  let sequence = 1; // of the next record
  let mustRoll = true;
  let writing: Promise<unknown> = Promise.resolve();
  let isClosed = false;

  await restore().catch((cause: unknown) => {
    throw cause instanceof GantryError ? cause : writeError(folder, cause);
  });

  // ── opening ───────────────────────────────────────────────────────────────────────────────────

  /** SS5. */
  async function restore(): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const spares: number[] = [];
    for (const number of await listSegments(folder)) {
      const bytes = await readFile(join(folder, segmentName(number)));
      const head = decodeHead(bytes, number);
      if (head === undefined) {
        if (isUnused(bytes)) spares.push(number);
        else await putAside(number);
        continue;
      }
      if (head.firstSequence < sequence) {
        const name = segmentName(number);
        throw new GantryError(
          "data_damaged",
          `${folder}: ${name} begins before the one before ends`,
        );
      }
      sequence = head.firstSequence;
      const segment = await openSegment(folder, number, bytes.length);
      segment.salt = head.salt;
      segments.push(segment);
      readRecords(segment, bytes);
    }
    await keepOneSpare(spares);
  }

  function readRecords(segment: Segment, bytes: Buffer): void {
    let at = HEAD_BYTES;
    mustRoll = false;
    for (;;) {
      const look = lookForRecord(bytes, at, segment.salt);
      if (look.kind === "record" && look.record.sequence === sequence) {
        take(segment, at, look.record.placed);
        at += look.record.size;
        sequence += 1;
        continue;
      }
      mustRoll = look.kind !== "none";
      const next = look.kind === "damaged" ? at + look.size : undefined;
      const after = next === undefined ? undefined : lookForRecord(bytes, next, segment.salt);
      if (next === undefined || after?.kind !== "record" || after.record.sequence !== sequence + 1)
        break;
      at = next;
      sequence += 1;
    }
    segment.end = at;
  }

  /** A file whose head is damaged is kept for people to look at, never written over. */
  async function putAside(number: number): Promise<void> {
    const path = join(folder, segmentName(number));
    await rename(path, `${path}.damaged`);
  }

  async function keepOneSpare(numbers: readonly number[]): Promise<void> {
    const last = segments.at(-1)?.number ?? 0;
    for (const number of numbers) {
      const path = join(folder, segmentName(number));
      const { size } = await stat(path);
      if (number === last + 1 && size === segmentBytes)
        spare = await openSegment(folder, number, size);
      else await rm(path);
    }
  }

  // ── the index ─────────────────────────────────────────────────────────────────────────────────

  function take(segment: Segment, at: number, placed: readonly Placed[]): void {
    for (const { key, value } of placed) {
      const before = index.get(key);
      if (before !== undefined) before.segment.live -= 1;
      if (value === undefined) index.delete(key);
      else {
        index.set(key, { segment, at: at + value.at, size: value.size });
        segment.live += 1;
      }
    }
  }

  function read({ segment, at, size }: Place): Uint8Array {
    const bytes = new Uint8Array(size);
    const got = readSync(segment.fd, bytes, 0, size, at);
    if (got < size) throw new GantryError("io_error", `${segment.path} is too short`);
    return bytes;
  }

  // ── writing ───────────────────────────────────────────────────────────────────────────────────

  function inOrder(work: () => Promise<void>): Promise<void> {
    const done = writing.then(work);
    writing = done.catch(() => {});
    return done;
  }

  async function keep(operations: readonly StoreOperation[]): Promise<void> {
    for (const operation of operations) {
      const value = operation.type === "put" ? Uint8Array.from(operation.value) : undefined;
      unsynced.set(operation.key, value);
      unsyncedBytes += operation.key.length + (value?.length ?? 0);
    }
    if (unsyncedBytes > UNSYNCED_BYTES_MAX) await write([]);
  }

  async function write(operations: readonly StoreOperation[]): Promise<void> {
    if (isClosed) throw new GantryError("io_error", `${folder} is closed`);
    const waiting = [...unsynced].map(([key, value]) => operationOf(key, value));
    let all = [...waiting, ...operations];
    if (all.length === 0) return;
    try {
      let active = segments.at(-1);
      if (mustRoll || active === undefined || active.end + sizeOfRecord(all) > active.capacity) {
        all = [...movedKeys(), ...all];
        active = await roll(sizeOfRecord(all) + HEAD_BYTES);
        mustRoll = true; // until it has its first record: what it holds if that fails is overwritten
      }
      const { bytes, placed } = encodeRecord(all, sequence, active.salt);
      const at = active.end === 0 ? HEAD_BYTES : active.end;
      await writeSynced(active.fd, active.end === 0 ? withHead(active, bytes) : bytes, active.end);
      if (segments.at(-1) !== active) {
        segments.push(active);
        spare = undefined;
        mustRoll = false;
      }
      active.end = at + bytes.length;
      sequence += 1;
      take(active, at, placed); // SS2
      unsynced.clear();
      unsyncedBytes = 0;
    } catch (cause) {
      throw writeError(folder, cause);
    }
    prepare();
  }

  const withHead = ({ number, salt }: Segment, record: Buffer): Buffer =>
    Buffer.concat([encodeHead({ number, firstSequence: sequence, salt }), record]);

  /** SS4. */
  function movedKeys(): StoreOperation[] {
    const [oldest] = segments;
    if (oldest === undefined || segments.length < 2 || oldest.live > MOVED_KEYS_MAX) return [];
    const moved = index.range(undefined, undefined).flatMap((key) => {
      const place = index.get(key);
      return place?.segment === oldest ? [operationOf(key, read(place))] : [];
    });
    return sizeOfRecord(moved) > MOVED_BYTES_MAX ? [] : moved;
  }

  /** The segment that is written to next, with its salt and without a head. */
  async function roll(bytesMin: number): Promise<Segment> {
    await preparing;
    const number = (segments.at(-1)?.number ?? 0) + 1;
    if (spare !== undefined && spare.capacity < bytesMin) {
      await drop(spare);
      spare = undefined;
    }
    spare ??= await makeSegment(folder, number, Math.max(segmentBytes, bytesMin));
    spare.salt = drawSalt();
    spare.end = 0;
    return spare;
  }

  /** SG1, SS3: beside everything else. A failure shows when the segment is needed. */
  function prepare(): void {
    const active = segments.at(-1);
    if (preparing !== undefined || active === undefined) return;
    const [oldest] = segments;
    const hasDead = segments.length > 1 && oldest !== undefined && isFree(oldest);
    const isNeeded = spare === undefined && active.end > active.capacity / 2;
    if (!hasDead && !isNeeded) return;
    const work = async (): Promise<void> => {
      if (!hasDead) {
        spare = await makeSegment(folder, active.number + 1, segmentBytes);
        return;
      }
      if (spare === undefined && oldest.capacity === segmentBytes)
        spare = await reuseSegment(folder, oldest, active.number + 1);
      else await drop(oldest);
      segments.shift(); // SS3: only now, or the next oldest could go before it
    };
    preparing = work()
      .catch(() => {})
      .finally(() => (preparing = undefined));
  }

  async function drop(segment: Segment): Promise<void> {
    await rm(segment.path);
    await syncFolder(folder);
    await promisify(closeFd)(segment.fd);
  }

  // ── the port ──────────────────────────────────────────────────────────────────────────────────

  return {
    isReopening: false,
    getSync(key) {
      if (unsynced.has(key)) return unsynced.get(key);
      const place = index.get(key);
      return place === undefined ? undefined : read(place);
    },
    batch: (operations, { sync }) => inOrder(() => (sync ? write(operations) : keep(operations))),
    entries({ gte, lt, reverse = false, limit }: StoreRange) {
      const within = (key: string): boolean =>
        (gte === undefined || key >= gte) && (lt === undefined || key < lt);
      const stored = index.range(gte, lt).filter((key) => !unsynced.has(key));
      const fresh = [...unsynced].flatMap(([key, value]) =>
        value !== undefined && within(key) ? [key] : [],
      );
      const keys = fresh.length === 0 ? [...stored] : [...stored, ...fresh].toSorted(byBytes);
      if (reverse) keys.reverse();
      const found = keys
        .slice(0, limit ?? keys.length)
        .map((key) => [key, unsynced.get(key) ?? index.get(key)] as const);
      return readAll(found);
    },
    async close() {
      await inOrder(() => write([])).catch(() => {});
      isClosed = true;
      await preparing;
      const all = spare === undefined ? segments : [...segments, spare];
      for (const { fd } of all) await promisify(closeFd)(fd);
    },
  };

  /** Of places that were looked up already: they are pinned from now on. */
  function readAll(
    found: readonly (readonly [string, Place | Uint8Array | undefined])[],
  ): AsyncIterable<readonly [string, Uint8Array]> {
    const pinned = new Set(
      found.flatMap(([, place]) =>
        place === undefined || place instanceof Uint8Array ? [] : [place.segment],
      ),
    );
    for (const segment of pinned) segment.pins += 1;
    async function* values(): AsyncGenerator<readonly [string, Uint8Array]> {
      try {
        for (const [at, [key, place]] of found.entries()) {
          if (at % READ_IN_A_TURN === READ_IN_A_TURN - 1) await nextTurn();
          if (place === undefined) continue;
          yield [key, place instanceof Uint8Array ? place : read(place)];
        }
      } finally {
        for (const segment of pinned) segment.pins -= 1;
      }
    }
    return values();
  }
}

/** SS3. */
const isFree = ({ live, pins }: Segment): boolean => live === 0 && pins === 0;

const byBytes = (a: string, b: string): number => (a < b ? -1 : 1);

const operationOf = (key: string, value: Uint8Array | undefined): StoreOperation =>
  value === undefined ? { type: "del", key } : { type: "put", key, value };
