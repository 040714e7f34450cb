// Rows of queued work: how one changes and how one ends. Used by jobs.ts, which decides, and by
// confirmations, which let a job go or withdraw it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { JobClass, JobRow } from "@gantry/shared/contract/rows.ts";
import { type Context, rowOf } from "../context.ts";

export function changeJob(
  context: Context,
  row: JobRow,
  facts: Partial<JobRow>,
): { id: string; state: string } {
  const after: JobRow = { ...row, ...facts, changedAtMs: context.command.atMs };
  context.rows.put("job", row.id, after);
  context.emit("job.changed", row.id, after);
  return { id: row.id, state: after.state };
}

export function endJob(
  context: Context,
  row: JobRow,
  facts: Partial<JobRow>,
): { id: string; state: string } {
  const after: JobRow = { ...row, ...facts, changedAtMs: context.command.atMs };
  context.rows.cool("job", row.id, after);
  countOpen(context, row.class, -1);
  if (after.isDead) context.rows.put("order", `dead/${row.id}`, row.id);
  context.emit("job.changed", row.id, after);
  return { id: row.id, state: after.state };
}

export const leaveDead = ({ rows }: Context, id: string): void =>
  rows.remove("order", `dead/${id}`);

export function countOpen({ rows }: Context, jobClass: JobClass, by: number): void {
  const queue = `open/${jobClass}`;
  rows.put("count", queue, (rows.get("count", queue) ?? 0) + by);
}

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
