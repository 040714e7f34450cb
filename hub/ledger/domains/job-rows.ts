// Rows of queued work: how one changes and how one ends. Used by jobs.ts and work.ts, which decide, and
// by confirmations, which let a job go or withdraw it.
//
// JR1. A parent leaves `waiting` in the very command in which its last child ends, whatever the end:
//      it cannot be left behind. A child is counted once; one that is tried again is not counted any
//      more if its parent has left, and is open again if it has not.

import { assert } from "@gantry/shared/base/assert.ts";
import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { type Children, DEFAULT_QUEUE } from "@gantry/shared/contract/queues.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import { appendOrder, type Context, rowOf } from "../context.ts";

const FAILED_SHOWN = 16;

export function changeJob(
  context: Context,
  row: JobRow,
  facts: Partial<JobRow>,
): { id: string; state: string } {
  const after: JobRow = { ...row, ...facts, changedAtMs: context.command.atMs };
  context.rows.put("job", row.id, after);
  tell(context, after);
  return { id: row.id, state: after.state };
}

export function endJob(
  context: Context,
  row: JobRow,
  facts: Partial<JobRow>,
): { id: string; state: string } {
  const after: JobRow = { ...row, ...facts, changedAtMs: context.command.atMs };
  if (after.state === "done" && !isKept(context, row)) context.rows.remove("job", row.id);
  else {
    context.rows.cool("job", row.id, after);
    if (row.kind === "work") appendOrder(context, endedList(queueOf(row)), row.id);
  }
  countOpen(context, row, -1);
  if (after.isDead) context.rows.put("order", `dead/${row.id}`, row.id);
  tell(context, after);
  if (row.parent !== undefined) childEnded(context, row.parent, after);
  return { id: row.id, state: after.state };
}

export const queueOf = ({ queue }: Pick<JobRow, "queue">): string => queue ?? DEFAULT_QUEUE;

/** Name of the list of work of this queue that has ended and left a row. */
export const endedList = (queue: string): string => `ended/${queue}`;

function isKept({ rows }: Context, row: JobRow): boolean {
  return row.kind !== "work" || rows.get("queue", queueOf(row))?.policy.keepDone !== false;
}

/** Of work, the commands tell how many: its jobs are too many for an event each. */
function tell(context: Context, row: JobRow): void {
  if (row.kind !== "work") context.emit("job.changed", row.id, row);
}

// ── parents ─────────────────────────────────────────────────────────────────────────────────────

const CHILD_FAILED: ErrorRecord = {
  code: "command_failed",
  message: "A job that it waited for has failed",
};

/** JR1. */
function childEnded(context: Context, parentId: string, child: JobRow): void {
  const parent = context.rows.get("job", parentId);
  if (parent?.state !== "waiting" || parent.children === undefined) return;
  const isFailed = child.state !== "done";
  const children = settled(parent.children, child.id, isFailed);
  if (isFailed && children.rule === "fail") {
    endJob(context, parent, { state: "failed", error: CHILD_FAILED, isDead: true, children });
  } else
    changeJob(context, parent, { children, ...(children.open === 0 ? { state: "ready" } : {}) });
}

function settled(before: Children, child: string, isFailed: boolean): Children {
  assert(before.open > 0, "JR1: a child is counted once");
  const { failedJobs } = before;
  return {
    ...before,
    open: before.open - 1,
    failed: before.failed + (isFailed ? 1 : 0),
    failedJobs: isFailed && failedJobs.length < FAILED_SHOWN ? [...failedJobs, child] : failedJobs,
  };
}

/** A dead child is tried again: its parent's id if it still counts there (JR1). */
export function reopenChild(context: Context, child: JobRow): string | undefined {
  const parent = child.parent === undefined ? undefined : context.rows.get("job", child.parent);
  if (parent?.state !== "waiting" || parent.children === undefined) return undefined;
  const { children } = parent;
  const failedJobs = children.failedJobs.filter((id) => id !== child.id);
  const { open, failed } = children;
  const again = { ...children, open: open + 1, failed: failed - 1, failedJobs };
  changeJob(context, parent, { children: again });
  return parent.id;
}

// ── counts ──────────────────────────────────────────────────────────────────────────────────────

export const leaveDead = ({ rows }: Context, id: string): void =>
  rows.remove("order", `dead/${id}`);

/** Row of `count` with the jobs of this queue and class that have not ended. */
export const openCount = (row: Pick<JobRow, "kind" | "queue" | "class">): string =>
  row.kind === "work" ? `open/${queueOf(row)}/${row.class}` : `open/${row.class}`;

export function countOpen(
  { rows }: Context,
  row: Pick<JobRow, "kind" | "queue" | "class">,
  by: number,
): void {
  const name = openCount(row);
  const count = (rows.get("count", name) ?? 0) + by;
  assert(count >= 0, "what was not counted cannot end");
  rows.put("count", name, count);
}

// ── confirmations ───────────────────────────────────────────────────────────────────────────────

export function makeJobReady(context: Context, id: string): { id: string; state: string } {
  const row = rowOf(context, "job", id, "job");
  if (row.state !== "awaiting")
    throw new GantryError("conflict", `The job is ${row.state} already`);
  return changeJob(context, row, { state: "ready", notBeforeMs: context.command.atMs });
}

export function withdrawJob(context: Context, id: string, why: "cancelled" | "expired"): void {
  const row = context.rows.get("job", id);
  if (row?.state !== "awaiting") return;
  const message =
    why === "expired" ? "Nobody confirmed it in time" : "The confirmation was withdrawn";
  endJob(context, row, { state: "cancelled", error: { code: "cancelled", message } });
}
