// Schedules: when something is started by itself, and what was.
//
// SC1. An instant is fired once: a firing takes the row's next instant, or its queued one, and moves the
//      row on, in the command that starts the target. A second firing of it is refused.
// SC2. The last instant only grows, whatever is changed about the schedule and however clocks jump.
// SC3. Time zones are not known here: the next instant comes in with the command. Their tables may
//      differ from hub to hub; the fold must not.
// SC4. What cannot be started is recorded with its error, and the schedule goes on.
// SC5. A schedule acts as the person who made it, with a role that a valid token of theirs has now.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { FiringRow, ScheduleRow, StartedThing } from "@gantry/shared/contract/schedules.ts";
import { checkNew, type Context, rowOf } from "../context.ts";
import { checkBudget, isSwitchedOff, todayOf } from "./schedule-budget.ts";
import { cancelStarted, isOpen, roleNow, startTarget } from "./schedule-targets.ts";

const scheduleOf = (context: Context, id: string): ScheduleRow =>
  rowOf(context, "schedule", id, "schedule");

export function scheduleMade(context: Context, command: CommandOf<"scheduleMade">): unknown {
  const { rows, position, nowMs } = context;
  const { schedule: id, name, role, when, target, policy, nextMs, actor, atMs } = command;
  checkNew(context, "schedule", id, "schedule");
  if (rows.hot("schedule").size >= LIMIT.schedules.max) {
    throw new GantryError("busy", "There are too many schedules", { details: { retryAfterS: 60 } });
  }
  checkPolicy({ target, policy });
  const row: ScheduleRow = {
    id,
    name,
    by: actor,
    role,
    when,
    target,
    policy,
    state: "active",
    createdAtMs: nowMs,
    changedAtMs: atMs,
    revision: position,
    nextMs,
    counts: { started: 0, skipped: 0, refused: 0, missed: 0 },
  };
  write(context, row);
  context.audit("schedule.made", id, { name, target: target.type });
  return { schedule: id };
}

const CANCELLED: ReadonlySet<string> = new Set(["job", "run"]);

function checkPolicy({ target, policy }: Pick<ScheduleRow, "target" | "policy">): void {
  if (policy.overlap !== "cancel-previous" || CANCELLED.has(target.type)) return;
  throw new GantryError("bad_schedule", `A ${target.type} cannot be cancelled for the next one`, {
    details: { field: "overlap" },
  });
}

export function scheduleChanged(context: Context, command: CommandOf<"scheduleChanged">): unknown {
  const row = scheduleOf(context, command.schedule);
  const { ifRevision, name, role, when, target, policy, nextMs } = command;
  if (ifRevision !== undefined && ifRevision !== row.revision) {
    throw new GantryError("revision_mismatch", `${row.id} is at revision ${row.revision}`, {
      details: { revision: row.revision },
    });
  }
  const facts = {
    ...(name === undefined ? {} : { name }),
    ...(role === undefined ? {} : { role }),
    ...(when === undefined ? {} : { when }),
    ...(target === undefined ? {} : { target }),
    ...(policy === undefined ? {} : { policy }),
  };
  const changed = { ...row, ...facts };
  checkPolicy(changed);
  const { nextMs: before, ...rest } = changed;
  const next = nextMs === undefined ? before : (nextMs ?? undefined);
  const isEnded = nextMs === null || (rest.state === "ended" && next === undefined);
  const state = isEnded ? "ended" : rest.state === "ended" ? "active" : rest.state;
  write(context, { ...rest, state, revision: context.position }, next);
  context.audit("schedule.changed", row.id, { what: Object.keys(facts).toSorted() });
  return { schedule: row.id, revision: context.position };
}

export function schedulePaused(context: Context, command: CommandOf<"schedulePaused">): unknown {
  const row = scheduleOf(context, command.schedule);
  if (row.state === "ended") throw new GantryError("conflict", `${row.id} has ended`);
  const { nextMs: _n, queuedMs: _q, ...rest } = row;
  write(context, { ...rest, state: "paused", revision: context.position });
  context.audit("schedule.paused", row.id);
  return { schedule: row.id };
}

/** What was due while it was paused was not missed: it goes on from now. */
export function scheduleResumed(context: Context, command: CommandOf<"scheduleResumed">): unknown {
  const row = scheduleOf(context, command.schedule);
  if (row.state === "active") return { schedule: row.id };
  const { nextMs } = command;
  if (nextMs === undefined) throw new GantryError("conflict", `${row.id} has no time to come`);
  write(context, { ...row, state: "active", revision: context.position }, nextMs);
  context.audit("schedule.resumed", row.id);
  return { schedule: row.id };
}

export function scheduleDeleted(context: Context, command: CommandOf<"scheduleDeleted">): unknown {
  const { rows } = context;
  const row = scheduleOf(context, command.schedule);
  const made = rows.get("count", historyOf(row.id)) ?? 0;
  for (let place = 0; place < Math.min(made, LIMIT.scheduleHistory.max); place += 1) {
    const slot = `${historyOf(row.id)}/${place}`;
    const firing = rows.get("order", slot);
    if (firing !== undefined) rows.remove("firing", firing);
    rows.remove("order", slot);
  }
  rows.remove("count", historyOf(row.id));
  rows.remove("schedule", row.id);
  context.audit("schedule.deleted", row.id, { name: row.name });
  context.emit("schedule.changed", row.id, { id: row.id, deleted: true }, row.by);
  return { schedule: row.id };
}

/** SC2: an instant that is not later than the last one is no next one. */
function write(context: Context, row: ScheduleRow, nextMs = row.nextMs): void {
  const { nextMs: _, ...rest } = row;
  if (nextMs !== undefined && nextMs <= (row.lastMs ?? -Infinity)) {
    throw new GantryError("conflict", `${row.id} was fired at a later time already`);
  }
  const after = { ...rest, changedAtMs: context.command.atMs };
  const written = nextMs === undefined ? after : { ...after, nextMs };
  context.rows.put("schedule", row.id, written);
  context.emit("schedule.changed", row.id, written, row.by);
}

// ── firing ──────────────────────────────────────────────────────────────────────────────────────

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
  record(context, { ...firing, ...cancelled, outcome: "started", started });
  write(context, counted(context, { ...row, last: started }, "started"));
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
  record(context, kept);
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
  if (why === "queued") write(context, after);
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
  if (nextMs === undefined) write(context, { ...moved, state: "ended" });
  else write(context, moved, nextMs);
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

// ── history ─────────────────────────────────────────────────────────────────────────────────────

export const historyOf = (schedule: string): string => `firings/${schedule}`;

/** A bounded ring. An instant that was queued is the same firing when it starts. */
function record(context: Context, firing: FiringRow): void {
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
