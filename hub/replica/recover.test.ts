import { describe, expect, it } from "vitest";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { type ForgetfulStore, makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import { openRaftLog } from "../adapters/raft-log.ts";
import { entryKey } from "../adapters/raft-log-records.ts";
import { makeMemoryMark } from "../adapters/testing/memory-mark.ts";
import type { Entry } from "../consensus/types.ts";
import type { OrderedStore, StoreOperation } from "../ports.ts";
import { APPLIED_KEY, loadLedger, reloadLedger } from "./ledger-store.ts";
import { recoverLedger } from "./recover.ts";
import { makeMemorySnapshots } from "./testing/memory-snapshots.ts";

const three = {
  voters: ["a", "b", "c"],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};
const entriesTo = (last: number): Entry[] =>
  Array.from({ length: last }, (_, place) => ({
    index: place + 1,
    term: 1,
    kind: "commands",
    data: new Uint8Array([1, 91, 93]),
  }));

const row = (key: string, value: unknown): StoreOperation => ({
  type: "put",
  key,
  value: new TextEncoder().encode(JSON.stringify(value)),
});

/** A checkpoint: rows that name the log entry they show. */
async function putLedger(store: OrderedStore, index: number): Promise<void> {
  const mark = { index, position: index, term: 1, membership: three, membershipIndex: 0 };
  const flag = row("hot/flag/at", { key: "at", value: index });
  await store.batch([row(APPLIED_KEY, mark), flag, row("cold/order/x", index)], { sync: true });
}

/** A store whose power goes at the `batches`-th batch from now, and takes the others with it. */
function fused(store: ForgetfulStore, fuse: { left: number }): OrderedStore {
  return {
    ...store,
    async batch(...args) {
      if (fuse.left === 0) throw new Error("no power");
      fuse.left -= 1;
      await store.batch(...args);
    },
  };
}

/** A follower at entry 5, and a snapshot of entry 40 that it received. */
async function makeFollower() {
  const disks = { log: makeForgetfulStore(), ledger: makeForgetfulStore() };
  const mark = makeMemoryMark();
  const snapshots = makeMemorySnapshots();
  const log = await openRaftLog(disks.log, mark, { found: three });
  const hardState = { term: 1, vote: null, commit: 5 };
  await log.append({ hardState, entries: entriesTo(5), isSync: true });
  await putLedger(disks.ledger, 5);
  const leader = makeForgetfulStore();
  await putLedger(leader, 40);
  await snapshots.write(leader);
  return { disks, mark, snapshots };
}
type Follower = Awaited<ReturnType<typeof makeFollower>>;

async function start({ disks, mark, snapshots }: Follower) {
  const logStore = await openRaftLog(disks.log, mark, { found: three });
  await recoverLedger(logStore, disks.ledger, snapshots, silentLogger);
  const { rows, applied } = await loadLedger(disks.ledger);
  return { logStore, rows, applied };
}

const INSTALL_BATCHES = 6; // the log's reset, the old mark, the old rows, the new rows, the new mark; and none

describe("recovery of the ledger", () => {
  it.each(Array.from({ length: INSTALL_BATCHES }, (_, batches) => batches))(
    "after a power cut behind %i batches of taking over a snapshot: the old state whole, or the new",
    async (batches) => {
      const follower = await makeFollower();
      const { disks, mark, snapshots } = follower;
      const fuse = { left: batches };
      const logStore = await openRaftLog(fused(disks.log, fuse), mark);
      const install = async (): Promise<void> => {
        await logStore.reset({ index: 40, term: 1, membership: three });
        await snapshots.restore({ index: 40 }, fused(disks.ledger, fuse));
      };
      const outcome = await install().then(
        () => "done",
        () => "cut",
      );
      expect(outcome).toBe(batches === INSTALL_BATCHES - 1 ? "done" : "cut");
      disks.log.cutPower();
      disks.ledger.cutPower();

      const { logStore: log, rows, applied } = await start(follower);
      const index = batches === 0 ? 5 : 40;
      expect(log.damage).toBeUndefined();
      expect(log.restored).toMatchObject({ lastIndex: index, lastTerm: 1, membership: three });
      expect(applied).toMatchObject({ index, term: 1, membership: three });
      expect(rows.get("flag", "at")).toMatchObject({ value: index });
      expect(rows.get("order", "x")).toBe(index);
    },
  );

  it("refuses a log that begins behind the ledger when no snapshot closes the gap", async () => {
    const follower = await makeFollower();
    const logStore = await openRaftLog(follower.disks.log, follower.mark);
    await logStore.reset({ index: 39, term: 1, membership: three });
    await expect(start(follower)).rejects.toMatchObject({ code: "data_damaged" });
  });

  it("refuses a ledger ahead of a log that nobody knows to be damaged", async () => {
    const follower = await makeFollower();
    await putLedger(follower.disks.ledger, 6);
    await expect(start(follower)).rejects.toMatchObject({ code: "data_damaged" });
  });

  it("takes a damaged log on to the ledger, and it stays damaged (RC2)", async () => {
    const follower = await makeFollower();
    const gone = { type: "del", key: entryKey(4) } as const;
    await follower.disks.log.batch([gone], { sync: true });
    for (let starts = 0; starts < 2; starts += 1) {
      const { logStore, applied } = await start(follower);
      expect(logStore.damage).toMatch(/Log entry 4 is missing/);
      expect(applied.index).toBe(5);
      expect(logStore.restored).toMatchObject({ lastIndex: 5, lastTerm: 1, membership: three });
      expect(logStore.log.entries(6, 9, 9)).toEqual([]);
    }
  });
});

describe("rows that are replaced in place", () => {
  it("show the snapshot to who held them before, and forget what was not on disk", async () => {
    const store = makeForgetfulStore();
    await putLedger(store, 5);
    const { rows } = await loadLedger(store);
    const flags = rows.hot("flag");
    const flag = { key: "mine", value: 1, revision: 9, atMs: 0, by: "x" };
    rows.put("flag", "mine", flag);
    rows.takeBatch();
    rows.put("flag", "late", { ...flag, key: "late" });
    rows.cool("order", "x", "dirty");
    await putLedger(store, 40);
    expect(await reloadLedger(store, rows)).toMatchObject({ index: 40, membership: three });
    expect([...flags.keys()]).toEqual(["at"]);
    expect(rows.hot("flag")).toBe(flags);
    expect(flags.get("at")).toMatchObject({ value: 40 });
    expect(rows.get("order", "x")).toBe(40);
    expect(rows.dirtyCount).toBe(0);
    rows.put("flag", "new", flag);
    expect(rows.takeBatch().map(({ key }) => key)).toEqual(["hot/flag/new"]);
  });
});
