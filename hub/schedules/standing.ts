// When a standing job is due: once for each of its days, at its time (UTC) or, where nobody led then,
// as soon as somebody does. Pure.
//
// SJ1. A day that was missed is made up for once, by the newest: what a job looks at is all of the past.

import { STANDING_JOBS, type StandingJob } from "@gantry/shared/contract/goals.ts";

const DAY_MS = 86_400_000;

export const dayName = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The newest instant of the job that is not after `nowMs`. */
export function lastInstantMs(job: StandingJob, nowMs: number): number {
  const { at, weekday } = STANDING_JOBS[job];
  const [hours = 0, minutes = 0] = at.split(":").map(Number);
  const timeMs = (hours * 60 + minutes) * 60_000;
  for (let back = 0; ; back += 1) {
    const midnightMs = Math.floor(nowMs / DAY_MS) * DAY_MS - back * DAY_MS;
    const instantMs = midnightMs + timeMs;
    const isDay = weekday === undefined || new Date(midnightMs).getUTCDay() === weekday;
    if (instantMs <= nowMs && isDay) return instantMs; // within 7 days
  }
}

/** The day for which it is to run now; undefined where it has. `lastDay`: of its row. */
export function dueDay(
  job: StandingJob,
  nowMs: number,
  lastDay: string | undefined,
): string | undefined {
  const day = dayName(lastInstantMs(job, nowMs));
  return lastDay === undefined || lastDay < day ? day : undefined;
}
