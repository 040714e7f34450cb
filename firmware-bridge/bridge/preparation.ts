// From the order to start a job to its first byte.
//
//   refused | admitted -> checked -> started | ended without a byte
//
// Hash and scan take a second for each 4 to 5 MB, longer than an asker may wait for a big file, so
// the order is answered before them (DR6). DR4: after each await everything is looked at again.

import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { EndPhase, JobFile, JobRow, OrderOf } from "../ports.ts";
import { makeActiveJob } from "./active-job.ts";
import { type DriverContext, NO_WORK, type Preparing, requireOnline } from "./driver-state.ts";
import type { LinePump } from "./line-pump.ts";
import { type Cleared, preflight } from "./preflight.ts";
import { sizeMmOf } from "./printer-view.ts";

type StartOrder = OrderOf<"start">;

/**
 * Resolves when the order is journalled, with a note if it is a repeat. Rejects with stale_token,
 * conflict, device_offline, device_fault, not_found, io_error or the reason of an abort.
 */
export type StartJob = (order: StartOrder) => Promise<string | undefined>;

export function makeStartJob(context: DriverContext, pump: LinePump): StartJob {
  const { spec, ports, state, book, scope } = context;

  async function start(order: StartOrder): Promise<string | undefined> {
    const { job, token } = order;
    book.assertFresh(token);
    const { work } = state;
    if (work.kind === "preparing" && work.job === job) return repeat(work, token);
    const known = book.find(job);
    if (known !== undefined) return recall(known, token);
    if (work.kind === "preparing") throw new GantryError("conflict", `It checks ${work.job}`);
    if (work.kind === "printing") {
      throw new GantryError("conflict", `It works on ${work.active.job}`);
    }
    requireOnline(state, spec.id);
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
    if (work.kind === "printing" && work.active.job === known.job) {
      work.active.token = Math.max(work.active.token, token);
    }
    return book.recall(known, token);
  }

  /** DR6 */
  async function admit(order: StartOrder, signal: AbortSignal): Promise<JobFile> {
    const file = await ports.openJobFile(order.path);
    try {
      signal.throwIfAborted();
      book.assertFresh(order.token);
      requireOnline(state, spec.id);
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
      const limits = { ...spec, sizeMm: sizeMmOf(spec, state) };
      const cleared = await preflight(file, order, limits, signal);
      signal.throwIfAborted();
      book.assertFresh(preparing.token);
      requireOnline(state, spec.id);
      const row = await book.start(preparing.job, preparing.token); // DR1
      signal.throwIfAborted();
      requireOnline(state, spec.id);
      begin(preparing, file, cleared, row);
    } catch (error) {
      await giveUp(preparing, toErrorRecord(error));
      await file.close();
    }
  }

  function begin(preparing: Preparing, file: JobFile, cleared: Cleared, row: JobRow): void {
    const online = requireOnline(state, spec.id);
    const { job, token } = preparing;
    const heightMm = sizeMmOf(spec, state).z;
    const tagBase = online.link.ackedTag();
    const nowMs = ports.clock.monotonic();
    const active = makeActiveJob({ job, token, file, cleared, heightMm, tagBase, nowMs });
    state.work = { kind: "printing", active };
    state.mayBeHot = true;
    ports.onJob(row, "started");
    pump.pump(online);
    context.tell();
  }

  /** Not a byte was sent: the bed stays clear. */
  async function giveUp({ job, token }: Preparing, error: ErrorRecord): Promise<void> {
    const phase = endOf(error);
    const row: JobRow = {
      printer: spec.id,
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
    ports.onJob(row, phase);
    context.tell();
  }

  return start;
}

function endOf({ code }: ErrorRecord): EndPhase {
  return code === "cancelled" || code === "interrupted" ? code : "failed";
}
