// How schedules fire: what one instant starts, or why it does not. The letters are those of schedules.ts.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { FiringRow, ScheduleRow, StartedThing } from "@gantry/shared/contract/schedules.ts";
import type { Context } from "../context.ts";
import { checkBudget, isSwitchedOff, todayOf } from "./schedule-budget.ts";
import { recordFiring, scheduleOf, writeSchedule } from "./schedule-rows.ts";
import { cancelStarted, isOpen, roleNow, startTarget } from "./schedule-targets.ts";

export function scheduleFired(context: Context, command: CommandOf<"scheduleFired">): unknown {
  const row = scheduleOf(context, command.schedule);
  const firing = judge(context, row, command);
  return command.why === "person"
    ? fireByPerson(context, row, firing, command)
    : fireInTime(context, row, firing, command);
}

/** SC1: the firing as it will be kept, if this is its time. */
function judge(
  context: Context,
  row: ScheduleRow,
  { plannedMs, why, nextMs }: CommandOf<"scheduleFired">,
): Omit<FiringRow, "outcome"> {
  const { rows, nowMs, position, command } = context;
  const isPerson = why === "person";
  const id = isPerson ? `${row.id}/run-${position}` : `${row.id}/${plannedMs}`;
  const wanted = why === "queued" ? row.queuedMs : row.nextMs;
  if (!isPerson) {
    if (isSwitchedOff(rows)) throw new GantryError("conflict", "Schedules are switched off");
    if (row.state === "paused") throw new GantryError("conflict", `${row.id} is paused`);
    if (plannedMs !== wanted || (why !== "queued" && rows.get("firing", id) !== undefined)) {
      throw new GantryError("conflict", `${id} was fired already`);
    }
    if (plannedMs > nowMs) throw new GantryError("conflict", `${id} is still to come`);
    if (why !== "queued" && nextMs !== undefined && nextMs <= plannedMs) {
      throw new GantryError("bad_request", "The next instant is later than this one");
    }
  }
  return { id, schedule: row.id, plannedMs, firedAtMs: nowMs, why, by: command.actor };
}

function fireByPerson(
  context: Context,
  row: ScheduleRow,
  firing: Omit<FiringRow, "outcome">,
  { start }: CommandOf<"scheduleFired">,
): unknown {
  const previous = openPrevious(context, row);
  const { overlap } = row.policy;
  if (previous !== undefined && overlap !== "allow" && overlap !== "cancel-previous") {
    throw new GantryError("conflict", `The run before, ${previous.id}, has not ended`);
  }
  checkBudget(context, row);
  const started = startTarget(context, row, start, roleNow(context, row));
  const cancelled = cancelPrevious(context, row, previous);
  recordFiring(context, { ...firing, ...cancelled, outcome: "started", started });
  writeSchedule(context, counted(context, { ...row, last: started }, "started"));
  context.audit("schedule.run", row.id, { started: started.id });
  return { firing: firing.id, outcome: "started", started, ...cancelled };
}

function fireInTime(
  context: Context,
  row: ScheduleRow,
  firing: Omit<FiringRow, "outcome">,
  command: CommandOf<"scheduleFired">,
): unknown {
  const { why, plannedMs, nextMs } = command;
  const previous = openPrevious(context, row);
  if (why === "queued" && previous !== undefined) {
    throw new GantryError("conflict", `The run before, ${previous.id}, has not ended`);
  }
  const result = outcomeOf(context, row, previous, command);
  const kept: FiringRow = { ...firing, ...result };
  recordFiring(context, kept);
  const isLate = why !== "queued" && tellLate(context, row, kept);

  const { queuedMs: _q, ...rest } = row;
  const isQueued = result.outcome === "queued";
  const queuedMs = isQueued ? plannedMs : why === "queued" ? undefined : row.queuedMs;
  const moved: ScheduleRow = {
    ...rest,
    ...(queuedMs === undefined ? {} : { queuedMs }),
    ...(result.started === undefined ? {} : { last: result.started }),
  };
  const after = counted(
    context,
    moved,
    result.outcome === "queued" ? undefined : result.outcome,
    isLate,
  );
  if (why === "queued") writeSchedule(context, after);
  else advance(context, after, plannedMs, nextMs);
  return { firing: kept.id, outcome: kept.outcome, started: kept.started, ...cancelledOf(kept) };
}

type Result = Pick<FiringRow, "outcome" | "started" | "cancelled" | "error">;

function outcomeOf(
  context: Context,
  row: ScheduleRow,
  previous: StartedThing | undefined,
  { start, why }: CommandOf<"scheduleFired">,
): Result {
  const { overlap } = row.policy;
  if (previous !== undefined && overlap === "skip") return { outcome: "skipped" };
  if (previous !== undefined && overlap === "queue-one") {
    return { outcome: row.queuedMs === undefined ? "queued" : "skipped" };
  }
  // One that waits goes first.
  if (why !== "queued" && row.queuedMs !== undefined) return { outcome: "skipped" };
  const { writes } = context.rows;
  try {
    checkBudget(context, row);
    const started = startTarget(context, row, start, roleNow(context, row)); // SC5
    return { outcome: "started", started, ...cancelPrevious(context, row, previous) };
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    assert(context.rows.writes === writes, "SC4: what was refused wrote nothing");
    context.audit("schedule.refused", row.id, { code: error.code });
    return { outcome: "refused", error: toErrorRecord(error) };
  }
}

/** The last thing it started, while that is open. */
function openPrevious({ rows }: Context, { last }: ScheduleRow): StartedThing | undefined {
  return last !== undefined && isOpen(rows, last) ? last : undefined;
}

function cancelPrevious(
  context: Context,
  row: ScheduleRow,
  previous: StartedThing | undefined,
): { cancelled?: StartedThing } {
  if (previous === undefined || row.policy.overlap !== "cancel-previous") return {};
  cancelStarted(context, row, previous);
  return { cancelled: previous };
}

const cancelledOf = ({ cancelled }: FiringRow): { cancelled?: StartedThing } =>
  cancelled === undefined ? {} : { cancelled };

/** Moves the row past `plannedMs`. */
function advance(
  context: Context,
  row: ScheduleRow,
  plannedMs: number,
  nextMs: number | undefined,
): void {
  const { nextMs: _, ...rest } = row;
  const moved = { ...rest, lastMs: plannedMs };
  if (nextMs === undefined) writeSchedule(context, { ...moved, state: "ended" });
  else writeSchedule(context, moved, nextMs);
}

function counted(
  context: Context,
  row: ScheduleRow,
  what: "started" | "skipped" | "refused" | undefined,
  isLate = false,
): ScheduleRow {
  const missed = row.counts.missed + (isLate ? 1 : 0);
  if (what === undefined) return { ...row, counts: { ...row.counts, missed } };
  const counts = { ...row.counts, missed, [what]: row.counts[what] + 1 };
  if (what !== "started") return { ...row, counts };
  const today = todayOf(context, row);
  return { ...row, counts, today: { ...today, runs: today.runs + 1 } };
}

export function schedulePassed(context: Context, command: CommandOf<"schedulePassed">): unknown {
  const row = scheduleOf(context, command.schedule);
  const { fromMs, toMs, count, nextMs } = command;
  if (row.state !== "active" || fromMs !== row.nextMs || toMs > context.nowMs || toMs < fromMs) {
    throw new GantryError("conflict", `${row.id} is at another time by now`);
  }
  const counts = { ...row.counts, missed: row.counts.missed + count };
  advance(context, { ...row, counts }, toMs, nextMs);
  context.audit("schedule.missed", row.id, { fromMs, toMs, count });
  context.emit("schedule.missed", row.id, { fromMs, toMs, count, startedLate: false }, row.by);
  return { schedule: row.id, count };
}

/** True if it was late. */
function tellLate(context: Context, { id, policy, by }: ScheduleRow, firing: FiringRow): boolean {
  const { plannedMs, firedAtMs } = firing;
  const lateMs = firedAtMs - plannedMs;
  if (lateMs <= policy.lateMs + policy.jitterMs) return false;
  const data = { fromMs: plannedMs, toMs: plannedMs, count: 1, startedLate: true, lateMs };
  context.audit("schedule.late", id, { plannedMs, lateMs });
  context.emit("schedule.missed", id, data, by);
  return true;
}
