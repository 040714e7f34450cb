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
