// Rows of schedules: how one is written, and its history. The letters are those of schedules.ts.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { FiringRow, ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import { type Context, rowOf } from "../context.ts";

export const scheduleOf = (context: Context, id: string): ScheduleRow =>
  rowOf(context, "schedule", id, "schedule");

/** SC2: an instant that is not later than the last one is no next one. */
export function writeSchedule(context: Context, row: ScheduleRow, nextMs = row.nextMs): void {
  const { nextMs: _, ...rest } = row;
  if (nextMs !== undefined && nextMs <= (row.lastMs ?? -Infinity)) {
    throw new GantryError("conflict", `${row.id} was fired at a later time already`);
  }
  const after = { ...rest, changedAtMs: context.command.atMs };
  const written = nextMs === undefined ? after : { ...after, nextMs };
  context.rows.put("schedule", row.id, written);
  context.emit("schedule.changed", row.id, written, row.by);
}

export const historyOf = (schedule: string): string => `firings/${schedule}`;

/** A bounded ring. An instant that was queued is the same firing when it starts. */
export function recordFiring(context: Context, firing: FiringRow): void {
  const { rows } = context;
  if (rows.get("firing", firing.id) === undefined) {
    const made = rows.get("count", historyOf(firing.schedule)) ?? 0;
    const slot = `${historyOf(firing.schedule)}/${made % LIMIT.scheduleHistory.max}`;
    const dropped = rows.get("order", slot);
    if (dropped !== undefined) rows.remove("firing", dropped);
    rows.cool("order", slot, firing.id);
    rows.cool("count", historyOf(firing.schedule), made + 1);
  }
  rows.cool("firing", firing.id, firing);
  const by = context.rows.get("schedule", firing.schedule)?.by;
  context.emit("schedule.fired", firing.schedule, firing, by);
}

export function forgetHistory({ rows }: Context, schedule: string): void {
  const made = rows.get("count", historyOf(schedule)) ?? 0;
  for (let place = 0; place < Math.min(made, LIMIT.scheduleHistory.max); place += 1) {
    const slot = `${historyOf(schedule)}/${place}`;
    const firing = rows.get("order", slot);
    if (firing !== undefined) rows.remove("firing", firing);
    rows.remove("order", slot);
  }
  rows.remove("count", historyOf(schedule));
}
