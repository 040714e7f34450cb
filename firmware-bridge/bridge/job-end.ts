// How work on a printer ends: on record first, then told; and how a printer goes down.

import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import type { EndPhase, JobRow } from "../ports.ts";
import type { ActiveJob } from "./active-job.ts";
import { activeIn, type DriverContext, onlineIn, preparingIn } from "./driver-state.ts";
import { NO_WORK } from "./preparation.ts";

export interface JobEnd {
  /** Only the first end of a job counts. */
  end(job: ActiveJob, phase: EndPhase, error?: ErrorRecord): void;
  /** The printer cannot be used until a person has looked. */
  goDown(error: ErrorRecord, isStopped: boolean, phase: EndPhase): void;
}

export function makeJobEnd(context: DriverContext): JobEnd {
  const { spec, ports, state, book, scope } = context;

  async function settle(job: ActiveJob, row: JobRow, phase: EndPhase): Promise<void> {
    await book.end(row);
    if (activeIn(state) === job) state.work = NO_WORK;
    ports.onJob(row, phase);
    context.tell();
    await job.close();
  }

  function end(job: ActiveJob, phase: EndPhase, error?: ErrorRecord): void {
    if (job.isEnding) return;
    job.isEnding = true;
    const ackedTag = onlineIn(state)?.link.ackedTag() ?? job.tagBase;
    const row: JobRow = {
      printer: spec.id,
      job: job.job,
      token: job.token,
      phase,
      progress: phase === "done" ? 1 : job.progress(ackedTag),
      startedCount: 1,
      isAcknowledged: false,
      ...(error === undefined ? {} : { error }),
    };
    scope.start("end job", () => settle(job, row, phase));
  }

  return {
    end,
    goDown(error, isStopped, phase) {
      const active = activeIn(state);
      if (active !== undefined) end(active, phase, error);
      preparingIn(state)?.abort.abort(new GantryError(error.code, error.message));
      state.cable = { kind: "down", isStopped, error };
      const fact = { code: error.code, why: error.message };
      ports.log.error(fact, isStopped ? "stopped" : "fault");
      context.tell();
    },
  };
}
