import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { LeasedWork, RegistryWork } from "@gantry/shared/contract/registry-ops.ts";
import type { QueuePolicy } from "@gantry/shared/contract/queues.ts";
import { graph, kept, runOf, started } from "../ledger/testing/flows.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import type { Status } from "../consensus/types.ts";
import type { Hub } from "../hub.ts";
import type { Replica } from "../replica/replica.ts";
import { GRACE_MS, makeQueues, type Queues } from "./queues.ts";
import type { RunCallParts } from "./run-calls.ts";
import { makeRunHands } from "./runs.ts";
import { makeWorkers, type Workers } from "./workers.ts";

const QUEUE = "cad";
const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort(new GantryError("stopping", "the test is over"));
});

type Work = Omit<RegistryWork, "type" | "id">;

interface Scene extends FakeHub {
  readonly queues: Queues;
  readonly workers: Workers;
  /** What worker `who` has been told so far. */
  open(who: string, holds?: readonly { job: string; token: number }[]): Work[];
  jobs(told: readonly Work[]): LeasedWork[];
  /** Types of the commands that were proposed, in their order. */
  commands(): string[];
  /** Another leader takes over, in another process. */
  nextReign(): Promise<void>;
}

const task = (facts: object = {}): object => ({
  type: "task",
  capability: "render",
  queue: QUEUE,
  with: { size: "${inputs.size}" },
  ...facts,
});
const after = (id: string): object => task({ with: { size: `\${nodes.${id}.output.size}` } });
const TWO = graph({ a: task(), b: after("a") }, ["a>b"], { output: "${nodes.b.output}" });

async function makeScene(
  flow = TWO,
  { policy = {}, runs = 1 }: { policy?: QueuePolicy; runs?: number } = {},
): Promise<Scene> {
  const fake = makeFakeHub();
  const { rig, clock } = fake;
  let term = 0;
  const status = () => ({ term }) as Status; // all that workers read of it
  const hub: Hub = { ...fake.hub, replica: { ...fake.hub.replica, status } as Replica };
  let queues = makeQueues(hub);
  let workers: Workers;
  let reign = new AbortController();

  function lead(): void {
    term += 1;
    reign = new AbortController();
    ends.push(reign);
    const { signal } = reign;
    queues = makeQueues(hub);
    workers = makeWorkers({ hub, queues, stopAtNode() {}, signal });
    const parts = { hub, egressAllow: [], queues } as unknown as RunCallParts; // all that tasks use
    void queues.run(signal);
    void makeRunHands(parts).run(signal);
  }

  rig.act({ type: "queueSet", queue: QUEUE, policy });
  rig.act(kept(flow));
  lead();
  await clock.pass(GRACE_MS);
  for (let run = 1; run <= runs; run += 1)
    rig.act(started({ run: `run_${run}`, inputs: { size: run } }));
  await clock.pass(10);
  return {
    ...fake,
    get queues() {
      return queues;
    },
    get workers() {
      return workers;
    },
    open(who, holds) {
      const told: Work[] = [];
      const call = { type: "registry", id: 1, op: "work", queue: QUEUE, credit: 64 } as const;
      workers.open(holds === undefined ? call : { ...call, holds }, who, (work) => {
        told.push(work);
        return "sent";
      });
      return told;
    },
    jobs: (told) => told.flatMap(({ jobs = [] }) => jobs),
    commands: () => fake.proposed.map(({ type }) => type),
    async nextReign() {
      reign.abort(new GantryError("stale_term", "another hub leads"));
      await clock.pass(10);
      lead();
      await clock.pass(10);
    },
  };
}

const doneOf = ({ job, token, data }: LeasedWork, more: object = {}) => ({
  job,
  token,
  result: { size: (data as { with: { size: number } }).with.size + 1, ...more },
});

describe("a task that a program does", () => {
  it("is one command: it has no job row, and all ends of a turn move their runs together", async () => {
    const scene = await makeScene(TWO, { runs: 3 });
    const told = scene.open("w");
    await scene.clock.pass(10);
    const first = scene.jobs(told);
    expect(first.map(({ data }) => data)).toMatchObject([
      { capability: "render", with: { size: 1 }, run: "run_1", place: "a" },
      { with: { size: 2 }, run: "run_2" },
      { with: { size: 3 }, run: "run_3" },
    ]);
    expect(scene.rig.rows.hot("job").size).toBe(0);
    const late = scene.workers.ended(first.map((work) => doneOf(work)));
    await scene.clock.pass(10);
    expect(await late).toEqual([]);
    expect(scene.commands()).toEqual(["runsAdvanced"]);
    const second = scene.jobs(told).slice(3);
    expect(second.map(({ data }) => data)).toMatchObject([
      { with: { size: 2 }, place: "b" },
      { with: { size: 3 } },
      { with: { size: 4 } },
    ]);
    void scene.workers.ended(second.map((work) => doneOf(work)));
    await scene.clock.pass(10);
    expect(scene.commands()).toEqual(["runsAdvanced", "runsAdvanced"]);
    expect(runOf(scene.rig, "run_3").state).toMatchObject({ state: "done", output: { size: 5 } });
    expect(scene.queues.runWork.size).toBe(0);
    expect(scene.queues.facts(QUEUE)).toMatchObject({ ready: 0, leased: 0, waiting: 0 });
  });

  it("counts in its queue while it is open, once", async () => {
    const scene = await makeScene(TWO, { runs: 2 });
    expect(scene.queues.facts(QUEUE)).toMatchObject({ ready: 2, leased: 0, waiting: 0 });
    scene.open("w");
    await scene.clock.pass(10);
    expect(scene.queues.facts(QUEUE)).toMatchObject({ ready: 0, leased: 2, waiting: 0 });
  });

  it("is late when its end comes a second time, or with the token of nobody", async () => {
    const scene = await makeScene();
    const told = scene.open("w");
    await scene.clock.pass(10);
    const [work] = scene.jobs(told);
    if (work === undefined) throw new Error("there was a lease");
    const end = doneOf(work);
    expect(await scene.workers.ended([{ ...end, token: end.token + 1 }])).toEqual([end.job]);
    const both = [scene.workers.ended([end]), scene.workers.ended([end])];
    await scene.clock.pass(10);
    expect(await Promise.all(both)).toEqual([[], [end.job]]);
  });

  it("that fails, or whose worker vanishes, becomes a job: with tries, and dead at last (RW2)", async () => {
    const scene = await makeScene(TWO, {
      policy: { backoff: { firstMs: 10, factor: 1, maxMs: 10, jitter: 0 } },
    });
    const told = scene.open("w");
    await scene.clock.pass(10);
    for (let tries = 1; tries <= 3; tries += 1) {
      const work = scene.jobs(told).at(-1);
      expect(work?.attempt).toBe(tries);
      const { job = "", token = 0 } = work ?? {};
      const error = { code: "command_failed" as const, message: "no" };
      const call = { type: "registry", id: 9, op: "fail", ends: [{ job, token, error }] } as const;
      const late = scene.workers.ended(scene.workers.failures(call));
      await scene.clock.pass(1_000);
      expect(await late).toEqual([]);
    }
    const [dead = ""] = scene.rig.rows.hot("order").values();
    expect(scene.rig.rows.get("job", dead)).toMatchObject({ isDead: true, attempts: 3, state: "failed" }); // prettier-ignore
    expect(scene.commands().filter((type) => type === "jobsAdded")).toHaveLength(1);
    expect(runOf(scene.rig).state).toMatchObject({
      state: "failed",
      fault: { code: "command_failed", place: "a" },
    });
  });

  it("whose lease runs out is given to another, and the first one's end is late", async () => {
    const flow = graph({ a: task({ timeoutMs: 1_000 }) });
    const scene = await makeScene(flow);
    const told = scene.open("w");
    await scene.clock.pass(10);
    const [first] = scene.jobs(told);
    await scene.clock.pass(20_000);
    expect(scene.commands().slice(0, 2)).toEqual(["jobsAdded", "jobsEnded"]);
    expect(told.some(({ stops = [] }) => stops.some(({ job }) => job === first?.job))).toBe(true);
    const again = scene.jobs(told).at(-1);
    expect(again?.job).toBe(first?.job);
    expect(again?.token).toBeGreaterThan(first?.token ?? Infinity);
    if (first === undefined) throw new Error("there was a first lease");
    expect(await scene.workers.ended([doneOf(first)])).toEqual([first.job]);
  });

  it("is stopped at its worker when its run is cancelled, and writes nothing", async () => {
    const scene = await makeScene();
    const told = scene.open("w");
    await scene.clock.pass(10);
    const [work] = scene.jobs(told);
    scene.rig.act({ type: "runCancelled", run: "run_1", reason: "late" });
    await scene.clock.pass(10);
    expect(told.at(-1)?.stops).toEqual([{ job: work?.job, token: work?.token }]);
    expect(scene.queues.runWork.size).toBe(0);
    expect(scene.commands()).toEqual([]);
    if (work === undefined) throw new Error("there was a lease");
    expect(await scene.workers.ended([doneOf(work)])).toEqual([work.job]);
  });

  it("is handed out again after a pause, with a newer token", async () => {
    const scene = await makeScene();
    const told = scene.open("w");
    await scene.clock.pass(10);
    scene.rig.act({ type: "runPaused", run: "run_1" });
    await scene.clock.pass(10);
    scene.rig.act({ type: "runResumed", run: "run_1" });
    await scene.clock.pass(10);
    const [first, second] = scene.jobs(told);
    expect(second?.job).toBe(first?.job);
    expect(second?.token).toBeGreaterThan(first?.token ?? Infinity);
  });

  it("with a result that is no small fact becomes a job that holds it", async () => {
    const scene = await makeScene(graph({ a: task() }));
    const told = scene.open("w");
    await scene.clock.pass(10);
    const [work] = scene.jobs(told);
    if (work === undefined) throw new Error("there was a lease");
    const text = "x".repeat(LIMIT.runOutputBytes.max / 2);
    void scene.workers.ended([doneOf(work, { text })]);
    await scene.clock.pass(2_000);
    expect(scene.commands()).toEqual(["jobsAdded", "jobsEnded", "runsAdvanced"]);
    expect(runOf(scene.rig).state).toMatchObject({ state: "done" });
  });
});

describe("after an election", () => {
  it("who holds a task keeps it, and its end counts with the token of before", async () => {
    const scene = await makeScene();
    const told = scene.open("w");
    await scene.clock.pass(10);
    const [work] = scene.jobs(told);
    if (work === undefined) throw new Error("there was a lease");
    await scene.nextReign();
    const again = scene.open("w", [{ job: work.job, token: work.token }]);
    const other = scene.open("other");
    await scene.clock.pass(GRACE_MS + 1_000);
    expect([...scene.jobs(again), ...scene.jobs(other)]).toEqual([]); // nobody else has it
    const late = scene.workers.ended([doneOf(work)]);
    await scene.clock.pass(10);
    expect(await late).toEqual([]);
    expect(scene.jobs([...again, ...other]).map(({ data }) => data)).toMatchObject([
      { place: "b" },
    ]);
  });

  it("what nobody announces is handed out after the grace, and not before", async () => {
    const scene = await makeScene();
    scene.open("w");
    await scene.clock.pass(10);
    await scene.nextReign();
    const other = scene.open("other");
    await scene.clock.pass(GRACE_MS / 2);
    expect(scene.jobs(other)).toEqual([]);
    await scene.clock.pass(GRACE_MS);
    expect(scene.jobs(other)).toHaveLength(1);
  });

  it("a job that had its end while nobody led is not done again (RW3)", async () => {
    const scene = await makeScene(graph({ a: task() }), { policy: { keepDone: true } });
    const told = scene.open("w");
    await scene.clock.pass(10);
    const [work] = scene.jobs(told);
    if (work === undefined) throw new Error("there was a lease");
    expect(scene.rig.rows.hot("job").has(work.job)).toBe(true); // the queue keeps what is done
    const before = scene.commands().length;
    await scene.nextReign();
    scene.rig.act({ type: "queueSet", queue: QUEUE, policy: {} });
    scene.rig.act({ type: "jobsEnded", ends: [doneOf(work)] });
    scene.publish();
    await scene.nextReign();
    await scene.clock.pass(2_000);
    expect(scene.queues.runWork.size).toBe(0);
    expect(runOf(scene.rig).state).toMatchObject({ state: "done" });
    expect(scene.commands().slice(before)).not.toContain("jobsLeased");
  });
});

it.each([
  ["a queue with bounds of its own", { bounds: { normal: 5 } }, task()],
  ["a queue that keeps what is done", { keepDone: true }, task()],
  ["an effect that must not be repeated", {}, task({ effect: "once" })],
])("%s has jobs with rows from the start (RW3)", async (_what, policy, node) => {
  const scene = await makeScene(graph({ a: node }), { policy });
  expect(scene.rig.rows.hot("job").size).toBe(1);
  expect(scene.queues.runWork.size).toBe(0);
});

it("a task of a queue that keeps nothing ends its run as any other", async () => {
  const scene = await makeScene(TWO, { policy: { keepDone: false } });
  const told = scene.open("w");
  for (let step = 0; step < 2; step += 1) {
    await scene.clock.pass(10);
    const work = scene.jobs(told).at(-1);
    if (work === undefined) throw new Error("there was a lease");
    void scene.workers.ended([doneOf(work)]);
  }
  await scene.clock.pass(10);
  expect(runOf(scene.rig).state).toMatchObject({ state: "done", output: { size: 3 } });
});
