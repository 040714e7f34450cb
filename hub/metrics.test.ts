import { expect, it } from "vitest";
import { makeFeed } from "./feed/feed.ts";
import { countEvents, exposeGauges, makeMetrics } from "./metrics.ts";

const NEVER = new AbortController().signal;

const event = (id: number, type: "print.changed" | "job.changed", state: string) => ({
  id,
  type,
  atMs: 0,
  subject: "x",
  data: { state },
});

it("[M73] counts prints and jobs once, when they end", async () => {
  const metrics = makeMetrics();
  const feed = makeFeed();
  countEvents(metrics, feed, NEVER);
  feed.publish([event(1, "print.changed", "ready"), event(2, "print.changed", "printing")]);
  feed.publish([event(3, "print.changed", "done"), event(4, "job.changed", "failed")]);
  const text = await metrics.registry.metrics();
  expect(text).toContain('gantry_prints_total{result="done"} 1');
  expect(text).toContain('gantry_jobs_total{result="failed"} 1');
  expect(text).not.toContain('result="printing"');
});

it("reads a gauge when somebody asks, not before", async () => {
  const metrics = makeMetrics();
  let reads = 0;
  exposeGauges(metrics, { gauges: { gantry_test: { help: "A test", read: () => (reads += 1) } } });
  expect(reads).toBe(0);
  expect(await metrics.registry.metrics()).toContain("gantry_test 1");
});

it("[K102] has the time and the end of tasks by service", async () => {
  const metrics = makeMetrics();
  const feed = makeFeed();
  countEvents(metrics, feed, NEVER);
  const lease = { node: "n", bootId: "b", token: 1, atMs: 1_000 };
  const job = (kind: string, state: string, changedAtMs: number, id: number) => ({
    ...event(id, "job.changed", state),
    data: { kind, state, changedAtMs, lease },
  });
  feed.publish([job("cad", "leased", 1_000, 1), job("cad", "failed", 121_000, 2)]);
  feed.publish([job("command", "done", 1_400, 3)]);
  const print = { state: "done", startedAtMs: 0, changedAtMs: 7_200_000 };
  feed.publish([{ ...event(4, "print.changed", "done"), data: print }]);
  const text = await metrics.registry.metrics();
  expect(text).toContain('task_execution_status{service="cad",status="failed"} 1');
  expect(text).toContain('task_execution_status{service="fabrication",status="done"} 1');
  expect(text).not.toContain('status="leased"');
  expect(text).toContain('task_execution_duration_seconds_sum{service="cad"} 120');
  expect(text).toContain('task_execution_duration_seconds_sum{service="command"} 0.4');
  expect(text).toContain('task_execution_duration_seconds_sum{service="fabrication"} 7200');
});
