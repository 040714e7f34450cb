// The system's strong randomness as a Random. One call to the system fills a pool of 1,024 draws: a
// call for each draw was a fifth of what a question cost the main thread (an id takes 16).

import { randomFillSync } from "node:crypto";
import type { Random } from "@gantry/shared/base/prng.ts";

const DRAWS = 1_024;

/** 32 bits a draw. A draw is wiped from the pool as it is taken: secrets are made of it. */
export function makeStrongRandom(): Random {
  const pool = new Uint32Array(DRAWS);
  let left = 0;
  return () => {
    if (left === 0) {
      randomFillSync(pool);
      left = DRAWS;
    }
    left -= 1;
    const draw = pool[left] ?? 0;
    pool[left] = 0;
    return draw / 4_294_967_296;
  };
}
