// A heater and its thermistor: first order, with Marlin's protection times.

export interface HeaterModel {
  /** Degrees a second at full duty and no loss. */
  readonly riseCPerS: number;
  /** Share of the difference to the room lost each second. */
  readonly lossPerS: number;
  /** Marlin's MAXTEMP; a target is silently clamped to 15 under it. */
  readonly maxC: number;
}

export const NOZZLE: HeaterModel = { riseCPerS: 4, lossPerS: 0.012, maxC: 275 };
export const BED: HeaterModel = { riseCPerS: 1, lossPerS: 0.005, maxC: 125 };

export type HeaterFault = "Heating failed" | "Thermal Runaway";

export interface Heater {
  readonly nowC: number;
  readonly targetC: number;
  /** 0..127. */
  readonly duty: number;
  setTarget(targetC: number): void;
  /** Says what Marlin's protection found. `dtS`: small against the model's times. */
  step(dtS: number, isBroken: boolean): HeaterFault | undefined;
}

const ROOM_C = 21;
const WATCH_S = 40;
const WATCH_RISE_C = 2;
const HYSTERESIS_C = 4;

/** `factor`: how many times faster than a real one. */
export function makeHeater(model: HeaterModel, factor: number): Heater {
  const riseCPerS = model.riseCPerS * factor;
  const lossPerS = model.lossPerS * factor;
  let nowC = ROOM_C;
  let targetC = 0;
  let duty = 0;
  let hasReached = false;
  let watch = { leftS: WATCH_S, fromC: ROOM_C };
  let lowS = 0;

  function protect(dtS: number): HeaterFault | undefined {
    if (targetC === 0) return undefined;
    if (nowC >= targetC - HYSTERESIS_C / 2) hasReached = true;
    if (hasReached) {
      lowS = nowC < targetC - HYSTERESIS_C ? lowS + dtS : 0;
      return lowS >= WATCH_S ? "Thermal Runaway" : undefined;
    }
    watch = { ...watch, leftS: watch.leftS - dtS };
    if (watch.leftS > 0) return undefined;
    if (nowC < watch.fromC + WATCH_RISE_C) return "Heating failed";
    watch = { leftS: WATCH_S, fromC: nowC };
    return undefined;
  }

  return {
    get nowC() {
      return nowC;
    },
    get targetC() {
      return targetC;
    },
    get duty() {
      return duty;
    },
    setTarget(wantedC) {
      targetC = Math.min(Math.max(0, wantedC), model.maxC - 15);
      hasReached = false;
      lowS = 0;
      watch = { leftS: WATCH_S, fromC: nowC };
    },
    step(dtS, isBroken) {
      const holding = ((targetC - ROOM_C) * lossPerS) / riseCPerS;
      const power = targetC === 0 ? 0 : Math.min(1, Math.max(0, (targetC - nowC) * 0.3 + holding));
      duty = Math.round(power * 127);
      const riseC = (isBroken ? 0 : power * riseCPerS) - (nowC - ROOM_C) * lossPerS;
      nowC += riseC * dtS;
      return protect(dtS);
    },
  };
}
