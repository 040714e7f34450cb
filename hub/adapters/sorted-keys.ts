// Keys in byte order with a place each, for stores whose keys come and go mostly at both ends. Pure.

export interface SortedKeys<T> {
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  delete(key: string): void;
  /** Keys from `gte` to before `lt`, in order. A copy. */
  range(gte: string | undefined, lt: string | undefined): readonly string[];
  readonly size: number;
}

export function makeSortedKeys<T>(): SortedKeys<T> {
  const values = new Map<string, T>();
  const keys: string[] = [];

  /** Of the first key that is not below. */
  function placeOf(key: string): number {
    let [low, high] = [0, keys.length];
    const last = keys[high - 1];
    if (last === undefined || last < key) return high;
    const first = keys[0];
    if (first !== undefined && key <= first) return 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    get: (key) => values.get(key),
    set(key, value) {
      if (!values.has(key)) keys.splice(placeOf(key), 0, key);
      values.set(key, value);
    },
    delete(key) {
      if (values.delete(key)) keys.splice(placeOf(key), 1);
    },
    range: (gte, lt) =>
      keys.slice(
        gte === undefined ? 0 : placeOf(gte),
        lt === undefined ? keys.length : placeOf(lt),
      ),
    get size() {
      return keys.length;
    },
  };
}
