// What becomes of the job that was started on a printer: seen, paused, resumed, over. Decisions are of
// protocols/remote.ts; here they are written down and told.

import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { EndPhase, JobRow } from "../ports.ts";
import type { Outcome, Verdict } from "../protocols/remote.ts";
import { NO_WORK } from "./preparation.ts";
import {
  preparingIn,
  printIn,
  type RemoteContext,
  type RemotePrint,
  sessionIn,
} from "./remote-state.ts";

export interface RemoteWatch {
  /** To be called with each status, and every now and then while the printer is connected. */
  look(): void;
  end(print: RemotePrint, phase: EndPhase, error?: ErrorRecord): void;
  /** The printer cannot be used until a person has looked. */
  goDown(error: ErrorRecord, isStopped: boolean): void;
}

export function makeRemoteWatch(context: RemoteContext): RemoteWatch {
  const { spec, ports, state, book, scope } = context;
  const { clock, log } = ports;

  const rowOf = (print: RemotePrint, phase: JobRow["phase"], error?: ErrorRecord): JobRow => ({
    printer: spec.id,
    job: print.job,
    token: print.token,
    phase,
    progress: phase === "done" ? 1 : print.remote.progress(),
    startedCount: 1,
    isAcknowledged: false,
    remoteFile: print.remote.name,
    ...(error === undefined ? {} : { error }),
  });

  function end(print: RemotePrint, phase: EndPhase, error?: ErrorRecord): void {
    if (print.isEnding) return;
    print.isEnding = true;
    scope.start("end job", async () => {
      const row = rowOf(print, phase, error);
      await book.end(row);
      if (printIn(state) === print) state.work = NO_WORK;
      ports.onJob(row, phase);
      context.tell();
    });
    if (phase !== "interrupted") scope.start("remove", (signal) => remove(print, signal));
  }

  /** A file that stays behind is tried again before the next one comes. */
  async function remove({ job, remote }: RemotePrint, signal: AbortSignal): Promise<void> {
    try {
      const limited = clock.timeout(TIMEOUT.printerAnswerMs, signal);
      await sessionIn(state)?.remove(remote.name, limited);
    } catch (error) {
      log.debug({ job, code: toErrorRecord(error).code }, "its file is still on the printer");
      state.leftovers.push(remote.name);
      if (state.leftovers.length > LIMIT.printerFacts.max) state.leftovers.shift();
    }
  }

  function goDown(error: ErrorRecord, isStopped: boolean): void {
    const print = printIn(state);
    if (print !== undefined) end(print, "failed", error);
    preparingIn(state)?.abort.abort(new GantryError(error.code, error.message));
    state.down = { isStopped, error };
    log.error({ code: error.code, why: error.message }, isStopped ? "stopped" : "fault");
    context.tell();
  }

  function heed(print: RemotePrint, verdict: Verdict): void {
    if (print.isEnding) return;
    switch (verdict.kind) {
      case "wait":
        return;
      case "ask":
        if (!print.isAsking) scope.start("ask", (signal) => ask(print, signal));
        return;
      case "on":
        if (verdict.change !== undefined) ports.onJob(rowOf(print, "started"), verdict.change);
        if (print.remote.isCancelled()) cancelAgain(print);
        return;
      case "over":
        end(print, verdict.phase, verdict.error);
        if (state.status?.activity === "fault") goDown(faultOf(verdict.error), false);
        return;
    }
  }

  async function ask(print: RemotePrint, signal: AbortSignal): Promise<void> {
    const session = sessionIn(state);
    if (session === undefined) return;
    print.isAsking = true;
    try {
      const limited = clock.timeout(TIMEOUT.printerAnswerMs, signal);
      const outcome: Outcome = await session.outcome(print.remote.name, limited);
      log.info({ job: print.job, outcome }, "asked what became of a job");
      if (sessionIn(state) === session) {
        heed(print, print.remote.judgeOutcome(outcome, clock.monotonic()));
      }
    } catch (error) {
      log.warn({ job: print.job, code: toErrorRecord(error).code }, "it could not be asked");
    } finally {
      print.isAsking = false;
    }
  }

  /** The wish of a person: told again until the printer shows that it has ended. */
  function cancelAgain(print: RemotePrint): void {
    if (clock.monotonic() < print.cancelNextMs) return;
    print.cancelNextMs = Infinity; // a macro that takes long is not to run twice
    scope.start("cancel", async (signal) => {
      try {
        await sessionIn(state)?.cancel(clock.timeout(TIMEOUT.printerCommandMs, signal));
      } catch (error) {
        const { code, message } = toErrorRecord(error);
        log.warn({ job: print.job, code, why: message }, "cancel was not answered well");
      }
      print.cancelNextMs = clock.monotonic() + TIMEOUT.printerAnswerMs;
    });
  }

  return {
    look() {
      const print = printIn(state);
      if (print === undefined || state.status === undefined) return;
      heed(print, print.remote.judge(state.status, clock.monotonic()));
    },
    end,
    goDown,
  };
}

const faultOf = (error: ErrorRecord | undefined): ErrorRecord =>
  error ?? { code: "device_fault", message: "The printer has a fault" };
