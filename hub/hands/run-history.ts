// What has been over for long leaves the rows: the leader packs the oldest ended runs, by age and by
// bytes, and drops the oldest packs when there is no more room for them.
//
// RP1. The pack is on enough hubs before the command that takes the rows away (RA2 of the ledger). A
//      leader that dies between the two leaves a blob that nothing names; the sweep removes it.
// RP2. Bytes are estimated from a sample: what is packed early for want of room is never younger than
//      what stays, so an estimate that is off costs some days of rows and no order.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { PackedRow, PackedRun } from "@gantry/shared/contract/run-commands.ts";
import type { RunLineRow } from "@gantry/shared/contract/run-rows.ts";
import { packLine, packRuns } from "../adapters/run-packs.ts";
import { act, byHub, type Hub } from "../hub.ts";
import { PACK_BYTES, PACKED_THROUGH, PACKS_DROPPED } from "../ledger/domains/run-history.ts";
import { coldPrefix } from "../ledger/rows.ts";
import type { BlobStore, OrderedStore } from "../ports.ts";

const LOOK_MS = 60_000;
const PACK_RUNS = 500;
const PACK_CHARS = 4_000_000;
const PLACES_CHARS = 256_000; // of one command: where the answers for replays were
const LOOKS = 5_000; // places looked at for one pack
const SAMPLE = 200;

export interface RunHistoryParts {
  readonly hub: Hub;
  readonly ledgerStore: OrderedStore;
  readonly blobs: {
    readonly store: Pick<BlobStore, "write">;
    spread(sha256: string, signal: AbortSignal): Promise<void>;
  };
  /** Smaller ones for tests. */
  readonly bounds?: {
    readonly rowBytes?: number;
    readonly packBytes?: number;
    readonly runBytes?: number;
  };
}

export interface RunHistory {
  /** Packs what is due, once a minute, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** All that is due now; gives how many runs were packed. */
  packDue(signal: AbortSignal): Promise<number>;
}

export function makeRunHistory(parts: RunHistoryParts): RunHistory {
  const { hub, ledgerStore, blobs } = parts;
  const { rows } = hub;
  const {
    rowBytes = LIMIT.runRowBytes.max,
    packBytes = LIMIT.runPackBytes.max,
    runBytes = LIMIT.runPackedBytes.max,
  } = parts.bounds ?? {};
  const count = (name: string): number => rows.get("count", name) ?? 0;

  async function packDue(signal: AbortSignal): Promise<number> {
    await hub.replica.checkpoint(); // answers for replays are found on the disk
    let excessBytes = (await estimateBytes()) - rowBytes;
    let packed = 0;
    for (;;) {
      signal.throwIfAborted();
      const pack = await gather(excessBytes);
      if (pack.through === count(PACKED_THROUGH)) break;
      await write(pack, signal);
      excessBytes -= pack.chars;
      packed += pack.runs.length;
    }
    await dropOldest(signal);
    return packed;
  }

  /** RP2. */
  async function estimateBytes(): Promise<number> {
    const from = count(PACKED_THROUGH);
    const among = count("runs/ended") - from;
    const step = Math.max(1, Math.floor(among / SAMPLE));
    let bytes = 0;
    let looked = 0;
    for (let place = from; place < from + among; place += step) {
      const line = lineAt(place);
      looked += 1;
      if (line === undefined) continue;
      const { text } = await rowsOf(line);
      bytes += text.length;
    }
    return looked === 0 ? 0 : (bytes / looked) * among;
  }

  /** Undefined for an end that was not the last one of its run, or one that is packed. */
  function lineAt(place: number): RunLineRow | undefined {
    const id = rows.get("order", `runs/ended/${place}`);
    const line = id === undefined ? undefined : rows.get("runLine", id);
    if (line === undefined || line.pack !== undefined) return undefined;
    return (line.back ?? line.ended) === place ? line : undefined;
  }

  async function rowsOf({ id, entries, revision }: RunLineRow): Promise<{
    readonly text: string;
    readonly recorded: readonly string[];
  }> {
    const found: PackedRow[] = [];
    const add = (table: "timeline" | "runPatch", number: number): void => {
      const row = rows.get(table, `${id}/${number}`);
      if (row !== undefined) found.push([table, String(number), row]);
    };
    for (let n = 0; n < entries; n += 1) add("timeline", n);
    for (let n = 1; n <= revision; n += 1) add("runPatch", n);
    const prefix = `${coldPrefix("recorded")}${id}`;
    const recorded: string[] = [];
    for await (const [key, value] of ledgerStore.entries({ gte: `${prefix}/`, lt: `${prefix}0` })) {
      const place = key.slice(prefix.length + 1);
      recorded.push(place);
      found.push(["recorded", place, JSON.parse(new TextDecoder().decode(value))]);
    }
    found.push(["run", "", rows.get("run", id)]); // the last: runRestored wants it so
    return { text: packLine(id, found), recorded };
  }

  interface Gathered {
    readonly runs: readonly PackedRun[];
    readonly lines: readonly string[];
    readonly chars: number;
    readonly through: number;
  }

  /** The oldest that are due, as many as go into one pack. */
  async function gather(excessBytes: number): Promise<Gathered> {
    const runs: PackedRun[] = [];
    const lines: string[] = [];
    let chars = 0;
    let placesChars = 0;
    const from = count(PACKED_THROUGH);
    const end = Math.min(count("runs/ended"), from + LOOKS);
    const bornMs = hub.stampMs() - LIFE.runHotMs;
    let place = from;
    for (; place < end && runs.length < PACK_RUNS && chars < PACK_CHARS; place += 1) {
      const line = lineAt(place);
      if (line === undefined) continue;
      const isOld = (line.backAtMs ?? line.endedMs) <= bornMs;
      if (!isOld && chars >= excessBytes) break;
      const { text, recorded } = await rowsOf(line);
      const names = recorded.reduce((sum, name) => sum + name.length + 3, 0);
      // In bytes, not characters: what is packed and cannot be unpacked (PK1) is lost.
      if (Buffer.byteLength(text) > runBytes || names > PLACES_CHARS) continue; // it stays as rows
      if (runs.length > 0 && placesChars + names > PLACES_CHARS) break;
      chars += text.length;
      placesChars += names;
      lines.push(text);
      runs.push({ run: line.id, ended: place, recorded });
    }
    return { runs, lines, chars, through: place };
  }

  /** RP1. */
  async function write({ runs, lines, through }: Gathered, signal: AbortSignal): Promise<void> {
    const pack = lines.length === 0 ? { sha256: "", sizeBytes: 0 } : await store(lines, signal);
    await act(hub, { type: "runsPacked", ...pack, through, runs }, byHub(hub), signal);
    hub.log.info({ runs: runs.length, ...pack }, "packed ended runs");
  }

  async function store(
    lines: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
    const bytes = await packRuns(lines);
    const writer = await blobs.store.write();
    try {
      await writer.write(bytes);
      const { sha256, sizeBytes } = await writer.finish();
      await blobs.spread(sha256, signal);
      return { sha256, sizeBytes };
    } catch (error) {
      await writer.abort().catch(() => undefined); // it is finished, or its file is gone with the disk
      throw error;
    }
  }

  async function dropOldest(signal: AbortSignal): Promise<void> {
    const first = count(PACKS_DROPPED);
    const packs = count("runPacks");
    let bytes = count(PACK_BYTES);
    let below = first;
    while (bytes > packBytes && below < packs) {
      bytes -= rows.get("runPack", String(below))?.sizeBytes ?? 0;
      below += 1;
    }
    if (below > first) await act(hub, { type: "runPacksDropped", below }, byHub(hub), signal);
  }

  return {
    packDue,
    async run(signal) {
      for (;;) {
        await hub.clock.sleep(LOOK_MS, signal);
        try {
          await packDue(signal);
        } catch (error) {
          if (signal.aborted) throw error;
          hub.log.warn({ error: toErrorRecord(error) }, "ended runs could not be packed");
        }
      }
    },
  };
}
