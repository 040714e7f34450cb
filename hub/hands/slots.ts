// A bound on how much is done at once.

export interface Slots {
  /** Resolves when there is room; rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<void>;
  free(): void;
}

/** At most `max` at once; the others wait, the first first. */
export function makeSlots(max: number): Slots {
  let used = 0;
  const waiting = new Set<() => void>();
  return {
    async take(signal) {
      if (used < max) {
        used += 1;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          signal.removeEventListener("abort", leave);
          waiting.delete(go);
          resolve();
        };
        const leave = (): void => {
          waiting.delete(go);
          reject(signal.reason as Error);
        };
        waiting.add(go);
        signal.addEventListener("abort", leave, { once: true });
      });
    },
    free() {
      const [next] = waiting;
      if (next === undefined) used -= 1;
      else next();
    },
  };
}
