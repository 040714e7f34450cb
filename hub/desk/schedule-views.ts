// Schedules and their firings as people see them.

import type { FiringView, ScheduleView } from "@gantry/shared/contract/schemas/schedules.ts";
import type {
  FiringRow,
  ScheduleRow,
  ScheduleTarget,
  ScheduleWhen,
  StartedThing,
} from "@gantry/shared/contract/schedules.ts";
import { costOfDay } from "../ledger/domains/schedule-budget.ts";
import { isOpen } from "../ledger/domains/schedule-targets.ts";
import type { Rows } from "../ledger/rows.ts";
import type { Calendar } from "../schedules/calendar.ts";
import { isoTime } from "./views.ts";

const MICRO = 1_000_000;

export function scheduleView(
  rows: Rows,
  row: ScheduleRow,
  nowMs: number,
  calendar: Calendar,
): ScheduleView {
  const { id, name, by, state, when, target, policy, revision, counts, nextMs, lastMs } = row;
  const { endsAtMs, runsPerDayMax, costPerDayMaxMicroUsd } = policy;
  const day = isoTime(nowMs).slice(0, 10);
  const zone = when.kind === "cron" ? when.zone : "UTC";
  return {
    id,
    name,
    by,
    state,
    when: whenView(when),
    target: targetView(target),
    catchUp: policy.catchUp,
    catchUpMax: policy.catchUpMax,
    overlap: policy.overlap,
    jitterS: policy.jitterMs / 1_000,
    lateS: policy.lateMs / 1_000,
    ...(endsAtMs === undefined ? {} : { endsAt: isoTime(endsAtMs) }),
    ...(runsPerDayMax === undefined ? {} : { runsPerDayMax }),
    ...(costPerDayMaxMicroUsd === undefined
      ? {}
      : { costPerDayMaxUsd: costPerDayMaxMicroUsd / MICRO }),
    workload: policy.workload ?? "scheduled",
    revision,
    createdAt: isoTime(row.createdAtMs),
    ...(nextMs === undefined
      ? {}
      : { nextAt: isoTime(nextMs), nextLocal: localTime(calendar, zone, nextMs) }),
    ...(lastMs === undefined ? {} : { lastAt: isoTime(lastMs) }),
    ...(row.queuedMs === undefined ? {} : { queuedAt: isoTime(row.queuedMs) }),
    ...(row.last === undefined ? {} : { last: startedView(rows, row.last) }),
    runsToday: row.today?.day === day ? row.today.runs : 0,
    costTodayUsd:
      target.type === "question" || target.type === "run" ? costOfDay(rows, id, day) / MICRO : 0,
    counts: { ...counts },
  };
}

const two = (number: number): string => String(Math.floor(number)).padStart(2, "0");

/** `2026-03-08T03:30:00-04:00`. */
export function localTime(calendar: Calendar, zone: string, ms: number): string {
  const wallMs = calendar.localOf(zone, ms);
  const minutes = Math.round((wallMs - ms) / 60_000);
  const size = Math.abs(minutes);
  const offset = `${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
  return `${new Date(wallMs).toISOString().slice(0, 19)}${offset}`;
}

function whenView(when: ScheduleWhen): ScheduleView["when"] {
  switch (when.kind) {
    case "once":
      return { kind: "once", at: isoTime(when.atMs) };
    case "every":
      return { kind: "every", everyS: when.everyMs / 1_000, from: isoTime(when.anchorMs) };
    case "cron":
      return { ...when };
  }
}

function targetView(target: ScheduleTarget): ScheduleView["target"] {
  if (target.type !== "job") return { ...target };
  const { kind, needs, input, hazard, class: its } = target.work;
  return { type: "job", job: { kind, class: its, needs, hazard, input } };
}

export function firingView(rows: Rows, firing: FiringRow): FiringView {
  const { id, plannedMs, firedAtMs, why, by, outcome, started, cancelled, error } = firing;
  return {
    id,
    plannedAt: isoTime(plannedMs),
    firedAt: isoTime(firedAtMs),
    lateMs: firedAtMs - plannedMs,
    why,
    by,
    outcome,
    ...(started === undefined ? {} : { started: startedView(rows, started) }),
    ...(cancelled === undefined ? {} : { cancelled: { ...cancelled } }),
    ...(error === undefined ? {} : { error: { ...error } }),
  };
}

/** What became of it, read off its own rows. */
export function startedView(rows: Rows, started: StartedThing): NonNullable<FiringView["started"]> {
  const { type, id } = started;
  const open = isOpen(rows, started);
  if (type === "event") return { type, id, state: "done", tookMs: 0 };
  if (type === "job") {
    const job = rows.get("job", id);
    if (job === undefined) return { type, id, state: "gone" };
    const tookMs = job.changedAtMs - job.createdAtMs;
    return { type, id, state: job.state, ...(open ? {} : { tookMs }) };
  }
  if (type === "run") {
    const run = rows.get("run", id);
    if (run === undefined) return { type, id, state: "gone" };
    return { type, id, state: run.state.state };
  }
  if (open) return { type, id, state: "open" };
  const message = rows.get("message", rows.get("answer", id) ?? "");
  if (message === undefined) return { type, id, state: "gone" };
  const asked = rows.get("message", `${message.conversation}/${message.seq - 1}`);
  const tookMs = asked === undefined ? {} : { tookMs: message.atMs - asked.atMs };
  return { type, id, state: message.error === undefined ? "done" : "failed", ...tookMs };
}
