// Makes a failing seed smaller: fewer kinds of faults, a shorter storm. Any failure counts, since what
// is left out changes the course of chance.

import { drawMix, type Fault } from "./mix.ts";
import { runSeed, type SeedOptions, type SeedOutcome } from "./run-seed.ts";

export interface Shrunk {
  readonly without: ReadonlySet<Fault>;
  readonly stormMsMax: number;
  readonly outcome: SeedOutcome;
  readonly tries: number;
}

export function shrink(seed: number, options: SeedOptions): Shrunk {
  let without = new Set(options.without);
  let stormMsMax = drawMix(seed, without).stormMs;
  let tries = 0;
  const run = (leftOut: ReadonlySet<Fault>, stormMs: number, isTelling: boolean): SeedOutcome => {
    tries += 1;
    return runSeed(seed, { ...options, without: leftOut, stormMsMax: stormMs, isTelling });
  };
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const fault of drawMix(seed, without).faults) {
      const fewer = new Set([...without, fault]);
      if (run(fewer, stormMsMax, false).failure === undefined) continue;
      without = fewer;
      isSmaller = true;
    }
    const shorter = run(without, stormMsMax * 0.8, false);
    if (shorter.failure === undefined) continue;
    stormMsMax *= 0.8;
    isSmaller = true;
  }
  return { without, stormMsMax, outcome: run(without, stormMsMax, true), tries };
}
