// From the order to start a job to the moment it starts, the same for every kind of printer.
//
//   refused | admitted -> checked -> delivered -> started | ended without a byte
//
// Hash and scan take a second for each 4 to 5 MB, longer than an asker may wait for a big file, so
// the order is answered before them (DR6). DR4: after each await everything is looked at again.

import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { JobPhase } from "@gantry/shared/contract/bridge.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { GcodeLimits } from "@gantry/shared/gcode/scan.ts";
import type { EndPhase, JobFile, JobRow, OpenJobFile, OrderOf } from "../ports.ts";
import type { JobBook } from "./job-book.ts";
import { type Cleared, preflight } from "./preflight.ts";

export type StartOrder = OrderOf<"start">;

/** An order that is being checked; nothing of it was started. */
export interface Preparing {
  readonly kind: "preparing";
  readonly job: string;
  token: number;
  readonly abort: AbortController;
  /** Settles when the order is journalled, or refused. */
  readonly admitted: Promise<unknown>;
}

export type Work<P> = { readonly kind: "none" } | Preparing | P;

export const NO_WORK = { kind: "none" } as const;

/** What the preparation asks of the driver whose job it is. `P`: its work once it prints. */
export interface Stage<P extends { readonly kind: "printing" }> {
  readonly printer: string;
  readonly state: { work: Work<P> };
  readonly book: JobBook;
  readonly scope: Scope;
  readonly openJobFile: OpenJobFile;
  jobOf(printing: P): { readonly job: string; token: number };
  /** Throws device_fault, device_offline or conflict. */
  requireReady(): void;
  limits(): GcodeLimits;
  /** Brings the checked file to the printer; gives the name it has there, if it has one. */
  deliver(
    order: StartOrder,
    file: JobFile,
    cleared: Cleared,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /** `row` is on the disk: the job may start. Sets the work; owns the file from now on. */
  begin(preparing: Preparing, file: JobFile, cleared: Cleared, row: JobRow): void;
  onJob(row: JobRow, phase: JobPhase): void;
  tell(): void;
}

/**
 * Resolves when the order is journalled, with a note if it is a repeat. Rejects with stale_token,
 * conflict, device_offline, device_fault, not_found, io_error or the reason of an abort.
 */
export type StartJob = (order: StartOrder) => Promise<string | undefined>;

export function makeStartJob<P extends { readonly kind: "printing" }>(stage: Stage<P>): StartJob {
  const { state, book, scope } = stage;

  async function start(order: StartOrder): Promise<string | undefined> {
    const { job, token } = order;
    book.assertFresh(token);
    const { work } = state;
    if (work.kind === "preparing" && work.job === job) return repeat(work, token);
    const known = book.find(job);
    if (known !== undefined) return recall(known, token);
    if (work.kind === "preparing") throw new GantryError("conflict", `It checks ${work.job}`);
    if (work.kind === "printing") {
      throw new GantryError("conflict", `It works on ${stage.jobOf(work).job}`);
    }
    stage.requireReady();
    const abort = new AbortController();
    const admitted = admit(order, abort.signal);
    const preparing: Preparing = { kind: "preparing", job, token, abort, admitted };
    state.work = preparing;
    try {
      const file = await admitted;
      scope.start("prepare", (signal) => prepare(preparing, order, file, signal));
      return undefined;
    } catch (error) {
      state.work = NO_WORK;
      throw error;
    }
  }

  async function repeat(preparing: Preparing, token: number): Promise<string> {
    await preparing.admitted;
    preparing.token = Math.max(preparing.token, token);
    const known = book.find(preparing.job);
    if (known === undefined) throw new GantryError("not_found", `${preparing.job} is forgotten`);
    return recall(known, token);
  }

  function recall(known: JobRow, token: number): Promise<string> {
    const { work } = state;
    if (work.kind === "printing") {
      const active = stage.jobOf(work);
      if (active.job === known.job) active.token = Math.max(active.token, token);
    }
    return book.recall(known, token);
  }

  /** DR6 */
  async function admit(order: StartOrder, signal: AbortSignal): Promise<JobFile> {
    const file = await stage.openJobFile(order.path);
    try {
      signal.throwIfAborted();
      book.assertFresh(order.token);
      stage.requireReady();
      await book.raise(order.token);
      await book.prepare(order.job, order.token);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async function prepare(
    preparing: Preparing,
    order: StartOrder,
    file: JobFile,
    stopping: AbortSignal,
  ): Promise<void> {
    try {
      const signal = AbortSignal.any([preparing.abort.signal, stopping]);
      const cleared = await preflight(file, order, stage.limits(), signal);
      signal.throwIfAborted();
      const remoteFile = await stage.deliver(order, file, cleared, signal);
      signal.throwIfAborted();
      book.assertFresh(preparing.token);
      stage.requireReady();
      const row = await book.start(preparing.job, preparing.token, remoteFile); // DR1
      signal.throwIfAborted();
      stage.requireReady();
      stage.begin(preparing, file, cleared, row);
    } catch (error) {
      await giveUp(preparing, toErrorRecord(error));
      await file.close();
    }
  }

  /** Nothing was started: the bed stays clear. */
  async function giveUp({ job, token }: Preparing, error: ErrorRecord): Promise<void> {
    const phase = endOf(error);
    const row: JobRow = {
      printer: stage.printer,
      job,
      token,
      phase,
      progress: 0,
      startedCount: 0,
      isAcknowledged: false,
      ...(phase === "cancelled" ? {} : { error }),
    };
    await book.end(row);
    state.work = NO_WORK;
    stage.onJob(row, phase);
    stage.tell();
  }

  return start;
}

function endOf({ code }: ErrorRecord): EndPhase {
  return code === "cancelled" || code === "interrupted" ? code : "failed";
}
