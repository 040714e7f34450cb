// How long a printer needs for its moves: the look-ahead planner of desktop firmware as arithmetic.
// Every move is a trapezoid of speed; how fast it may be entered follows from the corner before it
// (jerk, or junction deviation) and from what must still be braked for behind it.
// Source of the rules: Marlin's planner documentation and M201, M203, M204, M205.
//
// GT1. Memory is one window of moves, whatever the file's size; a move is timed once, after enough
//      later ones are known.

import type { Command } from "./command.ts";

export interface MotionTime {
  /** A straight move by these mm at `feedMmS`; E alone is a retraction or its end. */
  move(dx: number, dy: number, dz: number, de: number, feedMmS: number): void;
  /** Takes M201, M203, M204, M205 and M220; others are ignored. */
  limit(command: Command): void;
  /** The machine stands still for so long. */
  pause(seconds: number): void;
  /** So far, as if the machine stopped now. */
  seconds(): number;
}

/** Moves known ahead. Firmware has 16; slicers look further, and so the pessimism of 16 is left out. */
const WINDOW = 512;
const X = 0;
const Y = 1;
const Z = 2;
const E = 3;
const LETTERS = ["X", "Y", "Z", "E"] as const;

/** What PrusaSlicer assumes of a printer whose profile says nothing (its default configuration). */
const DEFAULTS = {
  feedMmS: [500, 500, 12, 120],
  accelerationMmS2: [9_000, 9_000, 500, 10_000],
  jerkMmS: [10, 10, 0.2, 2.5],
  printMmS2: 1_500,
  retractMmS2: 1_500,
  travelMmS2: 1_500,
} as const;

export function makeMotionTime(): MotionTime {
  const feedMax = Float64Array.from(DEFAULTS.feedMmS);
  const accelerationMax = Float64Array.from(DEFAULTS.accelerationMmS2);
  const jerk = Float64Array.from(DEFAULTS.jerkMmS);
  let printMmS2: number = DEFAULTS.printMmS2;
  let retractMmS2: number = DEFAULTS.retractMmS2;
  let travelMmS2: number = DEFAULTS.travelMmS2;
  /** 0: classic jerk. */
  let deviationMm = 0;
  let speedFactor = 1;

  // The window, one column for each property: no object for each of ten million moves.
  const length = new Float64Array(WINDOW);
  const cruise = new Float64Array(WINDOW);
  const acceleration = new Float64Array(WINDOW);
  const entryMax = new Float64Array(WINDOW);
  const entry = new Float64Array(WINDOW + 1);
  let count = 0;
  let entered = 0; // speed at which the first move of the window is entered
  let total = 0;

  const speed = new Float64Array(4); // of the newest move, by axis
  const speedBefore = new Float64Array(4);
  let cruiseBefore = 0;

  function cornerSpeed(cruiseNow: number, accelerationNow: number): number {
    if (cruiseBefore === 0) return stopSpeed(cruiseNow);
    return deviationMm > 0
      ? deviationSpeed(cruiseNow, accelerationNow)
      : jerkSpeed(Math.min(cruiseNow, cruiseBefore), cruiseNow);
  }

  /** Speed that the machine may jump to from rest. */
  function stopSpeed(cruiseNow: number): number {
    let share = 1;
    for (let axis = 0; axis < 4; axis += 1) {
      const [limit, wanted] = [jerk[axis] ?? 0, Math.abs(speed[axis] ?? 0)];
      if (wanted * share > limit) share = limit / wanted;
    }
    return cruiseNow * share;
  }

  function jerkSpeed(through: number, cruiseNow: number): number {
    const scaleBefore = through / cruiseBefore;
    const scaleNow = through / cruiseNow;
    let share = 1;
    for (let axis = 0; axis < 4; axis += 1) {
      const out = (speedBefore[axis] ?? 0) * scaleBefore;
      const into = (speed[axis] ?? 0) * scaleNow;
      // An axis that turns round passes rest, and the two halves count apart.
      const jump = out * into < 0 ? Math.max(Math.abs(out), Math.abs(into)) : Math.abs(out - into);
      const limit = jerk[axis] ?? 0;
      if (jump * share > limit) share = limit / jump;
    }
    return through * share;
  }

  /** The speed at which a circle that misses the corner by `deviationMm` needs this acceleration. */
  function deviationSpeed(cruiseNow: number, accelerationNow: number): number {
    let cos = 0;
    for (let axis = 0; axis < 3; axis += 1) {
      cos -= ((speedBefore[axis] ?? 0) * (speed[axis] ?? 0)) / (cruiseBefore * cruiseNow);
    }
    if (cos > 0.999_999) return 0;
    const through = Math.min(cruiseNow, cruiseBefore);
    if (cos < -0.999_999) return through;
    const sinHalf = Math.sqrt((1 - cos) / 2);
    return Math.min(through, Math.sqrt((accelerationNow * deviationMm * sinHalf) / (1 - sinHalf)));
  }

  /** Times the first `done` moves of the window and forgets them. */
  function settle(done: number): void {
    entry[count] = 0;
    for (let at = count - 1; at >= 0; at -= 1) {
      const brakeable = (entry[at + 1] ?? 0) ** 2 + 2 * (acceleration[at] ?? 0) * (length[at] ?? 0);
      entry[at] = Math.min(entryMax[at] ?? 0, Math.sqrt(brakeable));
    }
    let now = Math.min(entered, entry[0] ?? 0);
    for (let at = 0; at < done; at += 1) {
      const [l, a, v] = [length[at] ?? 0, acceleration[at] ?? 1, cruise[at] ?? 1];
      const after = Math.min(entry[at + 1] ?? 0, Math.sqrt(now ** 2 + 2 * a * l), v);
      total += trapezoidS(l, now, after, v, a);
      now = after;
    }
    length.copyWithin(0, done, count);
    cruise.copyWithin(0, done, count);
    acceleration.copyWithin(0, done, count);
    entryMax.copyWithin(0, done, count);
    count -= done;
    entered = now;
  }

  function stand(): void {
    settle(count);
    cruiseBefore = 0;
    entered = Infinity; // the next move is entered at what it may jump to
  }
  stand();

  return {
    move(dx, dy, dz, de, feedMmS) {
      const straight = Math.sqrt(dx * dx + dy * dy + dz * dz);
      const lengthMm = straight > 0 ? straight : Math.abs(de);
      if (lengthMm === 0) return;
      speed[X] = dx;
      speed[Y] = dy;
      speed[Z] = dz;
      speed[E] = de;
      let cruiseNow = feedMmS * speedFactor;
      let accelerationNow = straight === 0 ? retractMmS2 : de > 0 ? printMmS2 : travelMmS2;
      for (let axis = 0; axis < 4; axis += 1) {
        const share = Math.abs(speed[axis] ?? 0) / lengthMm;
        if (share === 0) continue;
        cruiseNow = Math.min(cruiseNow, (feedMax[axis] ?? 0) / share);
        accelerationNow = Math.min(accelerationNow, (accelerationMax[axis] ?? 0) / share);
      }
      for (let axis = 0; axis < 4; axis += 1) {
        speed[axis] = ((speed[axis] ?? 0) / lengthMm) * cruiseNow;
      }
      length[count] = lengthMm;
      cruise[count] = cruiseNow;
      acceleration[count] = accelerationNow;
      entryMax[count] = cornerSpeed(cruiseNow, accelerationNow);
      count += 1;
      speedBefore.set(speed);
      cruiseBefore = cruiseNow;
      if (count === WINDOW) settle(WINDOW / 2);
    },
    limit({ name, words }) {
      const positive = (letter: string): number | undefined => {
        const value = words.get(letter);
        return value !== undefined && value > 0 ? value : undefined;
      };
      const setAxes = (column: Float64Array): void => {
        for (const [axis, letter] of LETTERS.entries()) {
          column[axis] = positive(letter) ?? column[axis] ?? 1;
        }
      };
      switch (name) {
        case "M201":
          return setAxes(accelerationMax);
        case "M203":
          return setAxes(feedMax);
        case "M204":
          printMmS2 = positive("P") ?? positive("S") ?? printMmS2;
          travelMmS2 = positive("T") ?? positive("S") ?? travelMmS2;
          retractMmS2 = positive("R") ?? retractMmS2;
          return;
        case "M205":
          setAxes(jerk);
          deviationMm = positive("J") ?? deviationMm;
          return;
        case "M220":
          speedFactor = (positive("S") ?? speedFactor * 100) / 100;
          return;
        default:
          return;
      }
    },
    pause(seconds) {
      stand();
      total += seconds;
    },
    seconds() {
      stand();
      return total;
    },
  };
}

/** Seconds for `l` mm from speed `v0` to `v1`, never over `v`, at `a` mm/s2. */
function trapezoidS(l: number, v0: number, v1: number, v: number, a: number): number {
  const rampsMm = (2 * v * v - v0 * v0 - v1 * v1) / (2 * a);
  if (rampsMm <= l) return (2 * v - v0 - v1) / a + (l - rampsMm) / v;
  const peak = Math.sqrt((2 * a * l + v0 * v0 + v1 * v1) / 2);
  return Math.max(0, 2 * peak - v0 - v1) / a;
}
