import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Command, Reply } from "@gantry/shared/contract/commands.ts";
import { NEVER, openTestReplica } from "../../tests/support/hub-parts.ts";
import { type ForgetfulStore, makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import type { OrderedStore } from "../ports.ts";
import type { ReplicaStep } from "./options.ts";
import { codeOf, fill, hashOf, makeDisks, open, set } from "./testing/rig.ts";

const HOUR_MS = 3_600_000;
const FULL = new GantryError("disk_full", "There is no room left");

/** A store whose batches are counted, and can be held back. */
function watched(store: ForgetfulStore) {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  let batches = 0;
  return {
    store: {
      ...store,
      async batch(...args: Parameters<OrderedStore["batch"]>) {
        batches += 1;
        await gate.promise;
        return store.batch(...args);
      },
    },
    batches: () => batches,
    hold() {
      gate = Promise.withResolvers<void>();
    },
    release: () => gate.resolve(),
  };
}

/** A store that cannot be read while it is being opened anew. */
function goingAway(store: ForgetfulStore) {
  const away = {
    ...store,
    isReopening: false as boolean,
    getSync(key: string) {
      if (away.isReopening) throw new GantryError("starting", "The store is opened anew");
      return store.getSync(key);
    },
  };
  return away;
}

describe("a power cut", () => {
  const STEPS: readonly ReplicaStep[] = ["beforeStore", "afterStore", "afterApply", "afterReply"];

  it.each(STEPS.flatMap((step) => [1, 2, 5, 9].map((visit) => [step, visit] as const)))(
    "[M37][K5][K85][K96] at %s, visit %i: every acknowledged command is there, none twice",
    async (step, visit) => {
      const disks = makeDisks();
      const acked: Reply[] = [];
      const power = { visits: 0, isArmed: false, isCut: false };
      const replica = await open(disks, {
        checkpointMs: 1, // checkpoints in between, at any place
        probe(at) {
          if (!power.isArmed || power.isCut || at !== step) return;
          power.visits += 1;
          if (power.visits < visit) return;
          power.isCut = true;
          disks.log.cutPower();
          disks.ledger.cutPower();
          disks.log.failWith(FULL); // nothing reaches the disks of a dead machine
          disks.ledger.failWith(FULL);
        },
      });
      power.isArmed = true;
      for (let value = 0; value < 12 && !power.isCut; value += 1) {
        const told = await replica.propose(set(value), NEVER).catch(() => undefined);
        const wasHeard = !power.isCut || step === "afterReply"; // a dead machine says nothing
        if (told !== undefined && wasHeard) acked.push(told);
      }
      expect(power.isCut).toBe(true);
      await replica.close().catch(() => {});
      disks.log.failWith();
      disks.ledger.failWith();
      const again = await open(disks);
      const flags = again.ledger.rows.hot("flag");
      for (const reply of acked) {
        const { key, revision } = (reply as { value: { key: string; revision: number } }).value;
        expect(flags.get(key)?.revision).toBe(revision);
      }
      expect(flags.size).toBeGreaterThanOrEqual(acked.length);
      const positions = [...flags.values()].map(({ revision }) => revision);
      expect(new Set(positions).size).toBe(flags.size);
      expect(again.ledger.position).toBe(flags.size);
      await again.close();
    },
  );

  it("[M37] with a lost, a half and a whole checkpoint gives the same state hash", async () => {
    const hashes: string[] = [];
    for (const checkpoints of ["none", "early", "late"] as const) {
      const disks = makeDisks();
      const replica = await open(disks);
      await fill(replica, 20);
      if (checkpoints === "early") await replica.checkpoint();
      await fill(replica, 20, 20);
      if (checkpoints === "late") await replica.checkpoint();
      disks.ledger.cutPower();
      disks.log.cutPower();
      const again = await open(disks);
      await again.checkpoint();
      hashes.push(await hashOf(disks.ledger));
      await again.close();
      await replica.close();
    }
    expect(new Set(hashes).size).toBe(1);
  });

  it("[M37] takes an unsynced trim or checkpoint back without losing a row", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    await fill(replica, 10);
    disks.ledger.failWith(FULL);
    await replica.checkpoint();
    disks.ledger.failWith();
    disks.log.cutPower();
    disks.ledger.cutPower();
    const again = await open(disks);
    expect(again.ledger.rows.hot("flag").size).toBe(10);
    await again.close();
    await replica.close();
  });
});

describe("group commit", () => {
  it("serves many proposals with few syncs (D1)", async () => {
    const disks = makeDisks();
    const log = watched(disks.log);
    const replica = await openTestReplica(log.store, disks.ledger, { checkpointMs: HOUR_MS });
    const before = log.batches();
    await fill(replica, 1_000);
    expect(log.batches() - before).toBeLessThanOrEqual(3);
    await replica.close();
  });

  it("answers in the order of the log, with positions without a gap", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, value) => replica.propose(set(value), NEVER)),
    );
    expect(replies.map(({ position }) => position)).toEqual(replies.map((_, place) => place + 1));
    await replica.close();
  });

  it("takes the next batch to the disk before it answers the last (D6)", async () => {
    const steps: string[] = [];
    const replica = await open(makeDisks(), { probe: (step) => void steps.push(step) });
    steps.length = 0;
    const first = replica.propose(set(1), NEVER).then(() => steps.push("answered 1"));
    await Promise.resolve();
    const second = replica.propose(set(2), NEVER);
    await Promise.all([first, second]);
    const secondStore = steps.indexOf("beforeStore", steps.indexOf("beforeStore") + 1);
    expect(secondStore).toBeLessThan(steps.indexOf("afterApply"));
    await replica.close();
  });

  it("refuses what no frame would carry to another hub, and goes on (PP5)", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    const huge = { ...set(0), value: "ü".repeat(LIMIT.commandBytes.max / 2) } as Command; // bytes count
    expect(await codeOf(replica.propose(huge, NEVER))).toBe("too_large");
    expect(await codeOf(replica.propose(set(1), NEVER))).toBe("ok");
    await replica.close();
  });

  it("refuses with busy over its bound, and takes again when there is room (D3)", async () => {
    const disks = makeDisks();
    const log = watched(disks.log);
    const replica = await openTestReplica(log.store, disks.ledger, { checkpointMs: HOUR_MS });
    log.hold();
    const first = replica.propose(set(0), NEVER);
    await Promise.resolve(); // the first is being written
    const waiting = Array.from({ length: LIMIT.proposalsWaiting.max }, (_, value) =>
      replica.propose(set(value), NEVER),
    );
    expect(await codeOf(replica.propose(set(1), NEVER))).toBe("busy");
    log.release();
    await Promise.all([first, ...waiting]);
    expect(await codeOf(replica.propose(set(1), NEVER))).toBe("ok");
    await replica.close();
  });
});

describe("a full disk", () => {
  it("[K85][K96] fails proposals visibly, leaves the hub up, and is written again by itself", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    await fill(replica, 3);
    disks.log.failWith(FULL);
    expect(await codeOf(replica.propose(set(3), NEVER))).toBe("disk_full");
    expect(replica.status().isDiskFull).toBe(true);
    expect(replica.ledger.rows.get("flag", "flag-2")?.value).toBe(2);
    disks.log.failWith();
    await expect.poll(() => replica.status().isDiskFull, { timeout: 5_000 }).toBe(false);
    expect(await codeOf(replica.propose(set(4), NEVER))).toBe("ok");
    // What was told `disk_full` may have become a fact: whole, once, and before what came later.
    const { rows } = replica.ledger;
    const [maybe, later] = [rows.get("flag", "flag-3"), rows.get("flag", "flag-4")];
    expect(maybe?.revision ?? 0).toBeLessThan(later?.revision ?? 0);
    await replica.close();
    const fresh = makeForgetfulStore();
    const again = await open({ ...disks, ledger: fresh });
    await again.checkpoint();
    expect(await hashOf(fresh)).toBe(await hashOf(disks.ledger));
    await again.close();
  });

  it("[K85] of the ledger's store costs no row: the checkpoint is tried again", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    await fill(replica, 5);
    disks.ledger.failWith(FULL);
    await replica.checkpoint();
    await fill(replica, 5, 5);
    await replica.checkpoint();
    expect(disks.ledger.getSync("applied")).toBeUndefined();
    disks.ledger.failWith();
    await replica.checkpoint();
    await replica.checkpoint();
    for (let value = 0; value < 10; value += 1) {
      expect(disks.ledger.getSync(`hot/flag/flag-${value}`)).toBeDefined();
    }
    await replica.close();
  });

  it("[M59] leaves the fold waiting while the rows are opened anew (D10)", async () => {
    const disks = makeDisks();
    const ledger = goingAway(disks.ledger);
    const replica = await openTestReplica(disks.log, ledger, { checkpointMs: HOUR_MS });
    await fill(replica, 1);
    ledger.isReopening = true;
    const told = codeOf(replica.propose(set(7), NEVER));
    await expect.poll(() => replica.status().commitIndex).toBe(replica.status().lastIndex);
    expect(replica.ledger.rows.hot("flag").has("flag-7")).toBe(false);
    ledger.isReopening = false;
    await replica.checkpoint();
    expect(await told).toBe("ok");
    await replica.close();
  });

  it("does not keep the hub from closing", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    disks.log.failWith(FULL);
    const told = codeOf(replica.propose(set(1), NEVER));
    expect(await told).toBe("disk_full");
    await replica.close();
    expect(await codeOf(replica.propose(set(2), NEVER))).toBe("stopping");
  });
});

describe("closing and opening", () => {
  it("finishes what it took, refuses what comes later, and tells barriers that wait", async () => {
    const disks = makeDisks();
    const log = watched(disks.log);
    const replica = await openTestReplica(log.store, disks.ledger, { checkpointMs: HOUR_MS });
    log.hold();
    const taken = replica.propose(set(1), NEVER);
    const closing = replica.close();
    expect(await codeOf(replica.propose(set(2), NEVER))).toBe("stopping");
    expect(await codeOf(replica.barrier(NEVER))).toBe("stopping");
    log.release();
    expect((await taken).ok).toBe(true);
    await closing;
    const again = await open(disks);
    expect([...again.ledger.rows.hot("flag").keys()]).toEqual(["flag-1"]);
    await again.close();
  });

  it("[K78][M32] replays to the same state hash, from nothing and from a checkpoint", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    await fill(replica, 30);
    await replica.close();
    const before = await hashOf(disks.ledger);
    for (const ledger of [disks.ledger, makeForgetfulStore()]) {
      const again = await open({ log: disks.log, ledger });
      await again.checkpoint();
      expect(again.ledger.position).toBe(30);
      expect(await hashOf(ledger)).toBe(before);
      await again.close();
    }
  });

  it("a barrier sees every command that was answered before it", async () => {
    const replica = await open(makeDisks());
    await fill(replica, 5);
    const { appliedIndex } = replica.status();
    await replica.barrier(NEVER);
    expect(replica.status().appliedIndex).toBeGreaterThanOrEqual(appliedIndex);
    const aborted = AbortSignal.abort(new GantryError("timeout", "late"));
    expect(await codeOf(replica.barrier(aborted))).toBe("timeout");
    expect(await codeOf(replica.propose(set(9), aborted))).toBe("timeout");
    await replica.close();
  });

  it("does not start over a log entry that does not match its checksum", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    await fill(replica, 3);
    disks.log.cutPower();
    const [key, value] =
      (await Array.fromAsync(disks.log.entries({ gte: "l/", lt: "l0" })))[1] ?? [];
    if (key === undefined || value === undefined) throw new Error("the log has two entries");
    const broken = value.slice();
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
    await disks.log.batch([{ type: "put", key, value: broken }], { sync: true });
    expect(await codeOf(open({ ...disks, ledger: makeForgetfulStore() }))).toBe("data_damaged");
    await replica.close();
  });

  it("does not start over a log with a gap, nor with a ledger that is ahead of its log", async () => {
    const disks = makeDisks();
    const replica = await open(disks);
    for (let value = 0; value < 3; value += 1) await replica.propose(set(value), NEVER);
    await replica.close();
    expect(await codeOf(open({ ...disks, log: makeForgetfulStore() }))).toBe("data_damaged");
    await disks.log.batch([{ type: "del", key: "l/0000000000000003" }], { sync: true });
    expect(await codeOf(open({ ...disks, ledger: makeForgetfulStore() }))).toBe("data_damaged");
  });
});
