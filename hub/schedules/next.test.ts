import { expect, test } from "vitest";
import fc from "fast-check";
import { makeCronCalendar } from "../adapters/cron-calendar.ts";
import { countDue, dueBetween, nextAfter, preview } from "./next.ts";

const calendar = makeCronCalendar();
const at = (text: string): number => Date.parse(text);
const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 16);
const cron = (pattern: string, zone: string) => ({ kind: "cron", pattern, zone }) as const;
const times = (pattern: string, zone: string, from: string, count: number): string[] =>
  preview(cron(pattern, zone), at(from), count, calendar).map(iso);

test.each([
  // New York leaves out 02:00-03:00 on 8 March 2026 and has 01:00-02:00 twice on 1 November.
  {
    what: "[K52] a local time in the gap runs once, shifted by the gap",
    given: ["30 2 * * *", "America/New_York", "2026-03-07T12:00Z"],
    want: ["2026-03-08T07:30", "2026-03-09T06:30"],
  },
  {
    what: "[K52] a local time in the overlap runs once, the first time",
    given: ["30 1 * * *", "America/New_York", "2026-10-31T12:00Z"],
    want: ["2026-11-01T05:30", "2026-11-02T06:30"],
  },
  {
    what: "[K52] 4 am in Los Angeles is 4 am in summer as in winter",
    given: ["0 4 * * *", "America/Los_Angeles", "2026-03-07T00:00Z"],
    want: ["2026-03-07T12:00", "2026-03-08T11:00"],
  },
  {
    what: "every half hour goes on through the hour that comes twice",
    given: ["*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59Z"],
    want: [
      "2026-10-25T00:00",
      "2026-10-25T00:30",
      "2026-10-25T01:00",
      "2026-10-25T01:30",
      "2026-10-25T02:00",
    ],
  },
  {
    what: "a gap of half an hour shifts by half an hour",
    given: ["10 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00Z"],
    want: ["2026-10-03T15:40", "2026-10-04T15:10"],
  },
  {
    what: "a day that a zone leaves out runs once, a day later",
    given: ["0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00Z"],
    want: ["2011-12-30T19:00", "2012-12-29T19:00"],
  },
  {
    what: "seconds, where there are six fields",
    given: ["30 0 0 1 1 *", "UTC", "2026-06-01T00:00Z"],
    want: ["2027-01-01T00:00"],
  },
])("$what", ({ given: [pattern = "", zone = "", from = ""], want }) => {
  expect(times(pattern, zone, from, want.length)).toEqual(want);
});

test("an interval counts from its anchor, and a one-shot runs once", () => {
  const every = { kind: "every", everyMs: 90_000, anchorMs: 1_000 } as const;
  expect(preview(every, 0, 3, calendar)).toEqual([1_000, 91_000, 181_000]);
  expect(nextAfter(every, 91_000, calendar)).toBe(181_000);
  const once = { kind: "once", atMs: 5_000 } as const;
  expect(preview(once, 0, 3, calendar)).toEqual([5_000]);
  expect(nextAfter(once, 5_000, calendar)).toBeUndefined();
});

test.each([["* * *"], ["61 * * * *"], ["0 0 * * * * *"], ["@daily"], ["a b c d e"]])(
  "the pattern %s is refused as bad_schedule",
  (pattern) => {
    expect(() => calendar.checkPattern(pattern)).toThrow(
      expect.objectContaining({ code: "bad_schedule" }),
    );
  },
);

test("an unknown zone is refused, and a day that never comes has no next time", () => {
  expect(() => calendar.checkZone("Mars/Olympus")).toThrow(
    expect.objectContaining({ code: "bad_schedule" }),
  );
  expect(nextAfter(cron("0 0 30 2 *", "UTC"), 0, calendar)).toBeUndefined();
});

test("a second's schedule that was off for a year gives its last ones at once", () => {
  const when = cron("* * * * * *", "Europe/Berlin");
  const now = at("2026-06-01T00:00Z");
  const { instants, isMore } = dueBetween(when, now - 365 * 86_400_000, now, 3, calendar);
  expect(instants).toEqual([now - 2_000, now - 1_000, now]);
  expect(isMore).toBe(true);
  expect(countDue(when, now - 365 * 86_400_000, now, 500, calendar)).toBe(500);
});

// ── against a reader that looks at every minute ─────────────────────────────────────────────────

interface Pattern {
  readonly minutes: readonly number[];
  readonly hours: readonly number[] | undefined;
  readonly weekdays: readonly number[] | undefined;
}
const listOf = (max: number): fc.Arbitrary<number[]> =>
  fc.uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 4 });
const patterns: fc.Arbitrary<Pattern> = fc.record({
  minutes: listOf(59),
  hours: fc.option(listOf(3), { nil: undefined }), // the hours at which clocks are changed
  weekdays: fc.option(listOf(6), { nil: undefined, freq: 4 }),
});
const textOf = ({ minutes, hours, weekdays }: Pattern): string =>
  `${minutes.join(",")} ${hours?.join(",") ?? "*"} * * ${weekdays?.join(",") ?? "*"}`;

const wallFormats = new Map<string, Intl.DateTimeFormat>();
/** What the clock on the wall shows, by Intl and not by the code under test. */
function wallOf(zone: string, ms: number): number {
  let format = wallFormats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
    });
    wallFormats.set(zone, format);
  }
  const part = Object.fromEntries(
    format.formatToParts(ms).map(({ type, value }) => [type, +value]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute);
}

function matches({ minutes, hours, weekdays }: Pattern, wall: number): boolean {
  const date = new Date(wall);
  return (
    minutes.includes(date.getUTCMinutes()) &&
    (hours === undefined || hours.includes(date.getUTCHours())) &&
    (weekdays === undefined || weekdays.includes(date.getUTCDay()))
  );
}

/** N1 and N2, minute by minute: slow and plain. */
function bruteForce(pattern: Pattern, zone: string, fromMs: number, untilMs: number): number[] {
  const MINUTE = 60_000;
  const found = new Set<number>();
  const shown = new Set<number>();
  let before = wallOf(zone, fromMs - 3 * 3_600_000);
  shown.add(before);
  for (let ms = fromMs - 3 * 3_600_000 + MINUTE; ms <= untilMs; ms += MINUTE) {
    const wall = wallOf(zone, ms);
    // Minutes that the wall skipped: each at its distance from the last one shown.
    for (let skipped = before + MINUTE; skipped < wall; skipped += MINUTE) {
      if (matches(pattern, skipped)) found.add(ms + (skipped - before - MINUTE));
    }
    const isAgain = shown.has(wall);
    if (matches(pattern, wall) && (!isAgain || pattern.hours === undefined)) found.add(ms);
    shown.add(wall);
    before = wall;
  }
  return [...found].filter((ms) => ms > fromMs && ms <= untilMs).toSorted((a, b) => a - b);
}

const SHIFTS: readonly (readonly [zone: string, nearShift: string])[] = [
  ["America/New_York", "2026-03-08T07:00Z"],
  ["America/New_York", "2026-11-01T06:00Z"],
  ["Europe/Berlin", "2026-03-29T01:00Z"],
  ["Europe/Berlin", "2026-10-25T01:00Z"],
  ["Australia/Lord_Howe", "2026-04-04T15:00Z"],
  ["Australia/Lord_Howe", "2026-10-03T15:30Z"],
  ["America/Santiago", "2026-04-05T03:00Z"],
  ["America/Santiago", "2026-09-06T04:00Z"],
  ["Africa/Casablanca", "2026-02-15T02:00Z"],
  ["Africa/Cairo", "2026-04-23T22:00Z"],
  ["Asia/Kolkata", "2026-06-01T00:00Z"],
];

test("[K52] N1-N3: the same instants as a reader that looks at every minute, around every change", () => {
  fc.assert(
    fc.property(
      patterns,
      fc.constantFrom(...SHIFTS),
      fc.integer({ min: -600, max: 240 }),
      (pattern, [zone, shift], offsetMinutes) => {
        const fromMs = at(shift) + offsetMinutes * 60_000;
        const untilMs = fromMs + 30 * 3_600_000;
        const when = cron(textOf(pattern), zone);
        const found: number[] = [];
        let next = nextAfter(when, fromMs, calendar);
        while (next !== undefined && next <= untilMs) {
          found.push(next);
          next = nextAfter(when, next, calendar);
        }
        expect(found.map(iso)).toEqual(bruteForce(pattern, zone, fromMs, untilMs).map(iso));
        expect(dueBetween(when, fromMs, untilMs, 5, calendar).instants).toEqual(found.slice(-5));
        expect(countDue(when, fromMs, untilMs, 10_000, calendar)).toBe(found.length);
      },
    ),
    { numRuns: 80 },
  );
});
