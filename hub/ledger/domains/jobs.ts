// Queued work. At least once delivered, each effect once: a job that must not be repeated (`once`)
// and whose holder vanished becomes `unknown` and waits for a person.
//
// Q1. Each class is bounded; a job over the bound is refused with `busy`.
// Q2. A result counts only with the token of the job's present lease.
// Q3. After the last attempt the job is dead: kept, listed, and requeued or dropped by a person.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { DEFAULT_QUEUE } from "@gantry/shared/contract/queues.ts";
import type { JobClass, JobRow } from "@gantry/shared/contract/rows.ts";
import { appendOrder, checkNew, type Context, rowOf } from "../context.ts";
import { checkDraft, openConfirmation } from "./confirmation-rows.ts";
import { changeJob, countOpen, endJob, leaveDead, openCount, reopenChild } from "./job-rows.ts";
import { cancelJob, isOpen } from "./job-cancel.ts";

const QUEUE_MAX: Readonly<Record<JobClass, number>> = {
  high: LIMIT.highJobs.max,
  normal: LIMIT.normalJobs.max,
  low: LIMIT.lowJobs.max,
};

export function jobAdded(context: Context, command: CommandOf<"jobAdded">): unknown {
  const { rows } = context;
  const { job: id, confirmation, conversation, atMs, actor } = command;
  checkNew(context, "job", id, "job");
  checkRoom(context, command);
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
    order: orderOf(context.position, 0),
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
  countOpen(context, row, 1);
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
export function checkRoom(
  { rows }: Context,
  job: Pick<JobRow, "kind" | "queue" | "class">,
  added = 1,
): void {
  const name = job.kind === "work" ? (job.queue ?? DEFAULT_QUEUE) : undefined;
  const bounds = name === undefined ? undefined : rows.get("queue", name)?.policy.bounds;
  const open = rows.get("count", openCount(job)) ?? 0;
  if (open + added <= (bounds?.[job.class] ?? QUEUE_MAX[job.class])) return;
  const which = name === undefined ? job.class : `${job.class} class of the queue ${name}`;
  const message =
    name === undefined
      ? `The ${which} queue holds ${open} jobs, which is its bound`
      : `The ${which} holds ${open} jobs and has no room for ${added} more`;
  throw new GantryError("busy", message, { details: { retryAfterS: 5 } });
}

export const ORDERS_PER_COMMAND = 8_192;

/** Order of arrival of the `place`-th job of a command. */
export const orderOf = (position: number, place: number): number =>
  position * ORDERS_PER_COMMAND + place;

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
  if (!isOpen(row)) throw new GantryError("conflict", `The job is ${row.state} already`);
  context.audit("job.cancelled", row.id);
  return cancelJob(context, row);
}

export function jobRequeued(context: Context, command: CommandOf<"jobRequeued">): unknown {
  const row = deadJob(context, command.job);
  checkRoom(context, row);
  context.audit("job.requeued", row.id);
  return requeueJob(context, row);
}

/** A dead job with room in its queue. */
export function requeueJob(context: Context, row: JobRow): { job: string; state: string } {
  const { error: _e, lease: _l, parent: _p, children, ...rest } = row;
  const { atMs } = context.command;
  const parent = reopenChild(context, row);
  const again: JobRow = {
    ...rest,
    ...(parent === undefined ? {} : { parent }),
    ...(children === undefined ? {} : { children }),
    state: "ready", // of a parent too: its children count no more (JR1)
    attempts: 0,
    isDead: false,
    notBeforeMs: atMs,
    changedAtMs: atMs,
  };
  leaveDead(context, row.id);
  context.rows.remove("job", row.id); // W2: it was cold
  context.rows.put("job", row.id, again);
  countOpen(context, row, 1);
  if (row.kind !== "work") context.emit("job.changed", row.id, again);
  return { job: row.id, state: again.state };
}

export function jobDropped(context: Context, command: CommandOf<"jobDropped">): unknown {
  const row = deadJob(context, command.job);
  dropJob(context, row);
  context.audit("job.dropped", row.id);
  return { job: row.id };
}

export function dropJob(context: Context, row: JobRow): void {
  leaveDead(context, row.id);
  context.rows.cool("job", row.id, { ...row, isDead: false });
}

function deadJob(context: Context, id: string): JobRow {
  const row = rowOf(context, "job", id, "job");
  if (!row.isDead) throw new GantryError("conflict", `The job is ${row.state}, not dead`);
  return row;
}
