// The known name that a mistyped one most likely meant.

/** Undefined when every name differs in more than a third of its letters. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const ranked = [...known].map((other) => ({ other, steps: editDistance(name, other) }));
  const best = ranked.toSorted((a, b) => a.steps - b.steps)[0];
  if (best === undefined || best.steps > Math.max(2, best.other.length / 3)) return undefined;
  return best.other;
}

/** Levenshtein, one row at a time. O(a * b), for names of some 20 letters. */
export function editDistance(source: string, target: string): number {
  let row = Array.from({ length: target.length + 1 }, (_, index) => index);
  for (let above = 0; above < source.length; above += 1) {
    const next = [above + 1];
    for (let index = 0; index < target.length; index += 1) {
      const insert = (next[index] ?? 0) + 1;
      const remove = (row[index + 1] ?? 0) + 1;
      const swap = (row[index] ?? 0) + (source[above] === target[index] ? 0 : 1);
      next.push(Math.min(insert, remove, swap));
    }
    row = next;
  }
  return row[target.length] ?? 0;
}
