import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { QueuePolicy, WorkDraft, WorkEnd } from "@gantry/shared/contract/queues.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import { type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";

const QUEUE = "mail";

const draft = (job: string, facts: Partial<WorkDraft> = {}): WorkDraft => ({
  job,
  data: { to: job },
  ...facts,
});

const added = (...jobs: readonly WorkDraft[]): CommandBody => ({
  type: "jobsAdded",
  queue: QUEUE,
  jobs,
});

const ended = (...ends: readonly WorkEnd[]): CommandBody => ({ type: "jobsEnded", ends });
const ok = (job: string, token: number): WorkEnd => ({ job, token, result: "sent" });
const lost = (job: string, token: number): WorkEnd => ({
  job,
  token,
  lost: true,
  retryAtMs: START_MS,
});
const failed = (job: string, token: number, retryAtMs?: number): WorkEnd => ({
  job,
  token,
  error: { code: "command_failed", message: "exit 1" },
  ...(retryAtMs === undefined ? {} : { retryAtMs }),
});

const policy = (rig: LedgerRig, its: QueuePolicy): unknown =>
  rig.act({ type: "queueSet", queue: QUEUE, policy: its });
const row = (rig: LedgerRig, job: string): JobRow | undefined => rig.rows.get("job", job);
const open = (rig: LedgerRig, its = "normal"): number =>
  rig.rows.get("count", `open/${QUEUE}/${its}`) ?? 0;
const dead = (rig: LedgerRig): string[] => [...rig.rows.hot("order").values()].toSorted();

function rigWith(...jobs: readonly WorkDraft[]): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(added(...jobs));
  return rig;
}

const key = (sha256: string): Partial<WorkDraft> => ({ idempotency: { key: "k", sha256 } });

describe("work that is queued", () => {
  it("is all of a command or none, and one entry of the journal whatever its number", () => {
    const rig = makeLedgerRig();
    const jobs = Array.from({ length: 500 }, (_, place) => draft(`job_${place}`));
    expect(rig.act(added(...jobs))).toEqual({ added: 500 });
    expect(open(rig)).toBe(500);
    expect(rig.events.map(({ type, data }) => [type, data])).toEqual([
      ["queue.changed", { added: 500 }],
    ]);
    expect(rig.refuse(added(draft("job_new"), draft("job_7")))).toBe("conflict");
    expect(row(rig, "job_new")).toBeUndefined();
    expect(open(rig)).toBe(500);
  });

  it("[S48] is refused with busy over the bound of its queue and class; other queues go on", () => {
    const rig = makeLedgerRig();
    policy(rig, { bounds: { normal: 2 } });
    rig.act(added(draft("job_1"), draft("job_2")));
    expect(rig.refuse(added(draft("job_3")))).toBe("busy");
    rig.act(added(draft("job_4", { class: "high" })));
    rig.act({ type: "jobsAdded", queue: "other", jobs: [draft("job_5")] });
    rig.act(ended(ok("job_1", 1)));
    rig.act(added(draft("job_3")));
  });

  it("is the same job for the same idempotency key, and refused with another body", () => {
    const rig = rigWith(draft("job_1", key("a")));
    expect(rig.act(added(draft("job_2", key("a")), draft("job_3")))).toEqual({
      added: 1,
      existing: [[0, "job_1"]],
    });
    expect(rig.refuse(added(draft("job_4", key("b"))))).toBe("idempotency_mismatch");
    rig.act({ type: "jobsAdded", queue: "other", jobs: [draft("job_5", key("b"))] });
    rig.restart();
    expect(rig.act(added(draft("job_6", key("a"))))).toEqual({
      added: 0,
      existing: [[0, "job_1"]],
    });
    rig.at(24 * 3_600_000 + 1);
    expect(rig.act(added(draft("job_7", key("b"))))).toEqual({ added: 1 });
  });

  it("leaves no row when it is done, where its queue keeps none", () => {
    const rig = makeLedgerRig();
    policy(rig, { keepDone: false });
    rig.act(added(draft("job_1"), draft("job_2")));
    rig.act(ended(ok("job_1", 1), failed("job_2", 1)));
    expect(row(rig, "job_1")).toBeUndefined();
    expect(row(rig, "job_2")?.state).toBe("failed");
    expect(open(rig)).toBe(0);
  });
});

describe("ends", () => {
  it("[K58] [K80] are three tries for a job that fails twice, with the time of each", () => {
    const rig = rigWith(draft("job_1"));
    rig.act(ended(failed("job_1", 5, START_MS + 4_000)));
    expect(row(rig, "job_1")).toMatchObject({ attempts: 1, notBeforeMs: START_MS + 4_000 });
    rig.act(ended(failed("job_1", 6, START_MS + 12_000)));
    expect(row(rig, "job_1")).toMatchObject({ attempts: 2, notBeforeMs: START_MS + 12_000 });
    rig.act(ended(ok("job_1", 7)));
    expect(row(rig, "job_1")).toMatchObject({ state: "done", attempts: 3, result: "sent" });
  });

  it("[K77] make it dead after the last try: listed, tried again, dropped", () => {
    const rig = rigWith(draft("job_1", { attemptsMax: 1 }), draft("job_2", { attemptsMax: 1 }));
    rig.act(ended(failed("job_1", 5, START_MS), failed("job_2", 5, START_MS)));
    expect(dead(rig)).toEqual(["job_1", "job_2"]);
    expect(rig.act({ type: "jobsDirected", wish: "requeue", jobs: ["job_1", "job_9"] })).toEqual({
      jobs: ["job_1"],
    });
    expect(row(rig, "job_1")).toMatchObject({ state: "ready", attempts: 0, isDead: false });
    rig.act({ type: "jobsDirected", wish: "drop", jobs: ["job_1", "job_2"] });
    expect(dead(rig)).toEqual([]);
    expect(open(rig)).toBe(1);
    rig.act(ended(ok("job_1", 6)));
    expect(open(rig)).toBe(0);
  });

  it("redelivery counted twice: a try that is told again, or late, counts once (WK2)", () => {
    const rig = rigWith(draft("job_1", { attemptsMax: 3 }));
    expect(rig.act(ended(lost("job_1", 5)))).toEqual({ late: [] });
    expect(rig.act(ended(lost("job_1", 5), failed("job_1", 4)))).toEqual({
      late: ["job_1", "job_1"],
    });
    expect(row(rig, "job_1")).toMatchObject({ state: "ready", attempts: 1 });
    expect(rig.act(ended(ok("job_1", 5)))).toEqual({ late: ["job_1"] });
    expect(rig.act(ended(ok("job_1", 8), ok("job_1", 8), lost("job_1", 9)))).toEqual({
      late: ["job_1", "job_1"],
    });
    expect(row(rig, "job_1")).toMatchObject({ state: "done", attempts: 2 });
  });

  it("are unknown for work with the effect once whose worker vanished (WK3)", () => {
    const rig = rigWith(draft("job_1", { effect: "once" }));
    rig.act({ type: "jobsLeased", worker: "w", jobs: [{ job: "job_1", token: 9 }] });
    expect(rig.act(ended(ok("job_1", 8)))).toEqual({ late: ["job_1"] });
    rig.act(ended(lost("job_1", 9)));
    expect(row(rig, "job_1")).toMatchObject({ state: "unknown", isDead: true, attempts: 1 });
    expect(dead(rig)).toEqual(["job_1"]);
  });

  it("come too late for work that was cancelled", () => {
    const rig = rigWith(draft("job_1"));
    rig.act({ type: "jobsDirected", wish: "cancel", jobs: ["job_1"] });
    expect(rig.act(ended(ok("job_1", 5)))).toEqual({ late: ["job_1"] });
    expect(row(rig, "job_1")?.state).toBe("cancelled");
    expect(open(rig)).toBe(0);
  });
});

const family = (rule: "go" | "fail"): LedgerRig =>
  rigWith(
    draft("job_p", { waits: rule }),
    draft("job_1", { parent: "job_p" }),
    draft("job_2", { parent: "job_p" }),
  );

describe("a parent", () => {
  it("waits for all its children and is ready with the last of them", () => {
    const rig = family("go");
    expect(row(rig, "job_p")?.state).toBe("waiting");
    rig.act(ended(ok("job_1", 5)));
    expect(row(rig, "job_p")?.state).toBe("waiting");
    rig.act(ended(failed("job_2", 5)));
    expect(row(rig, "job_p")).toMatchObject({
      state: "ready",
      children: { open: 0, failed: 1, failedJobs: ["job_2"] },
    });
  });

  it("fails with the first child that is lost for good, where its rule says so", () => {
    const rig = family("fail");
    rig.act(ended(failed("job_1", 5)));
    expect(row(rig, "job_p")).toMatchObject({ state: "failed", isDead: true });
    rig.act(ended(ok("job_2", 5))); // nobody waits for it, and nothing is counted
    expect(row(rig, "job_p")?.children).toMatchObject({ open: 1, failed: 1 });
  });

  it("is never left waiting: without children, or with all of them cancelled", () => {
    expect(row(rigWith(draft("job_p", { waits: "go" })), "job_p")?.state).toBe("ready");
    const rig = family("go");
    rig.act({ type: "jobsDirected", wish: "cancel", jobs: ["job_1", "job_2"] });
    expect(row(rig, "job_p")?.state).toBe("ready");
  });

  it("takes its children with it when it is cancelled", () => {
    const rig = family("go");
    rig.act({ type: "jobCancelled", job: "job_p" });
    expect(["job_1", "job_2"].map((id) => row(rig, id)?.state)).toEqual(["cancelled", "cancelled"]);
    expect(open(rig)).toBe(0);
  });

  it("the counter that goes to -1: a dead child that is tried again is open again, once (JR1)", () => {
    const rig = family("go");
    rig.act(ended(failed("job_1", 5)));
    rig.act({ type: "jobRequeued", job: "job_1" });
    expect(row(rig, "job_p")?.children).toMatchObject({ open: 2, failed: 0, failedJobs: [] });
    rig.act(ended(ok("job_1", 7), ok("job_2", 7)));
    expect(row(rig, "job_p")).toMatchObject({ state: "ready", children: { open: 0, failed: 0 } });
    rig.act(ended(ok("job_p", 9)));
    const other = family("go");
    other.act(ended(failed("job_1", 5), ok("job_2", 5), ok("job_p", 6)));
    other.act({ type: "jobRequeued", job: "job_1" });
    other.act(ended(ok("job_1", 9))); // its parent is done and hears nothing
    expect(row(other, "job_p")).toMatchObject({ state: "done", children: { open: 0, failed: 1 } });
  });

  it("cannot be one that does not wait, or nobody", () => {
    const rig = rigWith(draft("job_1"));
    expect(rig.refuse(added(draft("job_2", { parent: "job_1" })))).toBe("conflict");
    expect(rig.refuse(added(draft("job_2", { parent: "job_x" })))).toBe("not_found");
  });
});

describe("a queue", () => {
  it("is paused and goes on; a key is paused until a time", () => {
    const rig = makeLedgerRig();
    rig.act({ type: "queuePaused", queue: QUEUE, isPaused: true });
    expect(rig.rows.get("queue", QUEUE)?.isPaused).toBe(true);
    rig.act({ type: "queuePaused", queue: QUEUE, isPaused: false });
    expect(rig.rows.get("queue", QUEUE)?.isPaused).toBe(false);
    const untilMs = START_MS + 500;
    rig.act({ type: "queuePaused", queue: QUEUE, key: "k", isPaused: true, untilMs });
    expect(rig.rows.get("queue", QUEUE)?.pausedKeys).toEqual({ k: untilMs });
    expect(rig.refuse({ type: "queuePaused", queue: QUEUE, key: "k", isPaused: true })).toBe(
      "bad_request",
    );
    rig.act({ type: "queuePaused", queue: QUEUE, key: "k", isPaused: false });
    expect(rig.rows.get("queue", QUEUE)?.pausedKeys).toEqual({});
  });

  it("has a name that a URL can hold", () => {
    const rig = makeLedgerRig();
    expect(rig.refuse({ type: "jobsAdded", queue: "a b", jobs: [draft("job_1")] })).toBe(
      "bad_name",
    );
  });
});

// ── any order ───────────────────────────────────────────────────────────────────────────────────

const id = fc.integer({ min: 0, max: 5 }).map((place) => `job_${place}`);
const token = fc.integer({ min: 1, max: 12 });
const anyBody: fc.Arbitrary<CommandBody> = fc.oneof(
  fc
    .tuple(
      id,
      fc.option(id),
      fc.constantFrom("go" as const, "fail" as const, undefined),
      fc.boolean(),
    )
    .map(([job, parent, waits, isOnce]) =>
      added(
        draft(job, {
          attemptsMax: 2,
          ...(parent === null ? {} : { parent }),
          ...(waits === undefined ? {} : { waits }),
          ...(isOnce ? { effect: "once" as const } : {}),
        }),
        draft(`${job}b`, waits === undefined ? {} : { parent: job }),
      ),
    ),
  fc
    .array(
      fc.tuple(id, fc.boolean(), token, fc.nat(3)).map(([job, isSecond, its, how]): WorkEnd => {
        const name = isSecond ? `${job}b` : job;
        if (how === 0) return ok(name, its);
        if (how === 1) return lost(name, its);
        return failed(name, its, how === 2 ? START_MS : undefined);
      }),
      { minLength: 1, maxLength: 3 },
    )
    .map((ends) => ended(...ends)),
  fc
    .tuple(fc.constantFrom("cancel", "requeue", "drop"), fc.array(id, { maxLength: 3 }))
    .map(([wish, jobs]) => ({ type: "jobsDirected" as const, wish, jobs })),
  fc.tuple(id, token).map(([job, its]) => ({
    type: "jobsLeased" as const,
    worker: "w",
    jobs: [{ job, token: its }],
  })),
  fc.boolean().map((keepDone) => ({
    type: "queueSet" as const,
    queue: QUEUE,
    policy: { keepDone },
  })),
);

describe("any order of commands of a queue", () => {
  it("counts what is open, leaves no parent behind, and is the same after a replay", () => {
    fc.assert(
      fc.property(fc.array(anyBody, { maxLength: 40 }), (bodies) => {
        const rig = makeLedgerRig();
        for (const [place, body] of bodies.entries()) {
          rig.apply({ atMs: START_MS, actor: "ada", requestId: `req_${place}`, ...body });
          const hot = [...rig.rows.hot("job").values()];
          expect(open(rig)).toBe(hot.length);
          for (const parent of hot.filter(({ state }) => state === "waiting")) {
            const alive = hot.filter((child) => child.parent === parent.id).length;
            expect(parent.children?.open).toBe(alive);
            expect(alive).toBeGreaterThan(0);
          }
          const shown = dead(rig).filter((name) => rig.rows.get("job", name)?.isDead !== true);
          expect(shown).toEqual([]);
        }
        const again = makeLedgerRig();
        for (const entry of rig.entries) {
          again.apply(...entry);
          again.restart();
        }
        expect(again.stateHash()).toBe(rig.stateHash());
      }),
      { numRuns: 200 },
    );
  });
});
