// Turns of the real loop between simulated events: product code awaits, so after each event all that
// it set in motion must come to rest before the next one happens.

import type { World } from "../world.ts";

const rest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs to `untilMs`, or until `isDone`. */
export async function advanceWorld(
  world: World,
  untilMs: number,
  isDone: () => boolean = () => false,
): Promise<void> {
  for (;;) {
    const before = world.events;
    world.run(untilMs, () => false);
    await rest();
    if (isDone() || world.events === before) return;
  }
}
