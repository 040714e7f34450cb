import { describe, expect, it } from "vitest";
import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RegistryOp } from "@gantry/shared/contract/registry-ops.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import type { Exchange, Outcome } from "./registry-exchange.ts";
import type { RegistryLink } from "./registry-link.ts";
import { makeQueues, type Queues } from "./registry-queues.ts";

type OpOf<T extends RegistryOp["op"]> = Extract<RegistryOp, { op: T }>;

interface Scene {
  readonly queues: Queues;
  readonly ops: readonly RegistryOp[];
  /** What a hub says to ends; left out: yes. */
  answer: (op: RegistryOp) => Outcome;
  /** Its stream is open. */
  readonly opened: Promise<number>;
}

const fault = (code: ErrorCode): Outcome => ({ fault: new GantryError(code, code), sent: 1 });

/** `slept`: every pause, which then takes no time. */
function makeScene(slept?: number[]): Scene {
  const ops: RegistryOp[] = [];
  const opened = Promise.withResolvers<number>();
  const exchange: Pick<Exchange, "call"> = {
    async call(op, { onOpen } = {}) {
      ops.push(op);
      const outcome = scene.answer(op);
      if (op.op !== "work" || "fault" in outcome) return outcome;
      onOpen?.(ops.length, {} as RegistryLink); // only compared
      opened.resolve(ops.length);
      return outcome;
    },
  };
  const scene: Scene = {
    queues: makeQueues({
      exchange: () => exchange as Exchange, // all that queues use of it
      write: async () => ({ jobs: [] }),
      clock:
        slept === undefined
          ? systemClock
          : { ...systemClock, sleep: (ms) => Promise.resolve(void slept.push(ms)) },
      random: () => 0,
      log: silentLogger,
    }),
    ops,
    answer: () => ({ value: {} }),
    opened: opened.promise,
  };
  return scene;
}

const leased = (
  count: number,
): { job: string; token: number; data: null; attempt: 1; timeoutMs: 1 }[] =>
  Array.from({ length: count }, (_, place) => ({
    job: `job_${place}`,
    token: 1,
    data: null,
    attempt: 1,
    timeoutMs: 1,
  }));

/** Works on so many jobs at once, and gives the calls that told of their ends. */
async function endsOf(
  scene: Scene,
  count: number,
  handle: (place: number) => unknown,
): Promise<readonly (OpOf<"finish"> | OpOf<"fail">)[]> {
  const stop = new AbortController();
  let place = 0;
  const working = scene.queues.work("q", { credit: 500, signal: stop.signal }, () => {
    place += 1;
    return handle(place - 1);
  });
  const id = await scene.opened;
  scene.queues.take({ type: "registryWork", id, jobs: leased(count) });
  stop.abort(new GantryError("stopping", "the test is over"));
  await working;
  return scene.ops.filter((op) => op.op === "finish" || op.op === "fail");
}

describe("ends of work", () => {
  it("are sent less and less often to hubs that have no leader, and still arrive", async () => {
    const slept: number[] = [];
    const scene = makeScene(slept);
    scene.answer = (op) =>
      op.op === "finish" && slept.length < 10 ? fault("no_leader") : { value: {} };
    expect(await endsOf(scene, 1, () => "done")).toHaveLength(11);
    expect(slept).toEqual([20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000, 1_000]);
  });

  it("go in calls that a frame holds, however long results are", async () => {
    const ends = await endsOf(makeScene(), 100, () => "x".repeat(30_000));
    expect(ends.flatMap((op) => op.ends)).toHaveLength(100);
    for (const op of ends) expect(JSON.stringify(op).length).toBeLessThan(400_000);
  });

  it("of a result that no hub would take are failures for good", async () => {
    const long = "x".repeat(LIMIT.bodyBytes.max + 1);
    const ends = await endsOf(makeScene(), 2, (place) => (place === 0 ? long : "short"));
    expect(ends).toHaveLength(2);
    expect(ends).toContainEqual({
      op: "finish",
      ends: [{ job: "job_1", token: 1, result: "short" }],
    });
    expect(ends).toContainEqual({
      op: "fail",
      ends: [expect.objectContaining({ job: "job_0", isFinal: true })],
    });
  });

  it("that no hub will ever take are not sent for ever; those that wait for a leader are", async () => {
    for (const code of ["too_large", "forbidden", "internal"] as const) {
      const scene = makeScene();
      scene.answer = (op) => (op.op === "finish" ? fault(code) : { value: {} });
      expect(await endsOf(scene, 1, () => "done")).toHaveLength(1);
    }
    const scene = makeScene();
    let refusals = 0;
    scene.answer = (op) => {
      if (op.op !== "finish" || refusals === 2) return { value: {} };
      refusals += 1;
      return fault("no_leader");
    };
    expect(await endsOf(scene, 1, () => "done")).toHaveLength(3);
  });

  it("tell of long faults as much as a hub reads, whoever made them", async () => {
    const ends = await endsOf(makeScene(), 1, () => {
      throw new GantryError("command_failed", "x".repeat(5_000));
    });
    const [first] = ends.flatMap((op) => op.ends);
    expect(first).toMatchObject({ error: { code: "command_failed", message: "x".repeat(500) } });
  });
});

it("a stream is not asked for again when the client is closed", async () => {
  const scene = makeScene();
  scene.answer = () => fault("stopping");
  const { signal } = new AbortController();
  await scene.queues.work("q", { credit: 1, signal }, () => undefined);
  expect(scene.ops).toHaveLength(1);
});
