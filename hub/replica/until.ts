import type { Clock } from "@gantry/shared/flow/clock.ts";

/** Looks every millisecond until `isDone`. Rejects with the signal's reason. */
export async function until(
  isDone: () => boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!isDone()) await clock.sleep(1, signal);
}
