import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import type { Entry, HardState } from "../consensus/types.ts";
import type { LogStore, OrderedStore } from "../ports.ts";
import { openRaftLog, type RaftLogOptions } from "./raft-log.ts";
import { forceMembership } from "./raft-log-force.ts";
import { entryKey } from "./raft-log-records.ts";
import { makeMemoryMark } from "./testing/memory-mark.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const membership = (...voters: string[]) => ({
  voters,
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
});
const entry = (index: number, term: number, text = `entry ${index} of ${term}`): Entry => ({
  index,
  term,
  kind: index % 3 === 0 ? "membership" : "commands",
  data: bytes(text),
});
const entriesOf = (from: number, through: number, term: number): Entry[] =>
  Array.from({ length: through - from + 1 }, (_, place) => entry(from + place, term));
const hard = (term: number, commit = 0, vote: string | null = "a"): HardState => ({
  term,
  vote,
  commit,
});
const store = (log: LogStore, entries: readonly Entry[], hardState?: HardState, isSync = true) =>
  log.append({ hardState, entries, isSync });
const listed = (log: LogStore, from = log.log.offset.index + 1) =>
  log.log.entries(from, Infinity, Infinity).map(({ index, term, kind, data }) => ({
    index,
    term,
    kind,
    text: new TextDecoder().decode(data),
  }));
const expected = (entries: readonly Entry[]) =>
  entries.map(({ data, ...rest }) => ({ ...rest, text: new TextDecoder().decode(data) }));

function makeDisk(options: RaftLogOptions = { found: membership("a") }) {
  const disk = { store: makeForgetfulStore(), mark: makeMemoryMark() };
  return { ...disk, open: () => openRaftLog(disk.store, disk.mark, options) };
}

const change = async (disk: OrderedStore, key: string, at: number, bits = 1): Promise<void> => {
  const value = new Uint8Array(disk.getSync(key) ?? []);
  value[at] = (value[at] ?? 0) ^ bits;
  await disk.batch([{ type: "put", key, value }], { sync: true });
};
const remove = (disk: OrderedStore, ...indexes: number[]): Promise<void> =>
  disk.batch(
    indexes.map((index) => ({ type: "del", key: entryKey(index) })),
    { sync: true },
  );

/** As version 1 had it, in term 7. */
function entryAlone(text: string): Uint8Array {
  const value = Buffer.from(`\u0001\0\0\0\0\0\u0007\0\0\0\0${text}`);
  value.writeUInt32BE(crc32(text), 7);
  return value;
}

/** Eight entries, each synced. */
async function filled() {
  const disk = makeDisk();
  const log = await disk.open();
  for (let index = 1; index <= 8; index += 1) {
    await store(log, [entry(index, 1)], hard(1, index - 1, "b"));
  }
  return disk;
}

describe("the log", () => {
  it("is empty at first, with the founders as its membership", async () => {
    const log = await makeDisk().open();
    expect(log.restored).toEqual({
      hardState: { term: 0, vote: null, commit: 0 },
      membership: membership("a"),
      membershipIndex: 0,
      lastIndex: 0,
      lastTerm: 0,
      appliedIndex: 0,
    });
    expect(log.damage).toBeUndefined();
    expect(log.log.termAt(0)).toBe(0);
    expect(log.log.entries(1, 10, 10)).toEqual([]);
  });

  it("gives back after an open what was synced before the power cut, and nothing else", async () => {
    const disk = makeDisk();
    const log = await disk.open();
    await store(log, entriesOf(1, 5, 1), hard(1, 4));
    await store(log, [entry(6, 2)], hard(2, 5), false);
    expect(listed(log)).toHaveLength(6);
    disk.store.cutPower();
    const again = await disk.open();
    expect(again.damage).toBeUndefined();
    expect(listed(again)).toEqual(expected(entriesOf(1, 5, 1)));
    expect(again.restored).toMatchObject({ hardState: hard(1, 4), lastIndex: 5, lastTerm: 1 });
    expect([0, 1, 5, 6].map((index) => again.log.termAt(index))).toEqual([0, 1, 1, undefined]);
  });

  it("replaces a suffix in one batch, and the chain still holds", async () => {
    const disk = makeDisk();
    const log = await disk.open();
    await store(log, entriesOf(1, 9, 1), hard(1, 3));
    await store(log, [entry(5, 2), entry(6, 2)], hard(3, 3));
    const after = expected([...entriesOf(1, 4, 1), entry(5, 2), entry(6, 2)]);
    expect(listed(log)).toEqual(after);
    expect(disk.store.getSync(entryKey(7))).toBeUndefined();
    const again = await disk.open();
    expect(again.damage).toBeUndefined();
    expect(listed(again)).toEqual(after);
    expect([4, 5, 6, 7].map((index) => again.log.termAt(index))).toEqual([1, 2, 2, undefined]);
  });

  it("has nothing of a write that failed", async () => {
    const disk = makeDisk();
    const log = await disk.open();
    await store(log, entriesOf(1, 3, 1), hard(1));
    disk.store.failWith(new Error("no room"));
    await expect(store(log, [entry(2, 2)], hard(2))).rejects.toThrow("no room");
    expect(listed(log)).toEqual(expected(entriesOf(1, 3, 1)));
    disk.store.failWith();
    await store(log, [entry(2, 2)], hard(2));
    expect(listed(log)).toEqual(expected([entry(1, 1), entry(2, 2)]));
    expect((await disk.open()).damage).toBeUndefined();
  });

  it("bounds what it gives by bytes, but gives one entry at least", async () => {
    const log = await makeDisk().open();
    await store(
      log,
      [1, 2, 3].map((index) => entry(index, 1, "x".repeat(10))),
      hard(1),
    );
    const counts = [1, 10, 11, 20, 21, 31].map((max) => log.log.entries(1, 3, max).length);
    expect(counts).toEqual([1, 1, 1, 1, 2, 3]);
    expect(log.log.entries(2, 2, 100).map(({ index }) => index)).toEqual([2]);
  });

  it("reads what left memory from the disk, and says which entry is damaged there", async () => {
    const disk = makeDisk({ cacheBytes: 1_000 });
    const log = await disk.open();
    for (let index = 1; index <= 40; index += 1) await store(log, [entry(index, 1)], hard(1));
    expect(listed(log)).toEqual(expected(entriesOf(1, 40, 1)));
    await change(disk.store, entryKey(7), 30);
    expect(log.log.entries(8, 40, Infinity)).toHaveLength(33);
    expect(() => log.log.entries(1, 40, Infinity)).toThrow(/Log entry 7 does not match/);
    await store(log, [entry(20, 2)], hard(2)); // a suffix that is partly on the disk alone
    expect(log.log.entries(8, 40, Infinity)).toHaveLength(13);
  });

  it("forgets what is trimmed, and knows the term before it", async () => {
    const disk = makeDisk();
    const log = await disk.open();
    await store(log, [...entriesOf(1, 4, 1), ...entriesOf(5, 9, 2)], hard(2, 9));
    await log.trim(4);
    await log.trim(3);
    await store(log, [entry(10, 2)]);
    for (const each of [log, await disk.open()]) {
      expect(each.damage).toBeUndefined();
      expect(each.log.offset).toMatchObject({ index: 4, term: 1 });
      expect(listed(each).map(({ index }) => index)).toEqual([5, 6, 7, 8, 9, 10]);
      expect([3, 4, 5].map((index) => each.log.termAt(index))).toEqual([undefined, 1, 2]);
    }
    await log.trim(10);
    const empty = await disk.open();
    expect(empty.restored).toMatchObject({ lastIndex: 10, lastTerm: 2 });
    await store(empty, [entry(11, 2)]);
    expect((await disk.open()).damage).toBeUndefined();
  });

  it("lets appends through while it trims a long log", async () => {
    const disk = makeDisk();
    const log = await disk.open();
    await store(log, entriesOf(1, 2_000, 1), hard(1, 2_000));
    const trimming = log.trim(1_900);
    await store(log, [entry(2_001, 1)]);
    expect(log.log.offset.index).toBeLessThan(1_900);
    await trimming;
    for (const each of [log, await disk.open()]) {
      expect(each.damage).toBeUndefined();
      expect(listed(each).map(({ index }) => index)).toHaveLength(101);
    }
    expect((await Array.fromAsync(disk.store.entries({ gte: "l/", lt: "l0" }))).length).toBe(101);
  });

  it("is replaced by a snapshot: nothing kept, term and membership of the snapshot", async () => {
    const disk = makeDisk();
    const log = await disk.open();
    await store(log, entriesOf(1, 9, 1), hard(1, 2));
    await log.reset({ index: 40, term: 3, membership: membership("a", "b", "c") });
    await store(log, [entry(41, 4)], hard(4, 40));
    disk.store.cutPower();
    const again = await disk.open();
    expect(again.damage).toBeUndefined();
    expect(again.log.offset).toMatchObject({ index: 40, term: 3 });
    expect(listed(again)).toEqual(expected([entry(41, 4)]));
    expect(again.restored).toMatchObject({
      hardState: hard(4, 40),
      membership: membership("a", "b", "c"),
      membershipIndex: 40,
    });
  });

  it("keeps a membership with the next append, and the older one when the power goes before", async () => {
    const disk = makeDisk();
    const log = await disk.open();
    await store(log, entriesOf(1, 3, 1), hard(1, 3));
    log.setMembership(membership("a", "b"), 3);
    expect((await disk.open()).restored).toMatchObject({ membershipIndex: 0 });
    await store(log, [entry(4, 1)]);
    expect((await disk.open()).restored).toMatchObject({
      membership: membership("a", "b"),
      membershipIndex: 3,
    });
  });

  it("reads the entries of a hub that stood alone, trimmed or not", async () => {
    const disk = makeDisk();
    await disk.store.batch(
      [
        { type: "put", key: "h", value: bytes('{"term":7,"vote":"a","commit":12}') },
        { type: "put", key: entryKey(11), value: entryAlone("eleven") },
        { type: "put", key: entryKey(12), value: entryAlone("twelve") },
      ],
      { sync: true },
    );
    const log = await disk.open();
    expect(log.damage).toBeUndefined();
    await store(log, [entry(13, 8)], hard(8, 12));
    const again = await disk.open();
    expect(again.damage).toBeUndefined();
    expect(again.log.offset).toMatchObject({ index: 10, term: 7 });
    expect(listed(again).map(({ text }) => text)).toEqual(["eleven", "twelve", "entry 13 of 8"]);
  });
});

describe("a damaged log", () => {
  it.each([
    ["data", (s: OrderedStore) => change(s, entryKey(5), 30), 4, /Log entry 5 does not match/],
    ["a term", (s: OrderedStore) => change(s, entryKey(5), 7), 4, /Log entry 5 does not follow/],
    ["a kind", (s: OrderedStore) => change(s, entryKey(5), 1), 4, /Log entry 5 does not follow/],
    ["a version", (s: OrderedStore) => change(s, entryKey(5), 0), 4, /Log entry 5 has a damaged/],
    ["a gap", (s: OrderedStore) => remove(s, 5, 6), 4, /Log entry 5 is missing/],
    ["the begin", (s: OrderedStore) => remove(s, 1), 0, /Log entry 1 is missing/],
    [
      "the end",
      (s: OrderedStore) => remove(s, 7, 8),
      6,
      /Entry 7 was committed, the log ends at 6/,
    ],
    ["the last", (s: OrderedStore) => remove(s, 8), 7, /Entry 8 of term 1 had been synced/],
    ["the head", (s: OrderedStore) => change(s, "h", 9), 8, /Log record h is not readable/],
    ["its version", (s: OrderedStore) => change(s, "h", 0), 8, /Log record h is not readable/],
  ] as const)("says so, and keeps what is whole before it: %s", async (_, harm, last, words) => {
    const disk = await filled();
    await harm(disk.store);
    const log = await disk.open();
    expect(log.damage).toMatch(words);
    expect(log.restored.lastIndex).toBe(last);
    expect(log.restored.hardState.commit).toBeLessThanOrEqual(last);
    expect(listed(log)).toEqual(expected(entriesOf(1, last, 1)));
  });

  it.each([entryKey(5), "h"])("is not one of a later release: %s", async (key) => {
    const disk = await filled();
    await change(disk.store, key, 0);
    await change(disk.store, key, 12, 0xff); // another layout has its checksum elsewhere
    await change(disk.store, key, key === "h" ? 1 : 8, 0xff);
    await expect(disk.open()).rejects.toMatchObject({ code: "data_dir_version" });
  });

  it("is one that lost everything, and one that lost its vote", async () => {
    const disk = await filled();
    const empty = await openRaftLog(makeForgetfulStore(), disk.mark, { found: membership("a") });
    expect(empty.damage).toMatch(/Entry 8 of term 1 had been synced, the log is empty/);
    const log = await disk.open();
    const before = disk.store.getSync("h") ?? bytes("");
    await store(log, [], hard(5, 8, "c"));
    await disk.store.batch([{ type: "put", key: "h", value: before }], { sync: true });
    expect((await disk.open()).damage).toMatch(/Term 5 had been synced, the log knows term 1/);
  });

  it("stays one until all of it is committed again in a later term", async () => {
    const disk = await filled();
    await remove(disk.store, 5, 6);
    const log = await disk.open();
    await store(log, entriesOf(5, 6, 2), hard(2, 6)); // the leader sends what was lost
    expect(disk.store.getSync(entryKey(8))).toBeUndefined();
    const again = await disk.open();
    expect(again.damage).toMatch(/Log entry 5 is missing/);
    await store(again, entriesOf(7, 9, 2), hard(2, 7));
    expect(again.damage).toBeDefined();
    await store(again, [], hard(2, 9), false);
    expect(again.damage).toBeUndefined();
    expect((await disk.open()).damage).toBeUndefined();
  });

  it("is none after a power cut between a replaced suffix, or a snapshot, and the mark", async () => {
    const disk = await filled();
    const log = await disk.open();
    const stale = disk.mark.read();
    await store(log, entriesOf(7, 7, 2), hard(2, 6));
    disk.mark.write(stale ?? { ...NO_MARK });
    expect((await disk.open()).damage).toBeUndefined();
    const other = await filled();
    const replaced = await other.open();
    await replaced.reset({ index: 7, term: 2, membership: membership("a") });
    other.mark.write(stale ?? { ...NO_MARK });
    expect((await other.open()).damage).toBeUndefined();
  });

  it("is whole again when a person forces what is left to be the truth", async () => {
    const disk = await filled();
    await remove(disk.store, 5, 6);
    const forced = await forceMembership(disk.store, disk.mark, membership("b"));
    expect(forced).toMatchObject({ lastIndex: 4, lastTerm: 1 });
    expect(forced.damage).toMatch(/Log entry 5 is missing/);
    const log = await disk.open();
    expect(log.damage).toBeUndefined();
    expect(log.restored).toMatchObject({
      hardState: { term: 2, vote: null, commit: 4 },
      membership: membership("b"),
      membershipIndex: 4,
      lastIndex: 4,
    });
    await store(log, [entry(5, 3)], hard(3, 4));
    const again = await disk.open();
    expect(again.damage).toBeUndefined();
    expect(listed(again)).toEqual(expected([...entriesOf(1, 4, 1), entry(5, 3)]));
  });

  it("is never claimed by a mark that came before the sync, or without one (S4)", async () => {
    const disk = makeForgetfulStore();
    const events: string[] = [];
    const slow: OrderedStore = {
      ...disk,
      async batch(operations, options) {
        await disk.batch(operations, options);
        events.push(options.sync ? "synced" : "written");
      },
    };
    const tail = {
      read: () => undefined,
      write: ({ index }: { index: number }) => void events.push(`mark ${index}`),
    };
    const log = await openRaftLog(slow, tail, { found: membership("a") });
    await store(log, [entry(1, 1)], hard(1));
    await store(log, [entry(2, 1)], undefined, false);
    disk.failWith(new Error("no room"));
    await expect(store(log, [entry(3, 1)])).rejects.toThrow("no room");
    disk.failWith();
    await log.reset({ index: 9, term: 2, membership: membership("a") });
    expect(events).toEqual(["synced", "mark 1", "written", "synced", "mark 9"]);
  });

  it("is none when the mark is older than the log, and one when the synced entry is another", async () => {
    const disk = await filled();
    const log = await disk.open();
    const mark = disk.mark.read() ?? NO_MARK;
    await store(log, [entry(9, 1)]);
    disk.mark.write(mark);
    expect((await disk.open()).damage).toBeUndefined();
    disk.mark.write({ ...mark, chain: new Uint8Array(16) });
    expect((await disk.open()).damage).toMatch(/Log entry 8 is not the one/);
  });
});

const NO_MARK = {
  index: 0,
  term: 0,
  chain: new Uint8Array(16),
  rewrites: 0,
  votedTerm: 0,
  vote: new Uint8Array(8),
};
