// The log and its mark on real files, harmed as disks and power cuts harm them.

import { cp, mkdtemp, open, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Entry } from "../consensus/types.ts";
import type { LogStore } from "../ports.ts";
import { openLogFolder } from "./log-folder.ts";
import { openRaftLog } from "./raft-log.ts";
import { decodeHead, HEAD_BYTES, lookForRecord } from "./segment-format.ts";
import { decodeMark, encodeMark, openTailMark } from "./tail-mark.ts";

const SYNCED = 80; // of 1 kB each
const UNSYNCED = 20;
const commandsAt = (index: number): Entry => ({
  index,
  term: 1,
  kind: "commands",
  data: Buffer.alloc(1_000, index),
});

interface Home {
  readonly folder: string;
  /** Of the records in the only segment when the last synced write had resolved, and at the end. */
  readonly syncedBytes: number;
  readonly totalBytes: number;
}

async function withLog<T>(folder: string, use: (log: LogStore) => Promise<T>): Promise<T> {
  const store = await openLogFolder(join(folder, "log"), { createIfMissing: true });
  const tail = await openTailMark(join(folder, "log.tail"));
  try {
    return await use(await openRaftLog(store, tail));
  } finally {
    await tail.close();
    await store.close();
  }
}

const segmentIn = (folder: string): string => join(folder, "log", "segments", "000000000001.seg");

async function sizeOfLog(folder: string): Promise<number> {
  const bytes = await readFile(segmentIn(folder));
  const salt = decodeHead(bytes, 1)?.salt ?? new Uint8Array(8);
  let at = HEAD_BYTES;
  for (;;) {
    const look = lookForRecord(bytes, at, salt);
    if (look.kind !== "record") return at;
    at += look.record.size;
  }
}

/** A log as a process leaves it that was killed with some writes not synced. */
async function withHome(use: (home: Home) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "gantry-tail-"));
  const folder = join(root, "home");
  try {
    let syncedBytes = 0;
    await withLog(folder, async (log) => {
      const hardState = { term: 1, vote: "a", commit: 0 };
      for (let index = 1; index <= SYNCED; index += 1) {
        await log.append({ hardState, entries: [commandsAt(index)], isSync: true });
      }
      syncedBytes = await sizeOfLog(folder);
      for (let index = SYNCED + 1; index <= SYNCED + UNSYNCED; index += 1) {
        await log.append({ hardState: undefined, entries: [commandsAt(index)], isSync: false });
      }
    });
    await use({ folder, syncedBytes, totalBytes: await sizeOfLog(folder) });
  } finally {
    await rm(root, { recursive: true });
  }
}

/** What an open of a harmed copy finds. */
async function found(
  { folder }: Home,
  harm: (segment: string, copy: string) => Promise<void>,
): Promise<{ damage: string | undefined; lastIndex: number }> {
  const copy = await mkdtemp(`${folder}-`);
  await cp(folder, copy, { recursive: true });
  await harm(segmentIn(copy), copy);
  return withLog(copy, async ({ damage, restored, log }) => {
    const { lastIndex } = restored;
    const read = log.entries(1, Infinity, Infinity);
    expect(read).toHaveLength(lastIndex);
    for (const { index, data } of read) {
      expect(Buffer.compare(data, Buffer.alloc(1_000, index))).toBe(0);
    }
    return { damage, lastIndex };
  });
}

async function flip(path: string, at: number): Promise<void> {
  await using file = await open(path, "r+");
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, at);
  await file.write(new Uint8Array([(byte[0] ?? 0) ^ 0x10]), 0, 1, at);
}

const withoutLog = (_segment: string, copy: string): Promise<void> =>
  rm(join(copy, "log"), { recursive: true });

describe("the log on its files", () => {
  it("is whole after it was closed, unsynced writes and all", () =>
    withHome(async (home) => {
      expect(await found(home, async () => {})).toEqual({
        damage: undefined,
        lastIndex: SYNCED + UNSYNCED,
      });
    }));

  it("is damaged when synced bytes of a segment were changed, at any place", () =>
    withHome(async (home) => {
      const { syncedBytes } = home;
      for (const part of [0.001, 0.1, 0.33, 0.5, 0.77, 0.95, 0.999]) {
        const at = Math.floor(syncedBytes * part);
        const { damage, lastIndex } = await found(home, (file) => flip(file, at));
        expect(damage, `byte ${at} of ${syncedBytes}`).toBeDefined();
        expect(lastIndex).toBeLessThan(SYNCED);
      }
    }));

  it("is damaged when synced bytes were cut off", () =>
    withHome(async (home) => {
      const { syncedBytes } = home;
      for (const missing of [1, 500, 2_000, 40_000, syncedBytes]) {
        const { damage } = await found(home, (file) => truncate(file, syncedBytes - missing));
        expect(damage, `${missing} bytes`).toMatch(/^Entry 80 of term 1 had been synced, the log/);
      }
    }));

  it("is not damaged by a power cut that took or tore what was not synced", () =>
    withHome(async (home) => {
      const { syncedBytes, totalBytes } = home;
      const ends = [syncedBytes, syncedBytes + 1, syncedBytes + 600, totalBytes - 7_000];
      for (const end of [...ends, totalBytes - 1]) {
        const { damage, lastIndex } = await found(home, (file) => truncate(file, end));
        expect(damage, `cut at ${end}`).toBeUndefined();
        expect(lastIndex).toBeGreaterThanOrEqual(SYNCED);
      }
    }));

  it("is damaged when its folder is gone, and says nothing without a mark", () =>
    withHome(async (home) => {
      expect((await found(home, withoutLog)).damage).toMatch(/the log is empty/);
      const torn = await found(home, async (file, copy) => {
        await truncate(file, home.syncedBytes - 2_000);
        await flip(join(copy, "log.tail"), 20);
      });
      expect(torn.damage).toBeUndefined();
      expect(torn.lastIndex).toBeLessThan(SYNCED);
    }));
});

describe("the tail mark", () => {
  it("is one that any flipped bit makes none", () => {
    const mark = {
      index: 2 ** 40,
      term: 77,
      votedTerm: 78,
      rewrites: 3,
      chain: Buffer.alloc(16, 0xab),
      vote: Buffer.alloc(8, 0xcd),
    };
    const whole = encodeMark(mark);
    expect(whole).toHaveLength(64);
    expect(decodeMark(whole)).toEqual(mark);
    for (let at = 0; at < 64; at += 1) {
      const harmed = Buffer.from(whole);
      harmed[at] = (harmed[at] ?? 0) ^ 1;
      expect(decodeMark(harmed)).toBeUndefined();
    }
    expect(decodeMark(whole.subarray(0, 63))).toBeUndefined();
  });
});
