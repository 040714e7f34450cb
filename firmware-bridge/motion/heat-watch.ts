// Watches a heater from outside: Marlin's own protection takes about 40 s (measured), this one less.
//
// HW1. Full duty while the temperature falls for DUTY_MS is a broken heater.
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

const DUTY_MS = 5_000;
const FALL_C = 1;
const ECHO_MS = 5_000;
const SILENCE_MS = 10_000;
const FULL_DUTY = 126;
const SAME_C = 1;

export function makeHeatWatch(nowMs: number): HeatWatch {
  const expected = { nozzle: 0, bed: 0 };
  const wrongSinceMs: { nozzle?: number; bed?: number } = {};
  let fullDuty: { readonly sinceMs: number; readonly fromC: number } | undefined;
  let fallen = false;
  let wrong: string | undefined;
  let heardMs = nowMs;

  function checkEcho(heater: "nozzle" | "bed", actualC: number | undefined, atMs: number): void {
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
      fullDuty = undefined;
    },
    observe(reading, atMs) {
      heardMs = atMs;
      checkEcho("nozzle", reading.nozzleTargetC, atMs); // HW2
      checkEcho("bed", reading.bedTargetC, atMs);
      const { nozzleC, nozzleDuty } = reading;
      if (nozzleC === undefined || nozzleDuty === undefined || nozzleDuty < FULL_DUTY) {
        fullDuty = undefined;
        return;
      }
      if (fullDuty === undefined || nozzleC > fullDuty.fromC) {
        fullDuty = { sinceMs: atMs, fromC: nozzleC };
      }
      fallen ||= atMs - fullDuty.sinceMs >= DUTY_MS && nozzleC < fullDuty.fromC - FALL_C; // HW1
    },
    fault(atMs) {
      if (fallen) return "The nozzle cools down at full power: its heater is broken";
      if (wrong !== undefined) return wrong;
      const isHot = expected.nozzle > 0 || expected.bed > 0;
      return isHot && atMs - heardMs > SILENCE_MS // HW3
        ? `No temperature for ${SILENCE_MS / 1_000} s while a heater is on`
        : undefined;
    },
  };
}
