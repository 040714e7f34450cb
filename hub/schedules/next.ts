// When a schedule runs. Pure: patterns and time zones come in as a calendar.
//
// N1. A local time that clocks skip in spring runs once, at the instant shifted by the gap.
// N2. A local time that clocks show twice in autumn runs once, the first time; a pattern whose hour is
//     `*` means every hour that passes, and runs both times.
// N3. No instant is given twice, and each is greater than the one before.

import type { ScheduleWhen } from "@gantry/shared/contract/schedules.ts";
import type { Calendar } from "./calendar.ts";

/** Patterns know no less. */
const SECOND_MS = 1_000;
/** No gap is longer: Samoa left out 30 December 2011. */
const GAP_MAX_MS = 25 * 3_600_000;

/** The first instant after `ms`; undefined: there is none. */
export function nextAfter(when: ScheduleWhen, ms: number, calendar: Calendar): number | undefined {
  switch (when.kind) {
    case "once":
      return when.atMs > ms ? when.atMs : undefined;
    case "every": {
      const { everyMs, anchorMs } = when;
      if (ms < anchorMs) return anchorMs;
      return anchorMs + (Math.floor((ms - anchorMs) / everyMs) + 1) * everyMs;
    }
    case "cron":
      return nextOfCron(when, ms, calendar);
  }
}

interface Cron {
  readonly pattern: string;
  readonly zone: string;
}

function nextOfCron({ pattern, zone }: Cron, ms: number, calendar: Calendar): number | undefined {
  const wall = calendar.localOf(zone, ms);
  const found: number[] = [];
  /** The first time on the wall after `local`; true: the wall does not show it. */
  const add = (local: number, read: "instantOf" | "laterInstantOf" = "instantOf"): boolean => {
    const next = calendar.nextLocal(pattern, local);
    if (next === undefined) return false;
    const instant = calendar[read](zone, next);
    found.push(instant);
    return calendar.localOf(zone, instant) !== next;
  };
  // Instants grow with the times on the wall but for three places; each adds its own first one.
  let from = wall;
  const last = calendar.nextShift(zone, ms - GAP_MAX_MS);
  if (last !== undefined && last <= ms) {
    const byMs = calendar.localOf(zone, last) - calendar.localOf(zone, last - 1) - 1;
    // N1: skipped times fall among the shown ones for as long as the gap was.
    if (byMs > 0 && ms < last + byMs) add(wall - byMs);
    // N2: while the wall shows times again, the next new one is at the end of that.
    if (byMs < 0 && ms < last - byMs) from = calendar.localOf(zone, last) - byMs - SECOND_MS;
  }
  const isSkipped = add(Math.max(from, wall));
  const next = calendar.nextShift(zone, ms);
  if (next !== undefined && isSkipped) add(calendar.localOf(zone, next) - SECOND_MS);
  if (isEachHour(pattern)) {
    add(wall, "laterInstantOf");
    if (next !== undefined) add(calendar.localOf(zone, next) - SECOND_MS, "laterInstantOf");
  }
  return found.filter((instant) => instant > ms).toSorted((a, b) => a - b)[0]; // N3
}

function isEachHour(pattern: string): boolean {
  const fields = pattern.split(" ");
  return fields.at(-4) === "*";
}

export interface Due {
  /** The latest ones, oldest first, at most `max`. */
  readonly instants: readonly number[];
  /** There are more before them. */
  readonly isMore: boolean;
}

/** Instants after `afterMs` up to and including `untilMs`: the latest `max` of them. `max`: 1 or more. */
export function dueBetween(
  when: ScheduleWhen,
  afterMs: number,
  untilMs: number,
  max: number,
  calendar: Calendar,
): Due {
  // Windows before `untilMs`, each four times the last: a schedule of seconds that was off for a year
  // is not walked from its beginning.
  for (let windowMs = 60_000; ; windowMs *= 4) {
    const fromMs = Math.max(afterMs, untilMs - windowMs);
    const instants = walk(when, fromMs, untilMs, calendar);
    if (instants.length > max || fromMs === afterMs) {
      return { instants: instants.slice(-max), isMore: instants.length > max };
    }
  }
}

function walk(
  when: ScheduleWhen,
  afterMs: number,
  untilMs: number,
  calendar: Calendar,
): readonly number[] {
  const instants: number[] = [];
  let at = nextAfter(when, afterMs, calendar);
  while (at !== undefined && at <= untilMs) {
    instants.push(at);
    at = nextAfter(when, at, calendar);
  }
  return instants;
}

/** How many there are after `afterMs` up to `untilMs`, counted up to `max`. */
export function countDue(
  when: ScheduleWhen,
  afterMs: number,
  untilMs: number,
  max: number,
  calendar: Calendar,
): number {
  if (when.kind === "every") {
    const first = nextAfter(when, afterMs, calendar) ?? Infinity;
    return first > untilMs ? 0 : Math.floor((untilMs - first) / when.everyMs) + 1;
  }
  let count = 0;
  let at = nextAfter(when, afterMs, calendar);
  while (at !== undefined && at <= untilMs && count < max) {
    count += 1;
    at = nextAfter(when, at, calendar);
  }
  return count;
}

/** The next `count` instants after `ms`, none after `endsAtMs`. */
export function preview(
  when: ScheduleWhen,
  ms: number,
  count: number,
  calendar: Calendar,
  endsAtMs = Infinity,
): readonly number[] {
  const instants: number[] = [];
  let at = nextAfter(when, ms, calendar);
  while (at !== undefined && at <= endsAtMs && instants.length < count) {
    instants.push(at);
    at = nextAfter(when, at, calendar);
  }
  return instants;
}
