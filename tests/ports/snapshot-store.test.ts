// The exam of the SnapshotStore port: files and the simulator's memory answer alike.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { OrderedStore } from "../../hub/ports.ts";
import { APPLIED_KEY, type AppliedMark } from "../../hub/replica/ledger-store.ts";
import { openSnapshotFiles } from "../../hub/replica/snapshot-files.ts";
import type { SnapshotStore } from "../../hub/replica/snapshot-store.ts";
import { makeMemorySnapshots } from "../../hub/replica/testing/memory-snapshots.ts";
import { makeForgetfulStore } from "../support/forgetful-store.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const membership = {
  voters: ["a", "b", "c"],
  outgoing: [],
  learners: ["d"],
  learnersNext: [],
  autoLeave: false,
};
const markAt = (index: number): AppliedMark => ({
  index,
  position: 2 * index,
  term: 7,
  membership,
  membershipIndex: 3,
});

const row = (key: string, text: string) => ({ type: "put" as const, key, value: bytes(text) });

/** A ledger of some chunks whose rows name `index`. */
async function ledgerAt(index: number, mark: AppliedMark = markAt(index)): Promise<OrderedStore> {
  const store = makeForgetfulStore();
  await store.batch(
    [
      row(APPLIED_KEY, JSON.stringify(mark)),
      row("cold/message/1", `"${index}${"x".repeat(1_200_000)}"`),
      row("cold/message/2", `"${index}"`),
      row("hot/flag/a", `{"at":${index}}`),
    ],
    { sync: true },
  );
  return store;
}

const contentOf = async (store: OrderedStore): Promise<readonly string[]> =>
  (await Array.fromAsync(store.entries({}))).map(
    ([key, value]) => `${key}=${new TextDecoder().decode(value)}`,
  );

/** All bytes of a snapshot, in pieces of an odd size. */
async function fetched(store: SnapshotStore, index: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ;) {
    const piece = await store.piece(index, offset, 99_991);
    if (piece === undefined) throw new Error(`no snapshot ${index}`);
    pieces.push(piece.bytes.slice());
    offset += piece.bytes.length;
    if (offset >= piece.totalBytes) return Buffer.concat(pieces);
  }
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-snapshots-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function withFiles(use: (store: SnapshotStore) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = await openSnapshotFiles(join(folder, "snapshots"));
    await use(store);
    await store.close();
  });
}

const EXAMINED: Record<string, (use: (store: SnapshotStore) => Promise<void>) => Promise<void>> = {
  files: withFiles,
  "the simulator's memory": (use) => use(makeMemorySnapshots()),
};

describe.each(Object.entries(EXAMINED))("SnapshotStore: %s", (_name, withStore) => {
  it("gives back the ledger and who counted there, and keeps the newest two", () =>
    withStore(async (store) => {
      expect(await store.list()).toEqual([]);
      for (const index of [10, 20, 30]) {
        const taken = await store.write(await ledgerAt(index));
        expect(taken).toMatchObject({ index, term: 7, membership, membershipIndex: 3 });
        expect((await store.list())[0]).toEqual(taken);
      }
      expect((await store.list()).map(({ index }) => index)).toEqual([30, 20]);
      const ledger = await ledgerAt(4);
      await ledger.batch([{ type: "put", key: "hot/flag/old", value: bytes("1") }], { sync: true });
      await store.restore({ index: 20 }, ledger);
      expect(await contentOf(ledger)).toEqual(await contentOf(await ledgerAt(20)));
    }));

  it("knows no term or membership of a snapshot that an older release wrote", () =>
    withStore(async (store) => {
      const taken = await store.write(await ledgerAt(5, { index: 5, position: 9 }));
      expect(taken).toMatchObject({ index: 5, term: undefined, membership: undefined });
      expect(await store.list()).toEqual([taken]);
    }));

  it("serves pieces, says how much there is, and nothing of what it has not", () =>
    withStore(async (store) => {
      const { sizeBytes } = await store.write(await ledgerAt(10));
      expect(await store.piece(11, 0, 10)).toBeUndefined();
      const head = await store.piece(10, 0, 8);
      expect(Buffer.from(head?.bytes ?? []).toString()).toBe("GSNAP001");
      expect(head?.totalBytes).toBe(sizeBytes);
      const tail = await store.piece(10, sizeBytes - 3, 100);
      expect(tail?.bytes).toHaveLength(3);
      expect((await store.piece(10, sizeBytes, 100))?.bytes).toHaveLength(0);
      expect(await fetched(store, 10)).toHaveLength(sizeBytes);
    }));

  it("serves one to its end that newer ones pushed out meanwhile", () =>
    withStore(async (store) => {
      const { sizeBytes } = await store.write(await ledgerAt(10));
      await store.piece(10, 0, 8);
      await store.write(await ledgerAt(20));
      await store.write(await ledgerAt(30));
      expect(await fetched(store, 10)).toHaveLength(sizeBytes);
    }));

  it("takes in a whole one of another hub, and lists it then and not before", () =>
    withStore(async (store) => {
      const other = makeMemorySnapshots();
      const sent = await other.write(await ledgerAt(40));
      const all = await fetched(other, 40);
      const receiver = await store.receive(40);
      await receiver.write(all.subarray(0, 70_000));
      await receiver.write(all.subarray(70_000));
      expect(await store.list()).toEqual([]);
      expect(await receiver.finish({ term: 7, sha256: sent.sha256 })).toEqual(sent);
      await receiver.abort();
      expect(await store.list()).toEqual([sent]);
      const ledger = makeForgetfulStore();
      await store.restore(sent, ledger);
      expect(await contentOf(ledger)).toEqual(await contentOf(await ledgerAt(40)));
    }));

  it.each([
    ["a flipped bit", (all: Buffer) => all.fill((all[60_000] ?? 0) ^ 1, 60_000, 60_001), {}],
    ["a flipped bit at its end", (all: Buffer) => all.fill(1, all.length - 1), {}],
    ["a cut end", (all: Buffer) => all.subarray(0, -1), {}],
    ["more than all", (all: Buffer) => Buffer.concat([all, Buffer.from("x")]), {}],
    ["nothing", (all: Buffer) => all.subarray(0, 0), {}],
    ["other bytes", () => Buffer.from("GSNAP002 of another release, some time later"), {}],
    ["another term", (all: Buffer) => all, { term: 8 }],
    ["another hash", (all: Buffer) => all, { sha256: "00" }],
  ] as const)("keeps nothing of what is not whole or not what was asked for: %s", (_, harm, told) =>
    withStore(async (store) => {
      const other = makeMemorySnapshots();
      await other.write(await ledgerAt(40));
      const receiver = await store.receive(40);
      await receiver.write(harm(Buffer.from(await fetched(other, 40))));
      await expect(receiver.finish(told)).rejects.toMatchObject({ code: "data_damaged" });
      await receiver.abort();
      expect(await store.list()).toEqual([]);
    }),
  );

  it("keeps nothing of one that is of another log entry, or was given up", () =>
    withStore(async (store) => {
      const other = makeMemorySnapshots();
      await other.write(await ledgerAt(40));
      const all = await fetched(other, 40);
      const wrong = await store.receive(41);
      await wrong.write(all);
      await expect(wrong.finish()).rejects.toMatchObject({ code: "data_damaged" });
      const given = await store.receive(40);
      await given.write(all.subarray(0, 1_000));
      await given.abort();
      const again = await store.receive(40);
      await again.write(all);
      await again.finish();
      expect((await store.list()).map(({ index }) => index)).toEqual([40]);
    }));
});

describe("snapshot files alone", () => {
  it("sweep at open what a crash left half written", () =>
    withFolder(async (folder) => {
      const store = await openSnapshotFiles(folder);
      const receiver = await store.receive(40);
      await receiver.write(bytes("half"));
      expect(await readdir(folder)).toHaveLength(1);
      await openSnapshotFiles(folder);
      expect(await readdir(folder)).toHaveLength(0);
      await receiver.abort();
    }));
});
