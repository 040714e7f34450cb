// Random numbers that a seed repeats. Anything that draws takes a Random, so that the simulator and
// a failing test can run the same thing again.

/** A number in [0, 1). */
export type Random = () => number;

/** mulberry32 (T. Ettinger, public domain): 32 bits of state, period 2^32. Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A whole number from `low` to `high`, both included. */
export const between = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));
