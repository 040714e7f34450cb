// What the schedules ask of a calendar. Local times are "as if UTC": the ms that Date.UTC gives for the
// numbers on the clock of the wall.

export interface Calendar {
  /** Throws bad_schedule for a pattern that is none. */
  checkPattern(pattern: string): void;
  /** Throws bad_schedule for a time zone that nobody knows. */
  checkZone(zone: string): void;
  /** The first local time after `localMs` that the pattern names; undefined: there is none. */
  nextLocal(pattern: string, localMs: number): number | undefined;
  localOf(zone: string, ms: number): number;
  /** A local time that clocks skip gives the instant shifted by the gap; one that they show twice, the first. */
  instantOf(zone: string, localMs: number): number;
  /** As instantOf, but of a time that clocks show twice the second. */
  laterInstantOf(zone: string, localMs: number): number;
  /** The next instant after `ms` at which the zone changes its offset, if there is one. */
  nextShift(zone: string, ms: number): number | undefined;
}
