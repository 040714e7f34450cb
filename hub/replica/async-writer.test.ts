import { expect, it } from "vitest";
import { openTestReplica } from "../../tests/support/hub-parts.ts";
import { makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import type { OrderedStore } from "../ports.ts";
import { fill } from "./testing/rig.ts";

const HOUR_MS = 3_600_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A disk on which each write takes until it is let go, or two turns of the loop. */
function slowDisk() {
  const store = makeForgetfulStore();
  let gate: PromiseWithResolvers<void> | undefined;
  let writes = 0;
  const disk: OrderedStore = {
    ...store,
    async batch(...args: Parameters<OrderedStore["batch"]>) {
      writes += 1;
      await turn();
      await turn();
      await gate?.promise;
      return store.batch(...args);
    },
  };
  return {
    disk,
    writes: () => writes,
    hold: () => void (gate = Promise.withResolvers()),
    release() {
      gate?.resolve();
      gate = undefined;
    },
  };
}

/** Turns that the main loop gets until this settles. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  const watch = { isOver: false };
  const end = work.finally(() => (watch.isOver = true));
  let turns = 0;
  while (!watch.isOver) {
    turns += 1;
    await turn();
  }
  await end;
  return turns;
}

it("[M62] while the disk writes, the main loop has its turns: reads are answered, commands are taken, and none of them is acknowledged before it is on disk", async () => {
  const slow = slowDisk();
  const replica = await openTestReplica(slow.disk, makeForgetfulStore(), { checkpointMs: HOUR_MS });
  await fill(replica, 10);
  slow.hold();
  let isAcked = false;
  const stuck = fill(replica, 500, 10).then(() => (isAcked = true));
  for (let at = 0; at < 100; at += 1) await turn(); // the disk stands still, the loop does not
  expect(replica.ledger.rows.get("flag", "flag-3")?.value).toBe(3);
  expect([isAcked, replica.ledger.rows.get("flag", "flag-400")]).toEqual([false, undefined]);
  slow.release();
  await stuck;
  expect(replica.ledger.rows.get("flag", "flag-400")?.value).toBe(400);

  const before = slow.writes();
  const turns = await turnsDuring(fill(replica, 5_000, 1_000));
  const batches = slow.writes() - before;
  expect(batches).toBeGreaterThan(0);
  expect(turns).toBeGreaterThanOrEqual(batches); // the loop is free in each of them
  await replica.close();
});
