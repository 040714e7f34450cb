import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Activity, makeRemoteJob, type Outcome, type RemoteStatus } from "./remote.ts";

const OURS = "gantry-j1.gcode";
const at = (activity: Activity, file?: string, more: Partial<RemoteStatus> = {}): RemoteStatus => ({
  activity,
  isSimulated: false,
  ...(file === undefined ? {} : { file }),
  ...more,
});
const { printerSettleMs, printerDoubtMs } = TIMEOUT;

describe("a job on a printer that prints by itself", () => {
  it("is judged by its own file alone (RJ1)", () => {
    const job = makeRemoteJob(OURS, 0);
    expect(job.judge(at("done", "other.gcode"), 1)).toEqual({ kind: "wait" });
    expect(job.judge(at("printing", OURS, { progress: 0.2 }), 2)).toEqual({ kind: "on" });
    expect(job.judge(at("paused", OURS), 3)).toEqual({ kind: "on", change: "paused" });
    expect(job.judge(at("printing", OURS), 4)).toEqual({ kind: "on", change: "resumed" });
    expect(job.progress()).toBe(0.2);
    expect(job.judge(at("done", OURS), 5)).toEqual({ kind: "over", phase: "done" });
  });

  it("is asked after when it does not show, not at once (RJ2), and is a person's then (RJ3)", () => {
    const job = makeRemoteJob(OURS, 1_000);
    expect(job.judge(at("idle"), 1_000 + printerSettleMs - 1)).toEqual({ kind: "wait" });
    expect(job.judge(at("idle"), 1_000 + printerSettleMs)).toEqual({ kind: "ask" });
    expect(job.judgeOutcome("unknown", 50_000)).toMatchObject({
      kind: "over",
      phase: "interrupted",
      error: { code: "interrupted" },
    });
  });

  it("may disappear for a moment after it was seen", () => {
    const job = makeRemoteJob(OURS, 0);
    job.judge(at("printing", OURS), 10);
    expect(job.judge(at("idle"), 10 + printerDoubtMs - 1)).toEqual({ kind: "wait" });
    expect(job.judge(at("printing", OURS), 10 + printerDoubtMs)).toEqual({ kind: "on" });
    expect(job.judge(at("idle"), 10 + 2 * printerDoubtMs)).toEqual({ kind: "ask" });
    expect(job.judgeOutcome("running", 20_000)).toEqual({ kind: "wait" });
    expect(job.judgeOutcome("done", 30_000)).toEqual({ kind: "over", phase: "done" });
  });

  it("that was refused fails, unless the printer shows it all the same (RJ4)", () => {
    const refused = makeRemoteJob(OURS, 0);
    refused.refuse({ code: "device_fault", message: "no" }, 0);
    expect(refused.judge(at("idle"), printerDoubtMs)).toEqual({ kind: "ask" });
    expect(refused.judgeOutcome("unknown", printerDoubtMs)).toEqual({
      kind: "over",
      phase: "failed",
      error: { code: "device_fault", message: "no" },
    });
    const shown = makeRemoteJob(OURS, 0);
    shown.refuse({ code: "device_fault", message: "no" }, 0);
    expect(shown.judge(at("printing", OURS), 1)).toEqual({ kind: "on" });
    expect(shown.judge(at("done", OURS), 2)).toEqual({ kind: "over", phase: "done" });
  });

  it("that a person cancelled and that then failed was cancelled", () => {
    const job = makeRemoteJob(OURS, 0);
    job.judge(at("printing", OURS), 1);
    job.cancel();
    expect(job.judge(at("failed", OURS), 2)).toEqual({ kind: "over", phase: "cancelled" });
  });

  it("fails with the printer's own words when the printer has a fault", () => {
    const job = makeRemoteJob(OURS, 0);
    expect(job.judge(at("fault", undefined, { fault: "old" }), 1)).toEqual({ kind: "wait" });
    job.judge(at("printing", OURS), 2);
    expect(job.judge(at("fault", undefined, { fault: "MCU lost" }), 3)).toMatchObject({
      phase: "failed",
      error: { message: "MCU lost" },
    });
  });

  it("is never over by what is said of other files, and never done without a word of it", () => {
    const activity = fc.constantFrom<Activity[]>(
      ...(["starting", "idle", "heating", "printing", "paused", "finishing", "busy"] as const),
      ...(["done", "failed", "cancelled"] as const),
    );
    const step = fc.record({ activity, isOurs: fc.boolean(), ms: fc.nat(printerSettleMs) });
    const outcome = fc.constantFrom<Outcome[]>("running", "unknown", "failed", "cancelled");
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), outcome, (steps, remembered) => {
        const job = makeRemoteJob(OURS, 0);
        let nowMs = 0;
        let isDoneSaid = false;
        for (const { activity, isOurs, ms } of steps) {
          nowMs += ms;
          isDoneSaid ||= isOurs && activity === "done";
          const verdict = job.judge(at(activity, isOurs ? OURS : "other"), nowMs);
          const last = verdict.kind === "ask" ? job.judgeOutcome(remembered, nowMs) : verdict;
          if (last.kind !== "over") continue;
          return isOurs || verdict.kind === "ask" ? last.phase !== "done" || isDoneSaid : false;
        }
        return true;
      }),
    );
  });
});
