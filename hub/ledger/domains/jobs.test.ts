import { describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody, JobDraft } from "@gantry/shared/contract/commands.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import { confirmation, job, type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";

const lease = (rig: LedgerRig, id = "job_1"): number =>
  rig.act({ type: "jobLeased", job: id, node: "node_1", bootId: "boot_1" })["token"] as number;

const finished = (token: number, result: unknown = { ok: true }): CommandBody => ({
  type: "jobFinished",
  job: "job_1",
  token,
  result,
});

const failed = (token: number, retryAtMs?: number): CommandBody => ({
  type: "jobFailed",
  job: "job_1",
  token,
  error: { code: "command_failed", message: "exit 1" },
  ...(retryAtMs === undefined ? {} : { retryAtMs }),
});

const lost = (token: number): CommandBody => ({
  type: "jobLeaseLost",
  job: "job_1",
  token,
  retryAtMs: START_MS,
});

const row = (rig: LedgerRig): JobRow | undefined => rig.rows.get("job", "job_1");
const open = (rig: LedgerRig, queue = "normal"): number =>
  rig.rows.get("count", `open/${queue}`) ?? 0;
const dead = (rig: LedgerRig): readonly string[] => [...rig.rows.hot("order").values()];

function leased(facts: Partial<JobDraft> = {}): { rig: LedgerRig; token: number } {
  const rig = makeLedgerRig();
  rig.act(job(facts));
  return { rig, token: lease(rig) };
}

function makeDead(facts: Partial<JobDraft> = {}): LedgerRig {
  const { rig, token } = leased(facts);
  rig.act(failed(token));
  return rig;
}

describe("the queues", () => {
  it.each([
    ["high", LIMIT.highJobs.max, 1_000],
    ["normal", LIMIT.normalJobs.max, 10_000],
    ["low", LIMIT.lowJobs.max, 50_000],
  ] as const)(
    "[S48][S18] %s holds %i jobs; the next is refused with busy (Q1)",
    (name, max, bound) => {
      expect(max).toBe(bound);
      const rig = makeLedgerRig();
      for (let index = 0; index < max; index += 1)
        rig.act(job({ job: `job_${index}`, class: name }));
      expect(rig.refuse(job({ job: "one more", class: name }))).toBe("busy");
      expect(open(rig, name)).toBe(max);
      for (const other of ["high", "normal", "low"] as const) {
        if (other !== name) rig.act(job({ job: `of ${other}`, class: other }));
      }
      rig.act({ type: "jobCancelled", job: "job_0" });
      rig.act(job({ job: "one more", class: name }));
    },
  );

  it("refuse a job of an id that exists", () => {
    const { rig, token } = leased();
    expect(rig.refuse(job())).toBe("conflict");
    rig.act(finished(token));
    expect(rig.refuse(job())).toBe("conflict");
    expect(row(rig)?.state).toBe("done");
  });

  it("do not lease what waits for a confirmation, or for its time", () => {
    const rig = makeLedgerRig();
    rig.act(job({ confirmation: confirmation() }));
    const take = { type: "jobLeased", job: "job_1", node: "node_1", bootId: "boot_1" } as const;
    expect(rig.refuse(take)).toBe("conflict");
    const { rig: later, token } = leased();
    later.act(failed(token, START_MS + 100));
    expect(later.refuse(take)).toBe("conflict");
    later.at(100);
    later.act(take);
  });
});

describe("a lease", () => {
  it("counts with its present token only, and an answer that comes twice changes nothing (Q2)", () => {
    const { rig, token } = leased();
    expect(rig.refuse(finished(token + 1))).toBe("stale_token");
    rig.act(finished(token));
    const { writes } = rig.rows;
    rig.act(finished(token, "other"));
    rig.act(failed(token));
    rig.act(lost(token));
    expect(rig.rows.writes).toBe(writes);
    expect(row(rig)).toMatchObject({ state: "done", result: { ok: true } });
    expect(open(rig)).toBe(0);
  });

  it("[K76] that was lost sends an idempotent job back; the old holder is fenced off", () => {
    const { rig, token } = leased({ effect: "idempotent" });
    rig.act(lost(token));
    expect(row(rig)?.state).toBe("ready");
    const next = lease(rig);
    expect(next).toBeGreaterThan(token);
    expect(rig.refuse(finished(token))).toBe("stale_token");
    rig.act(finished(next));
    expect(row(rig)).toMatchObject({ state: "done", attempts: 2 });
  });

  it("[K76] that was lost leaves a `once` job to a person, never repeated blindly", () => {
    const { rig, token } = leased({ effect: "once" });
    rig.act(lost(token));
    expect(row(rig)).toMatchObject({ state: "unknown", isDead: true });
    expect(rig.refuse({ type: "jobLeased", job: "job_1", node: "n", bootId: "b" })).toBe(
      "conflict",
    );
    expect(dead(rig)).toEqual(["job_1"]);
  });
});

describe("dead letters", () => {
  it("[K77] hold a job after its last attempt (Q3)", () => {
    const rig = makeLedgerRig();
    rig.act(job({ attemptsMax: 2 }));
    rig.act(failed(lease(rig), START_MS));
    expect(row(rig)).toMatchObject({ state: "ready", attempts: 1 });
    rig.act(failed(lease(rig), START_MS));
    expect(row(rig)).toMatchObject({ state: "failed", attempts: 2, isDead: true });
    expect(dead(rig)).toEqual(["job_1"]);
    expect(open(rig)).toBe(0);
  });

  it("[K77] hold one whose lease was lost at its last attempt, or that must not be tried again", () => {
    const { rig, token } = leased({ attemptsMax: 1 });
    rig.act(lost(token));
    expect(row(rig)).toMatchObject({ state: "failed", isDead: true });
    expect(row(makeDead())).toMatchObject({ state: "failed", attempts: 1, isDead: true });
  });

  it("[K77] give a job back to the queue, as new, and through a restart", () => {
    const rig = makeDead();
    rig.restart();
    rig.act({ type: "jobRequeued", job: "job_1" });
    expect(row(rig)).toMatchObject({ state: "ready", attempts: 0, isDead: false });
    expect(row(rig)).not.toHaveProperty("lease");
    expect([dead(rig), open(rig)]).toEqual([[], 1]);
    rig.restart();
    expect(rig.rows.hot("job").size).toBe(1);
    rig.act(finished(lease(rig)));
    rig.restart();
    expect([row(rig)?.state, open(rig)]).toEqual(["done", 0]);
    expect(rig.refuse({ type: "jobRequeued", job: "job_1" })).toBe("conflict");
  });

  it("[S48] give none back to a full queue", () => {
    const rig = makeDead({ class: "high" });
    for (let index = 0; index < LIMIT.highJobs.max; index += 1) {
      rig.act(job({ job: `other_${index}`, class: "high" }));
    }
    expect(rig.refuse({ type: "jobRequeued", job: "job_1" })).toBe("busy");
    expect(dead(rig)).toEqual(["job_1"]);
  });

  it("[K77] drop a job for good, but keep its history", () => {
    const rig = makeDead();
    rig.act({ type: "jobDropped", job: "job_1" });
    expect(dead(rig)).toEqual([]);
    expect(row(rig)).toMatchObject({ state: "failed", isDead: false });
    expect(rig.refuse({ type: "jobDropped", job: "job_1" })).toBe("conflict");
  });
});

describe("cancelling", () => {
  it("ends a job that waits for its confirmation, and the confirmation with it", () => {
    const rig = makeLedgerRig();
    rig.act(job({ confirmation: confirmation() }));
    rig.act({ type: "jobCancelled", job: "job_1" });
    expect(rig.rows.get("confirmation", "cfm_1")?.state).toBe("cancelled");
    expect(open(rig)).toBe(0);
  });

  it("counts once, and the holder's late answer changes nothing", () => {
    const { rig, token } = leased();
    rig.act({ type: "jobCancelled", job: "job_1" });
    rig.act({ type: "jobCancelled", job: "job_1" });
    rig.act(finished(token));
    expect([row(rig)?.state, open(rig)]).toEqual(["cancelled", 0]);
    const { rig: done, token: its } = leased();
    done.act(finished(its));
    expect(done.refuse({ type: "jobCancelled", job: "job_1" })).toBe("conflict");
  });
});
