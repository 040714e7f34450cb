// Watches a heater from outside: Marlin's own protection takes about 40 s (measured), this one less.
//
// HW1. Full duty while the temperature falls, for the time of DUTY, is a broken heater.
// HW2. A target other than the one that was sent, for ECHO_MS, is a printer that did not obey:
//      Marlin clamps M104 S400 to 260 and says `ok`.
// HW3. Silence for SILENCE_MS while a heater is on is a fault.

import type { Reading } from "../protocols/marlin-codec.ts";

export interface HeatWatch {
  /** What was last asked of the firmware. */
  expect(heater: "nozzle" | "bed", targetC: number, nowMs: number): void;
  observe(reading: Reading, nowMs: number): void;
  /** Why the job must stop, once it must. */
  fault(nowMs: number): string | undefined;
}

/** A bed answers late, and most are switched, not regulated: it may fall a little at full duty. */
const DUTY = { nozzle: { forMs: 5_000, fallC: 1 }, bed: { forMs: 15_000, fallC: 2 } };
const ECHO_MS = 5_000;
const SILENCE_MS = 10_000;
const FULL_DUTY = 126;
const SAME_C = 1;

type HeaterName = "nozzle" | "bed";

/** HW1, for one heater. */
interface DutyWatch {
  observe(nowC: number | undefined, duty: number | undefined, nowMs: number): void;
  isBroken(): boolean;
  restart(): void;
}

export function makeHeatWatch(nowMs: number): HeatWatch {
  const expected = { nozzle: 0, bed: 0 };
  const wrongSinceMs: { nozzle?: number; bed?: number } = {};
  const duties = { nozzle: makeDutyWatch(DUTY.nozzle), bed: makeDutyWatch(DUTY.bed) };
  let wrong: string | undefined;
  let heardMs = nowMs;

  function checkEcho(heater: HeaterName, actualC: number | undefined, atMs: number): void {
    if (actualC === undefined || Math.abs(actualC - expected[heater]) <= SAME_C) {
      delete wrongSinceMs[heater];
      return;
    }
    const sinceMs = (wrongSinceMs[heater] ??= atMs);
    if (atMs - sinceMs < ECHO_MS) return;
    wrong = `The printer holds the ${heater} at ${actualC} °C instead of ${expected[heater]} °C`;
  }

  return {
    expect(heater, targetC, atMs) {
      expected[heater] = targetC;
      delete wrongSinceMs[heater];
      heardMs = Math.max(heardMs, atMs);
      duties[heater].restart();
    },
    observe(reading, atMs) {
      heardMs = atMs;
      checkEcho("nozzle", reading.nozzleTargetC, atMs); // HW2
      checkEcho("bed", reading.bedTargetC, atMs);
      duties.nozzle.observe(reading.nozzleC, reading.nozzleDuty, atMs);
      duties.bed.observe(reading.bedC, reading.bedDuty, atMs);
    },
    fault(atMs) {
      for (const heater of ["nozzle", "bed"] as const) {
        if (!duties[heater].isBroken()) continue;
        return `The ${heater} cools down at full power: its heater is broken`;
      }
      if (wrong !== undefined) return wrong;
      const isHot = expected.nozzle > 0 || expected.bed > 0;
      return isHot && atMs - heardMs > SILENCE_MS // HW3
        ? `No temperature for ${SILENCE_MS / 1_000} s while a heater is on`
        : undefined;
    },
  };
}

function makeDutyWatch({ forMs, fallC }: typeof DUTY.nozzle): DutyWatch {
  let full: { readonly sinceMs: number; readonly fromC: number } | undefined;
  let isBroken = false;
  return {
    observe(nowC, duty, nowMs) {
      if (nowC === undefined || duty === undefined || duty < FULL_DUTY) {
        full = undefined;
        return;
      }
      if (full === undefined || nowC > full.fromC) full = { sinceMs: nowMs, fromC: nowC };
      isBroken ||= nowMs - full.sinceMs >= forMs && nowC < full.fromC - fallC;
    },
    isBroken: () => isBroken,
    restart() {
      full = undefined;
    },
  };
}
