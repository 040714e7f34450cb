import { expect, test } from "vitest";
import { compile } from "./compile.ts";
import { advance, start } from "./engine.ts";
import { retryAtMs } from "./retry.ts";

test("pauses double up to their most, and end with the last try", () => {
  const retry = { attempts: 5, delayMs: 100, delayMaxMs: 300 };
  const plan = compile({ nodes: { a: { type: "task", capability: "x", retry } }, edges: [] });
  let { run } = start(plan, "r", {}, 0);
  const pauses: (number | undefined)[] = [];
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const at = retryAtMs(plan, run, "a", 1_000, 0);
    pauses.push(at === undefined ? undefined : at - 1_000);
    const fault = { code: "no", message: "no" };
    const again = at === undefined ? {} : { retryAtMs: at };
    ({ run } = advance(plan, run, { kind: "failed", place: "a", attempt, fault, ...again }, 1_000));
    if (at !== undefined) {
      ({ run } = advance(plan, run, { kind: "timerFired", place: "a", dueMs: at }, at));
    }
  }
  expect(pauses).toEqual([100, 200, 300, 300, undefined]);
  expect(run.state).toBe("failed");
});

test("the draw takes up to half of the pause away; what is not tried again has no time", () => {
  const retry = { attempts: 2, delayMs: 100 };
  const task = { type: "task", capability: "x" };
  const plan = compile({ nodes: { a: { ...task, retry }, b: task }, edges: [] });
  const { run } = start(plan, "r", {}, 0);
  expect(retryAtMs(plan, run, "a", 0, 0.5)).toBe(75);
  expect(retryAtMs(plan, run, "b", 0, 0.5)).toBeUndefined();
  expect(retryAtMs(plan, run, "z", 0, 0.5)).toBeUndefined();
});
