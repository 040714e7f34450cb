// How soon what an event made stale is read again. Pure: the present comes in as `nowMs`.
//
//   P1. Events within SETTLE_MS are one reading; a path is read at most once in REST_MS.

/** A burst of events is waited for so long: a person takes it for at once. */
export const SETTLE_MS = 120;
/** Two readings a second keep a page live, and a hub with a thousand events a second unharmed. */
export const REST_MS = 500;

type ReadAt = ReadonlyMap<string, number>;

const dueAtMs = (path: string, readAtMs: ReadAt): number => (readAtMs.get(path) ?? 0) + REST_MS;

/** Ms until the first of them may be read; at least SETTLE_MS, at most REST_MS. */
export function waitMs(stale: Iterable<string>, readAtMs: ReadAt, nowMs: number): number {
  const soonest = Math.min(...[...stale].map((path) => dueAtMs(path, readAtMs)));
  // A clock that was set back must not keep the page waiting.
  return Math.min(REST_MS, Math.max(SETTLE_MS, soonest - nowMs));
}

/** Those that may be read now (P1). */
export const dueOf = (stale: Iterable<string>, readAtMs: ReadAt, nowMs: number): string[] =>
  [...stale].filter((path) => {
    const restMs = dueAtMs(path, readAtMs) - nowMs;
    return restMs <= 0 || restMs > REST_MS;
  });
