// What a printer that prints by itself says, in words that all kinds share, and what follows from it
// for the job that was started there.
//
// RJ1. The file's name belongs to one job alone; what the printer says of that name, it says of the
//      job, before and after a crash.
// RJ2. A job is over when the printer says so of its file, or remembers so. Where it shows another
//      file or none, it is asked, after a while: a start takes time to show, and a status may lag.
// RJ3. Where the printer cannot say what became of the job, it is `interrupted`: a person decides.
// RJ4. A start that was refused may have been carried out all the same: what the printer shows wins.

import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Printer, Temperatures } from "@gantry/shared/contract/bridge.ts";

export type Activity =
  | "starting"
  | "idle"
  | "heating"
  | "printing"
  | "paused"
  | "finishing"
  /** Moving or calibrating, without a file. */
  | "busy"
  | "done"
  | "failed"
  | "cancelled"
  /** It can do nothing until somebody has looked. */
  | "fault";

export interface RemoteStatus {
  readonly activity: Activity;
  /** The file that it works on, or worked on last. */
  readonly file?: string;
  /** 0..1 */
  readonly progress?: number;
  readonly remainingS?: number;
  readonly temperatures?: Temperatures;
  /** Why it is in `fault`, or why the last job failed. */
  readonly fault?: string;
  readonly firmware?: string;
  /** It says of itself that it is test equipment. */
  readonly isSimulated: boolean;
  readonly sizeMm?: Printer["sizeMm"];
  readonly notices?: Printer["notices"];
  readonly power?: Printer["power"];
  readonly webcamUrl?: string;
  readonly materials?: Printer["materials"];
}

export type Outcome = "done" | "failed" | "cancelled" | "running" | "unknown";

export type EndOfJob = "done" | "failed" | "cancelled" | "interrupted";

export type Verdict =
  | { readonly kind: "wait" }
  | { readonly kind: "on"; readonly change?: "paused" | "resumed" }
  /** The printer is to be asked what became of the file. */
  | { readonly kind: "ask" }
  | { readonly kind: "over"; readonly phase: EndOfJob; readonly error?: ErrorRecord };

export interface RemoteJob {
  readonly name: string;
  isSeen(): boolean;
  isPaused(): boolean;
  /** The most that was seen, 0..1. */
  progress(): number;
  /** A person wants it to end. */
  cancel(): void;
  isCancelled(): boolean;
  /** RJ4 */
  refuse(error: ErrorRecord, nowMs: number): void;
  judge(status: RemoteStatus, nowMs: number): Verdict;
  /** Of what the printer remembered when it was asked. */
  judgeOutcome(outcome: Outcome, nowMs: number): Verdict;
}

const WAIT = { kind: "wait" } as const;
/** It moves or heats for a file. */
export const WORKING: ReadonlySet<Activity> = new Set([
  "heating",
  "printing",
  "paused",
  "finishing",
]);

/** `nowMs`: when the start was sent, or when it was found in the journal. */
export function makeRemoteJob(name: string, nowMs: number): RemoteJob {
  let isSeen = false;
  let isPaused = false;
  let isCancelled = false;
  let progress = 0;
  let askAtMs = nowMs + TIMEOUT.printerSettleMs;
  let refusal: ErrorRecord | undefined;

  function over(phase: EndOfJob, fault: string | undefined): Verdict {
    if (phase === "failed" && isCancelled && fault === undefined) {
      return { kind: "over", phase: "cancelled" };
    }
    const error = errorOf(phase, fault, refusal);
    return { kind: "over", phase, ...(error === undefined ? {} : { error }) };
  }

  function goOn(status: RemoteStatus, nowMs: number): Verdict {
    const wasPaused = isPaused;
    isSeen = true;
    isPaused = status.activity === "paused";
    progress = Math.max(progress, status.progress ?? 0);
    askAtMs = nowMs + TIMEOUT.printerDoubtMs;
    if (wasPaused === isPaused) return { kind: "on" };
    return { kind: "on", change: isPaused ? "paused" : "resumed" };
  }

  return {
    name,
    isSeen: () => isSeen,
    isPaused: () => isPaused,
    progress: () => progress,
    cancel() {
      isCancelled = true;
    },
    isCancelled: () => isCancelled,
    refuse(error, nowMs) {
      refusal = error;
      askAtMs = Math.min(askAtMs, nowMs + TIMEOUT.printerDoubtMs);
    },
    judge(status, nowMs) {
      const { activity, fault } = status;
      if (status.file === name) {
        if (activity === "done" || activity === "failed" || activity === "cancelled") {
          return over(activity, fault); // RJ1
        }
        if (WORKING.has(activity)) return goOn(status, nowMs);
      }
      if (activity === "fault" && (isSeen || status.file === name))
        return over("failed", fault ?? "The printer has a fault");
      return nowMs >= askAtMs ? { kind: "ask" } : WAIT; // RJ2
    },
    judgeOutcome(outcome, nowMs) {
      askAtMs = nowMs + TIMEOUT.printerDoubtMs;
      if (outcome === "running") return WAIT;
      if (outcome !== "unknown") return over(outcome, undefined);
      return refusal === undefined ? over("interrupted", undefined) : over("failed", undefined); // RJ3
    },
  };
}

function errorOf(
  phase: EndOfJob,
  fault: string | undefined,
  refusal: ErrorRecord | undefined,
): ErrorRecord | undefined {
  if (phase === "done" || phase === "cancelled") return undefined;
  if (phase === "interrupted") return { code: "interrupted", message: NOBODY_KNOWS };
  if (fault !== undefined) return { code: "device_fault", message: fault };
  return refusal ?? { code: "device_fault", message: "The printer says that the print failed" };
}

const NOBODY_KNOWS = "The printer cannot say what became of the job; look at it, then decide";
