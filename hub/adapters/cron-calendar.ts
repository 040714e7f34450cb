// Patterns by croner, time zones by Temporal. Croner reads patterns as if the wall had UTC: what happens
// where clocks are changed is decided in hub/schedules/next.ts and nowhere else.

import { Cron } from "croner";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Calendar } from "../schedules/calendar.ts";

/** Patterns that were read, so that a schedule's next time costs no parsing. The oldest leaves. */
const KEPT_MAX = 2_000;
const FIELDS = /^\S+(?: \S+){4,5}$/;

const zoned = (zone: string, ms: number): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone);
const instant = (zone: string, localMs: number, disambiguation: "compatible" | "later"): number => {
  const wall = Temporal.Instant.fromEpochMilliseconds(localMs)
    .toZonedDateTimeISO("UTC")
    .toPlainDateTime();
  return wall.toZonedDateTime(zone, { disambiguation }).epochMilliseconds;
};

export function makeCronCalendar(): Calendar {
  const kept = new Map<string, Cron>();
  /** By zone: the last change asked for, and from when on it is the next. Finding one costs 0.1 ms. */
  const shifts = new Map<string, { readonly fromMs: number; readonly toMs: number | undefined }>();

  function read(pattern: string): Cron {
    const known = kept.get(pattern);
    if (known !== undefined) return known;
    if (!FIELDS.test(pattern)) {
      throw badSchedule("pattern", `"${pattern.slice(0, 100)}" has not 5 or 6 fields`);
    }
    let cron: Cron;
    try {
      cron = new Cron(pattern, { timezone: "UTC", mode: "5-or-6-parts", paused: true });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw badSchedule("pattern", `"${pattern.slice(0, 100)}": ${why}`);
    }
    if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value ?? "");
    kept.set(pattern, cron);
    return cron;
  }

  return {
    checkPattern: (pattern) => void read(pattern),
    checkZone(zone) {
      try {
        zoned(zone, 0);
      } catch {
        throw badSchedule("zone", `"${zone.slice(0, 100)}" is not an IANA time zone`);
      }
    },
    nextLocal: (pattern, localMs) => read(pattern).nextRun(new Date(localMs))?.getTime(),
    localOf: (zone, ms) => ms + zoned(zone, ms).offsetNanoseconds / 1_000_000,
    instantOf: (zone, localMs) => instant(zone, localMs, "compatible"),
    laterInstantOf: (zone, localMs) => instant(zone, localMs, "later"),
    nextShift(zone, ms) {
      const known = shifts.get(zone);
      if (known !== undefined && ms >= known.fromMs && ms < (known.toMs ?? Infinity)) {
        return known.toMs;
      }
      const toMs = zoned(zone, ms).getTimeZoneTransition("next")?.epochMilliseconds;
      if (shifts.size >= KEPT_MAX) shifts.clear();
      shifts.set(zone, { fromMs: ms, toMs });
      return toMs;
    },
  };
}

const badSchedule = (field: string, message: string): GantryError =>
  new GantryError("bad_schedule", message, { details: { field } });
