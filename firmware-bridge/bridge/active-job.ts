// The job that a printer works on: its file, its run, its watch, its end. No cable in here.
//
// AJ1. A chunk of the file is read ahead while lines are left; at most one read is out.
// AJ2. Once something is wrong, the run is cancelled and the job will end as `failed` with the first
//      reason, not as `cancelled`.

import { type ErrorRecord, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { type HeatWatch, makeHeatWatch } from "../motion/heat-watch.ts";
import { type JobRun, makeJobRun } from "../motion/job-run.ts";
import type { JobFile } from "../ports.ts";
import { CHUNK_BYTES, type Cleared, readChunk } from "./preflight.ts";

export interface ActiveJob {
  readonly job: string;
  readonly run: JobRun;
  readonly cleared: Cleared;
  readonly watch: HeatWatch;
  /** Tags of its lines are offsets in the file plus this. */
  readonly tagBase: number;
  token: number;
  /** What the slicer says is left (M73 R), as of the last line of that kind. */
  slicerLeftS: number | undefined;
  failure: ErrorRecord | undefined;
  /** True from the moment its end is being written down. */
  isEnding: boolean;
  /** Heater targets by the number of the line that carries them, until that line is answered. */
  readonly targets: { number: number; heater: "nozzle" | "bed"; targetC: number }[];
  progress(ackedTag: number): number;
  /** AJ1. `onRead` is called when there are new lines, or the failure is set. */
  refill(onRead: () => void): void;
  /** AJ2 */
  fail(error: ErrorRecord): void;
  close(): Promise<void>;
}

export interface ActiveJobInput {
  readonly job: string;
  readonly token: number;
  readonly file: JobFile;
  readonly cleared: Cleared;
  readonly heightMm: number;
  readonly tagBase: number;
  readonly nowMs: number;
}

export function makeActiveJob(input: ActiveJobInput): ActiveJob {
  const { job, token, file, cleared, tagBase } = input;
  const run = makeJobRun(input.heightMm);
  let offset = 0;
  let reading: Promise<void> | undefined;

  async function readAhead(): Promise<void> {
    try {
      run.program.feed(await readChunk(file, cleared, offset));
      offset += CHUNK_BYTES;
      if (offset >= file.sizeBytes) run.program.end();
    } catch (error) {
      active.fail(toErrorRecord(error));
    }
  }

  const active: ActiveJob = {
    job,
    run,
    cleared,
    tagBase,
    watch: makeHeatWatch(input.nowMs),
    token,
    slicerLeftS: undefined,
    failure: undefined,
    isEnding: false,
    targets: [],
    progress: (ackedTag) =>
      Math.min(1, Math.max(0, (ackedTag - tagBase) / Math.max(1, file.sizeBytes))),
    refill(onRead) {
      if (reading !== undefined || !run.program.isHungry() || active.failure !== undefined) return;
      reading = readAhead().finally(() => {
        reading = undefined;
        onRead();
      });
    },
    fail(error) {
      active.failure ??= error;
      run.cancel();
    },
    async close() {
      await reading;
      await file.close();
    },
  };
  return active;
}

/** The seconds that `M73 P12 R34` says are left. */
export function slicerLeftOf(text: string): number | undefined {
  const found = /^M73\b.*\bR(\d{1,6})(?:\s|$)/.exec(text);
  return found === null ? undefined : Number(found[1]) * 60;
}

/** The heater and target that a sent line sets on the first tool or the bed. */
export function targetOf(text: string): { heater: "nozzle" | "bed"; targetC: number } | undefined {
  const found = /^M(104|140) S(\d+(?:\.\d+)?)(?: T0)?$/.exec(text);
  if (found === null) return undefined;
  return { heater: found[1] === "104" ? "nozzle" : "bed", targetC: Number(found[2]) };
}
