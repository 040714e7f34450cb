import { expect, it } from "vitest";
import { RECONNECT } from "../base/policy.ts";
import type { Clock } from "./clock.ts";
import { CALM_MS, supervise } from "./supervise.ts";

/** Sleeps pass at once. */
function rig() {
  let nowMs = 0;
  const pauses: number[] = [];
  const stop = new AbortController();
  const clock: Pick<Clock, "monotonic" | "sleep"> = {
    monotonic: () => nowMs,
    sleep: async (ms) => void (nowMs += ms),
  };
  return {
    pauses,
    stop,
    pass: (ms: number) => void (nowMs += ms),
    options: {
      signal: stop.signal,
      clock: clock as Clock,
      random: () => 0,
      onFault: (_: unknown, pauseMs: number) => void pauses.push(pauseMs),
    },
  };
}

it("begins again what failed, less and less often, and tells the failed run that it is over (SU1)", async () => {
  const { options, pauses } = rig();
  const runs: AbortSignal[] = [];
  await supervise(async (signal) => {
    expect(runs.every(({ aborted }) => aborted)).toBe(true);
    runs.push(signal);
    if (runs.length <= 10) throw new Error(`failure ${runs.length}`);
  }, options);
  expect(runs).toHaveLength(11);
  expect(runs.at(-1)?.aborted).toBe(false);
  expect(pauses.slice(0, 3)).toEqual([50, 100, 200]);
  expect(Math.max(...pauses)).toBe(RECONNECT.maxMs);
});

it("counts anew after a run that held (SU2)", async () => {
  const { options, pauses, pass } = rig();
  let runs = 0;
  await supervise(async () => {
    runs += 1;
    if (runs === 4) pass(CALM_MS);
    if (runs < 6) throw new Error("again");
  }, options);
  expect(pauses).toEqual([50, 100, 200, 50, 100]);
});

it("ends with its signal, and then nothing is a fault", async () => {
  const { options, pauses, stop } = rig();
  await supervise(async (signal) => {
    stop.abort(new Error("the reign is over"));
    signal.throwIfAborted();
  }, options);
  expect(pauses).toEqual([]);
});
