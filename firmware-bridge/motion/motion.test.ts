import { expect, it } from "vitest";
import { makeHeatWatch } from "./heat-watch.ts";
import { type JobRun, makeJobRun } from "./job-run.ts";

const run = (lines: readonly string[]): JobRun => {
  const jobRun = makeJobRun(250);
  jobRun.program.feed(new TextEncoder().encode(`${lines.join("\n")}\n`));
  jobRun.program.end();
  return jobRun;
};

/** Lines until the run waits; settled as soon as it asks. */
function lines(jobRun: JobRun, isSettled = true): string[] {
  const sent: string[] = [];
  for (let step = 0; step < 1_000; step += 1) {
    const next = jobRun.next(isSettled);
    if (next.kind === "line") sent.push(next.text);
    else if (next.kind !== "settle") return [...sent, `(${next.kind})`];
  }
  throw new Error("it never ends");
}

it("turns M109 and M190 into targets and waits for heat itself (PR2)", () => {
  const job = run(["M109 S200 ; hot", "M190 S60", "G28"]);
  expect(lines(job)).toEqual(["M104 S200", "(wait)"]);
  expect(job.phase()).toBe("heating");
  job.observe({ nozzleC: 150, bedC: 20 });
  expect(lines(job)).toEqual(["(wait)"]);
  job.observe({ nozzleC: 199.5 });
  expect(lines(job)).toEqual(["M140 S60", "(wait)"]);
  job.observe({ bedC: 60 });
  expect(lines(job)).toEqual(["G28", "M400", "M104 S0", "M140 S0", "(over)"]);
});

it("cancels a wait for heat at once, without moving", () => {
  const job = run(["M109 S200", "G28", "G1 X5"]);
  lines(job);
  expect(job.cancel()).toBe(true);
  expect(lines(job)).toEqual(["M107", "M104 S0", "M140 S0", "(over)"]);
  expect(job.cancel()).toBe(false);
});

it("puts back position, extruder, modes and feed after a pause (JR4)", () => {
  const job = run(["G28", "M83", "G1 X5 F1200", "G1 X6"]);
  for (let sent = 0; sent < 3; sent += 1) job.next(false);
  expect(job.pause()).toBe(true);
  expect(lines(job)).toEqual(["M400", "M114", "(wait)"]);
  expect(job.takeChange()).toBe("paused");
  expect(job.resume()).toBe(true);
});

it("parks where it was told it stands, and comes back there", () => {
  const job = run(["G28", "M83", "G1 X5 F1200", "G1 X6"]);
  for (let sent = 0; sent < 3; sent += 1) job.next(false);
  job.pause();
  expect(job.next(true)).toMatchObject({ text: "M400" });
  expect(job.next(true)).toMatchObject({ text: "M114" });
  job.locate({ x: 5, y: 0, z: 0.2, e: 3 });
  expect(lines(job)).toEqual([
    "G90",
    "M83",
    "G1 E-2 F1800",
    "G0 Z5.200 F600",
    "G0 X0 Y0 F6000",
    "M400",
    "(wait)",
  ]);
  expect(job.phase()).toBe("paused");
  job.resume();
  expect(lines(job)).toEqual([
    "G0 X5.000 Y0.000 F6000",
    "G0 Z0.200 F600",
    "G1 E2 F1800",
    "G92 E3.000",
    "G90",
    "M83",
    "G1 F1200",
    "G1 X6",
    "M400",
    "M104 S0",
    "M140 S0",
    "(over)",
  ]);
});

it("sees a broken heater within seconds (HW1), and a healthy one never", () => {
  const watch = makeHeatWatch(0);
  watch.expect("nozzle", 200, 0);
  for (let second = 0; second < 60; second += 1) {
    const nozzleC = 20 + second * 3;
    watch.observe({ nozzleC, nozzleTargetC: 200, nozzleDuty: 127 }, second * 1_000);
    expect(watch.fault(second * 1_000)).toBeUndefined();
  }
  let failedAtS = 0;
  for (let second = 60; failedAtS === 0; second += 1) {
    watch.observe({ nozzleC: 260 - second, nozzleTargetC: 200, nozzleDuty: 127 }, second * 1_000);
    if (watch.fault(second * 1_000) !== undefined) failedAtS = second;
  }
  expect(failedAtS - 60).toBeLessThanOrEqual(15);
});

it("sees a broken bed, too (HW1)", () => {
  const watch = makeHeatWatch(0);
  watch.expect("bed", 60, 0);
  watch.observe({ bedC: 50, bedTargetC: 60, bedDuty: 127, nozzleDuty: 0 }, 0);
  for (let second = 1; second <= 15; second += 1) {
    expect(watch.fault(second * 1_000)).toBeUndefined();
    watch.observe({ bedC: 50 - second, bedTargetC: 60, bedDuty: 127 }, second * 1_000);
  }
  expect(watch.fault(15_000)).toContain("The bed cools down");
});

it("sees a target that the printer did not take (HW2), and silence (HW3)", () => {
  const clamped = makeHeatWatch(0);
  clamped.expect("nozzle", 280, 0);
  for (let second = 0; second <= 6; second += 1) {
    clamped.observe({ nozzleC: 100, nozzleTargetC: 260, nozzleDuty: 90 }, second * 1_000);
  }
  expect(clamped.fault(6_000)).toContain("260 °C instead of 280 °C");
  const silent = makeHeatWatch(0);
  silent.expect("bed", 60, 0);
  expect(silent.fault(9_000)).toBeUndefined();
  expect(silent.fault(11_000)).toContain("No temperature");
});
