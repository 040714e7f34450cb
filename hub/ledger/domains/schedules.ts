// Schedules: when something is started by itself, and what was.
//
// SC1. An instant is fired once: a firing takes the row's next instant, or its queued one, and moves the
//      row on, in the command that starts the target. A second firing of it is refused.
// SC2. The last instant only grows, whatever is changed about the schedule and however clocks jump.
// SC3. Time zones are not known here: the next instant comes in with the command. Their tables may
//      differ from hub to hub; the fold must not.
// SC4. What cannot be started is recorded with its error, and the schedule goes on.
// SC5. A schedule acts as the person who made it, with a role that a valid token of theirs has now.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import { checkNew, type Context } from "../context.ts";
import { forgetHistory, scheduleOf, writeSchedule } from "./schedule-rows.ts";

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
  writeSchedule(context, row);
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
  writeSchedule(context, { ...rest, state, revision: context.position }, next);
  context.audit("schedule.changed", row.id, { what: Object.keys(facts).toSorted() });
  return { schedule: row.id, revision: context.position };
}

export function schedulePaused(context: Context, command: CommandOf<"schedulePaused">): unknown {
  const row = scheduleOf(context, command.schedule);
  if (row.state === "ended") throw new GantryError("conflict", `${row.id} has ended`);
  const { nextMs: _n, queuedMs: _q, ...rest } = row;
  writeSchedule(context, { ...rest, state: "paused", revision: context.position });
  context.audit("schedule.paused", row.id);
  return { schedule: row.id };
}

/** What was due while it was paused was not missed: it goes on from now. */
export function scheduleResumed(context: Context, command: CommandOf<"scheduleResumed">): unknown {
  const row = scheduleOf(context, command.schedule);
  if (row.state === "active") return { schedule: row.id };
  const { nextMs } = command;
  if (nextMs === undefined) throw new GantryError("conflict", `${row.id} has no time to come`);
  writeSchedule(context, { ...row, state: "active", revision: context.position }, nextMs);
  context.audit("schedule.resumed", row.id);
  return { schedule: row.id };
}

export function scheduleDeleted(context: Context, command: CommandOf<"scheduleDeleted">): unknown {
  const { rows } = context;
  const row = scheduleOf(context, command.schedule);
  forgetHistory(context, row.id);
  rows.remove("schedule", row.id);
  context.audit("schedule.deleted", row.id, { name: row.name });
  context.emit("schedule.changed", row.id, { id: row.id, deleted: true }, row.by);
  return { schedule: row.id };
}
