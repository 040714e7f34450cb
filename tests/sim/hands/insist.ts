// A broken invariant that nobody can catch: much of what is looked at here happens inside product code,
// which turns whatever is thrown into an outcome, a log line or another try.

import { Broken, type World } from "../world.ts";

const firsts = new WeakMap<World, Broken>();

/** Throws, and remembers the first one for `brokenIn`. */
export function insist(world: World, condition: boolean, words: () => string): void {
  if (condition) return;
  const broken = new Broken(words());
  if (!firsts.has(world)) firsts.set(world, broken);
  throw broken;
}

export const brokenIn = (world: World): Error | undefined => firsts.get(world);
