// Queued work. At least once delivered, each effect once: a job that must not be repeated (`once`)
// and whose holder vanished becomes `unknown` and waits for a person.
//
// Q1. Each class is bounded; a job over the bound is refused with `busy`.
// Q2. A result counts only with the token of the job's present lease.
// Q3. After the last attempt the job is dead: kept, listed, and requeued or dropped by a person.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { JobClass, JobRow } from "@gantry/shared/contract/rows.ts";
import { appendOrder, checkNew, type Context, rowOf } from "../context.ts";
import { checkDraft, closeConfirmation, openConfirmation } from "./confirmation-rows.ts";
import { changeJob, countOpen, endJob, leaveDead } from "./job-rows.ts";

const QUEUE_MAX: Readonly<Record<JobClass, number>> = {
  high: LIMIT.highJobs.max,
  normal: LIMIT.normalJobs.max,
  low: LIMIT.lowJobs.max,
};

export function jobAdded(context: Context, command: CommandOf<"jobAdded">): unknown {
  const { rows } = context;
  const { job: id, confirmation, conversation, atMs, actor } = command;
  checkNew(context, "job", id, "job");
  checkRoom(context, command.class);
  checkDraft(context, command);
  const { kind, effect, needs, input, attemptsMax, timeoutMs } = command;
  const row: JobRow = {
    id,
    kind,
    class: command.class,
    effect,
    state: confirmation === undefined ? "ready" : "awaiting",
    needs,
    input,
    by: actor,
    createdAtMs: atMs,
    changedAtMs: atMs,
    attempts: 0,
    attemptsMax,
    notBeforeMs: atMs,
    timeoutMs,
    isDead: false,
    ...(confirmation === undefined ? {} : { confirmation: confirmation.id }),
  };
  rows.put("job", id, row);
  countOpen(context, command.class, 1);
  appendOrder(context, "jobs", id);
  context.audit("job.added", id, { kind, needs });
  context.emit("job.changed", id, row);
  if (confirmation !== undefined) {
    const action = { type: "command" as const, job: id, command: needs };
    openConfirmation(context, confirmation, action, actor, conversation);
  }
  return { job: id, state: row.state };
}

/** Q1. */
function checkRoom({ rows }: Context, jobClass: JobClass): void {
  const open = rows.get("count", `open/${jobClass}`) ?? 0;
  if (open < QUEUE_MAX[jobClass]) return;
  const message = `The ${jobClass} queue holds ${open} jobs, which is its bound`;
  throw new GantryError("busy", message, { details: { retryAfterS: 5 } });
}

export function jobLeased(context: Context, command: CommandOf<"jobLeased">): unknown {
  const row = rowOf(context, "job", command.job, "job");
  if (row.state !== "ready" || row.notBeforeMs > context.nowMs) {
    throw new GantryError("conflict", `The job is ${row.state} and cannot be leased now`);
  }
  const { node, bootId, atMs } = command;
  const lease = { node, bootId, token: context.position, atMs };
  changeJob(context, row, { state: "leased", lease, attempts: row.attempts + 1 });
  return { job: row.id, token: lease.token };
}

/** The job, if `token` is its present lease (Q2); undefined if it ended with this very token. */
function leased(context: Context, id: string, token: number): JobRow | undefined {
  const row = rowOf(context, "job", id, "job");
  if (row.lease?.token === token) return row.state === "leased" ? row : undefined;
  throw new GantryError("stale_token", `Token ${token} is not the lease of ${id}`);
}

export function jobFinished(context: Context, command: CommandOf<"jobFinished">): unknown {
  const row = leased(context, command.job, command.token);
  if (row === undefined) return { job: command.job };
  context.audit("job.done", row.id, { needs: row.needs });
  return endJob(context, row, { state: "done", result: command.result });
}

export function jobFailed(context: Context, command: CommandOf<"jobFailed">): unknown {
  const row = leased(context, command.job, command.token);
  if (row === undefined) return { job: command.job };
  const { error, retryAtMs } = command;
  if (retryAtMs !== undefined && row.attempts < row.attemptsMax) {
    return changeJob(context, row, { state: "ready", notBeforeMs: retryAtMs, error });
  }
  context.audit("job.dead", row.id, { needs: row.needs, code: error.code });
  return endJob(context, row, { state: "failed", error, isDead: true }); // Q3
}

export function jobLeaseLost(context: Context, command: CommandOf<"jobLeaseLost">): unknown {
  const row = leased(context, command.job, command.token);
  if (row === undefined) return { job: command.job };
  const error = { code: "interrupted" as const, message: "The node that had it went away" };
  if (row.effect === "once") {
    context.audit("job.unknown", row.id, { needs: row.needs });
    return endJob(context, row, { state: "unknown", error, isDead: true });
  }
  if (row.attempts >= row.attemptsMax)
    return endJob(context, row, { state: "failed", error, isDead: true });
  return changeJob(context, row, { state: "ready", notBeforeMs: command.retryAtMs, error });
}

export function jobCancelled(context: Context, command: CommandOf<"jobCancelled">): unknown {
  const row = rowOf(context, "job", command.job, "job");
  if (row.state === "cancelled") return { job: row.id };
  if (!["awaiting", "ready", "leased"].includes(row.state)) {
    throw new GantryError("conflict", `The job is ${row.state} already`);
  }
  closeConfirmation(context, row.confirmation);
  context.audit("job.cancelled", row.id);
  return endJob(context, row, { state: "cancelled" });
}

export function jobRequeued(context: Context, command: CommandOf<"jobRequeued">): unknown {
  const row = deadJob(context, command.job);
  checkRoom(context, row.class);
  context.audit("job.requeued", row.id);
  const { error: _e, lease: _l, ...rest } = row;
  const again: JobRow = {
    ...rest,
    state: "ready",
    attempts: 0,
    isDead: false,
    notBeforeMs: command.atMs,
    changedAtMs: command.atMs,
  };
  leaveDead(context, row.id);
  context.rows.remove("job", row.id); // W2: it was cold
  context.rows.put("job", row.id, again);
  countOpen(context, row.class, 1);
  context.emit("job.changed", row.id, again);
  return { job: row.id, state: again.state };
}

export function jobDropped(context: Context, command: CommandOf<"jobDropped">): unknown {
  const row = deadJob(context, command.job);
  leaveDead(context, row.id);
  context.rows.cool("job", row.id, { ...row, isDead: false });
  context.audit("job.dropped", row.id);
  return { job: row.id };
}

function deadJob(context: Context, id: string): JobRow {
  const row = rowOf(context, "job", id, "job");
  if (!row.isDead) throw new GantryError("conflict", `The job is ${row.state}, not dead`);
  return row;
}
