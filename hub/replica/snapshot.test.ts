import { mkdtemp, open as openFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import { NEVER } from "../../tests/support/hub-parts.ts";
import type { OrderedStore } from "../ports.ts";
import { openSnapshotFiles, snapshotPaths } from "./snapshot-files.ts";
import { codeOf, type Disks, fill, hashOf, makeDisks, open, set } from "./testing/rig.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-snapshots-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Three snapshots, and some log after the last. */
async function trimmed(disks: Disks, folder: string): Promise<void> {
  const replica = await open(disks, {
    snapshots: { store: await openSnapshotFiles(folder), logEntries: 1 },
  });
  for (let round = 0; round < 3; round += 1) {
    for (let value = 0; value < 5; value += 1) {
      await replica.propose(set(10 * round + value), NEVER);
    }
    await replica.maintain();
  }
  await fill(replica, 4, 100);
  await replica.close();
}

const firstIndexOf = async (log: OrderedStore): Promise<number> => {
  const [first] = await Array.fromAsync(log.entries({ gte: "l/", lt: "l0", limit: 1 }));
  return Number.parseInt(first?.[0].slice(2) ?? "0", 16);
};

/** Changes one bit of a file. */
const flip = async (path = ""): Promise<void> => {
  await using file = await openFile(path, "r+");
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, 60);
  await file.write(new Uint8Array([(byte[0] ?? 0) ^ 1]), 0, 1, 60);
};

describe("snapshots", () => {
  it("keep two, trim the log behind the older, and make a lost ledger anew", () =>
    withFolder(async (folder) => {
      const disks = makeDisks();
      await trimmed(disks, folder);
      const kept = await snapshotPaths(folder);
      expect(kept).toHaveLength(2);
      expect(await firstIndexOf(disks.log)).toBe((kept[1]?.index ?? 0) + 1);
      const ledger = makeForgetfulStore();
      const again = await open(
        { log: disks.log, ledger },
        { snapshots: { store: await openSnapshotFiles(folder) } },
      );
      expect(again.ledger.rows.hot("flag").size).toBe(19);
      await again.checkpoint();
      expect(await hashOf(ledger)).toBe(await hashOf(disks.ledger));
      await again.close();
    }));

  it("fall back to the older when the newest is damaged, and say so when none is whole", () =>
    withFolder(async (folder) => {
      const disks = makeDisks();
      await trimmed(disks, folder);
      const [newest, older] = await snapshotPaths(folder);
      await flip(newest?.path);
      const again = await open(
        { log: disks.log, ledger: makeForgetfulStore() },
        { snapshots: { store: await openSnapshotFiles(folder) } },
      );
      expect(again.ledger.rows.hot("flag").size).toBe(19);
      await again.close();
      await flip(older?.path);
      const lost = { log: disks.log, ledger: makeForgetfulStore() };
      expect(
        await codeOf(open(lost, { snapshots: { store: await openSnapshotFiles(folder) } })),
      ).toBe("data_damaged");
      expect(await codeOf(open(lost))).toBe("data_damaged");
    }));

  it("are restored again after a crash in the middle of restoring (SN4)", () =>
    withFolder(async (folder) => {
      const disks = makeDisks();
      await trimmed(disks, folder);
      const ledger = makeForgetfulStore();
      const stale = { type: "put", key: "hot/flag/stale", value: new Uint8Array([49]) } as const;
      await ledger.batch([stale], { sync: true }); // rows, but no mark
      const again = await open(
        { log: disks.log, ledger },
        { snapshots: { store: await openSnapshotFiles(folder) } },
      );
      expect(again.ledger.rows.get("flag", "stale")).toBeUndefined();
      await again.close();
    }));

  it("that cannot be written leave log and hub as they are", () =>
    withFolder(async (folder) => {
      const disks = makeDisks();
      const inner = join(folder, "snapshots");
      const store = await openSnapshotFiles(inner);
      await rm(inner, { recursive: true });
      await writeFile(inner, "in the way");
      const replica = await open(disks, { snapshots: { store, logEntries: 1 } });
      await fill(replica, 3);
      await replica.maintain();
      expect(await firstIndexOf(disks.log)).toBe(1);
      expect(await codeOf(replica.propose(set(9), NEVER))).toBe("ok");
      await replica.close();
    }));
});
