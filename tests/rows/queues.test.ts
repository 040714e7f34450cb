// Rows about queues: what a flood does to who came before and after it, and what a lost worker leaves.

import { describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { command, job, makeLedgerRig, START_MS } from "../../hub/ledger/testing/rig.ts";
import { type Item, NO_RULES } from "../../hub/queues/item.ts";
import { makeScheduler } from "../../hub/queues/scheduler.ts";

const QUEUE = "mail";
const FLOOD = 20_000;
const URGENT = 500;

const waiting = (number: number, of: Item["class"]): Item => ({
  queue: QUEUE,
  id: `job_${number}`,
  needs: "",
  class: of,
  workspace: "ada",
  priority: 0,
  order: number,
  notBeforeMs: 0,
  mutex: undefined,
  key: undefined,
  place: "delayed",
  gate: undefined,
  lease: undefined,
  slot: -1,
});

const added = (count: number, of: "high" | "low"): CommandBody => ({
  type: "jobsAdded",
  queue: QUEUE,
  jobs: Array.from({ length: count }, (_, n) => ({ job: `job_${of}_${n}`, class: of, data: null })),
});

describe("a flood", () => {
  it("[S11] of low work lets an urgent job wait for one other at most, at whatever moment it comes", () => {
    const scheduler = makeScheduler();
    scheduler.setRules(QUEUE, NO_RULES, 0);
    for (let n = 0; n < FLOOD; n += 1) scheduler.add(waiting(n, 2), 0);
    const asked = { queue: QUEUE, needs: "", max: 1, worker: "w", token: 1, nowMs: 0 };
    const next = (): string => {
      const [item] = scheduler.take({ ...asked, endsAtMs: () => 1 }).items;
      if (item === undefined) throw new Error("nothing was ready");
      scheduler.remove(item.id, 0);
      return item.id;
    };
    const waits: number[] = [];
    for (let n = 0; n < URGENT; n += 1) {
      for (let others = n % 7; others > 0; others -= 1) next();
      const urgent = waiting(FLOOD + n, 0);
      scheduler.add(urgent, 0);
      let before = 0;
      while (next() !== urgent.id) before += 1;
      waits.push(before);
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(1);
  });

  it("[S14] of ten times what a queue holds leaves in memory what it holds, and refuses the rest", () => {
    const rig = makeLedgerRig();
    let refused = 0;
    for (let n = 0; n < 10 * LIMIT.highJobs.max; n += 1) {
      const [reply] = rig.apply(command(job({ job: `job_${n}`, class: "high" })));
      if (reply?.ok === false && reply.error.code === "busy") refused += 1;
    }
    expect(refused).toBe(9 * LIMIT.highJobs.max);
    expect(rig.rows.hot("job").size).toBe(LIMIT.highJobs.max);
  });
});

describe("a worker that vanishes", () => {
  it("[S17] leaves nothing behind: what it held is ready again or a dead letter, and events say so", () => {
    const rig = makeLedgerRig();
    rig.act(added(3, "high"));
    const held = ["job_high_0", "job_high_1", "job_high_2"];
    const leases = held.map((id) => ({ job: id, token: 7 }));
    rig.act({ type: "jobsLeased", worker: "w", jobs: leases });
    const lost = (token: number): CommandBody => ({
      type: "jobsEnded",
      ends: held.map((id) => ({ job: id, token, lost: true, retryAtMs: START_MS })),
    });
    rig.act(lost(7));
    expect(held.map((id) => rig.rows.get("job", id)?.state)).toEqual(["ready", "ready", "ready"]);
    rig.act(lost(8));
    rig.act(lost(9)); // the third try is the last
    expect(held.map((id) => rig.rows.get("job", id)?.isDead)).toEqual([true, true, true]);
    expect([...rig.rows.hot("order").values()].toSorted()).toEqual(held);
    const ends = rig.events.flatMap(({ data }) => (data as { ended?: object }).ended ?? []);
    expect(ends).toEqual([{ retried: 3 }, { retried: 3 }, { failed: 3 }]);
    expect(rig.rows.get("count", `open/${QUEUE}/high`)).toBe(0);
  });
});
