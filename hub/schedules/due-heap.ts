// Which schedule is due first. A binary heap over (instant, id); an id that is set again leaves its older
// place behind, which is thrown away when it comes up.

export interface DueHeap {
  /** Undefined takes the id out. */
  set(id: string, dueMs: number | undefined): void;
  /** The least instant, or undefined. */
  firstMs(): number | undefined;
  /** Takes out and gives the ids that are due at `nowMs`, the earliest first, at most `max`. */
  takeDue(nowMs: number, max: number): readonly string[];
  readonly size: number;
}

interface Place {
  readonly id: string;
  readonly dueMs: number;
}

export function makeDueHeap(): DueHeap {
  const places: Place[] = [];
  const current = new Map<string, number>();

  const isStale = ({ id, dueMs }: Place): boolean => current.get(id) !== dueMs;

  function up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(places, at, parent)) return;
      swap(places, at, parent);
      at = parent;
    }
  }

  function down(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      let least = at;
      for (const child of [left, left + 1]) {
        if (child < places.length && isBefore(places, child, least)) least = child;
      }
      if (least === at) return;
      swap(places, at, least);
      at = least;
    }
  }

  function takeFirst(): void {
    const last = places.pop();
    if (last === undefined || places.length === 0) return;
    places[0] = last;
    down();
  }

  function first(): Place | undefined {
    for (;;) {
      const [place] = places;
      if (place === undefined || !isStale(place)) return place;
      takeFirst();
    }
  }

  return {
    set(id, dueMs) {
      if (current.get(id) === dueMs) return;
      if (dueMs === undefined) {
        current.delete(id);
        return;
      }
      current.set(id, dueMs);
      places.push({ id, dueMs });
      up(places.length - 1);
    },
    firstMs: () => first()?.dueMs,
    takeDue(nowMs, max) {
      const ids: string[] = [];
      for (let place = first(); ids.length < max && place !== undefined; place = first()) {
        if (place.dueMs > nowMs) break;
        ids.push(place.id);
        current.delete(place.id);
        takeFirst();
      }
      return ids;
    },
    get size() {
      return current.size;
    },
  };
}

function isBefore(places: readonly Place[], a: number, b: number): boolean {
  const [one, other] = [places[a], places[b]];
  if (one === undefined || other === undefined) return false;
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.id < other.id);
}

function swap(places: Place[], a: number, b: number): void {
  const [one, other] = [places[a], places[b]];
  if (one === undefined || other === undefined) return;
  places[a] = other;
  places[b] = one;
}
