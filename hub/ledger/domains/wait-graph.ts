// Who waits for whom. Pure: looks for the circle that one more wait would close.
//
// WQ1. An owner is one thread of work: it goes on only when it has everything that it waits for. So
//      whoever waits depends on the holder of the lock and on everybody who is to get it first.
// WQ2. A turn that comes makes no new dependency: who gets the lock was ahead of those behind it. Only
//      a new wait can close a circle, so looking at each new wait finds every one, at once.
// WQ3. An owner that waits for what it holds itself is no circle: the holder may be an older start of
//      the owner, and its lock ends by time (locks.ts X5).
// WQ4. The same waits give the same circle, one of the shortest, on every hub.

export interface Wait {
  /** Identity of who waits. */
  readonly who: string;
  readonly lock: string;
  /** Who holds the lock, then who is next before `who`; the others before are reached through it. */
  readonly behind: readonly string[];
}

/**
 * The circle that `closing` would close over `waits`, `closing` first: each waits for the next, the
 * last for the first. Undefined if there is none. O(waits), but for the sorting of one owner's waits.
 */
export function findCycle(waits: Iterable<Wait>, closing: Wait): readonly Wait[] | undefined {
  const waitsOf = new Map<string, Wait[]>();
  for (const wait of waits) {
    const known = waitsOf.get(wait.who);
    if (known === undefined) waitsOf.set(wait.who, [wait]);
    else known.push(wait);
  }
  // Breadth first: the first way back is one of the shortest.
  const cameBy = new Map<string, Wait>([]);
  let edge: readonly Wait[] = [closing];
  while (edge.length > 0) {
    const next: Wait[] = [];
    for (const wait of edge) {
      for (const who of wait.behind) {
        if (who === wait.who || cameBy.has(who)) continue; // WQ3
        cameBy.set(who, wait);
        if (who === closing.who) return pathTo(who, cameBy);
        next.push(...inOrderOfLocks(waitsOf.get(who)));
      }
    }
    edge = next;
  }
  return undefined;
}

const inOrderOfLocks = (waits: readonly Wait[] = []): readonly Wait[] =>
  waits.toSorted((a, b) => (a.lock < b.lock ? -1 : 1)); // WQ4

/** From the closing wait to the one that leads back to `who`. */
function pathTo(who: string, cameBy: ReadonlyMap<string, Wait>): readonly Wait[] {
  const path: Wait[] = [];
  let at = cameBy.get(who);
  while (at !== undefined) {
    path.unshift(at);
    at = at.who === who ? undefined : cameBy.get(at.who);
  }
  return path;
}
