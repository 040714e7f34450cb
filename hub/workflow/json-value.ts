// JSON values: what they are, when two are the same, how much one weighs.
//
// JV1. Only own members count: `__proto__` and `constructor` are keys like any other, and nothing of a
//      prototype is ever read or written.
// JV2. A value is never changed once somebody else can see it, so what it weighs is remembered.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export const isArray = (value: unknown): value is readonly Json[] => Array.isArray(value);
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The own member, else undefined (JV1). */
export const memberOf = (object: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

/** Writes an own member (JV1). */
export function setMember(object: Record<string, Json>, key: string, value: Json): void {
  if (key === "__proto__") {
    Object.defineProperty(object, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else object[key] = value;
}

/** RFC 6902, section 4.6: numbers by value, members in any order. */
export function isSame(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (isArray(a)) {
    if (!isArray(b) || a.length !== b.length) return false;
    for (let at = 0; at < a.length; at += 1) {
      if (!isSame(a[at] ?? null, b[at] ?? null)) return false;
    }
    return true;
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) {
    const [ours, theirs] = [memberOf(a, key), memberOf(b, key)];
    if (ours === undefined || theirs === undefined || !isSame(ours, theirs)) return false;
  }
  return true;
}

export interface Measure {
  /** Characters of strings and keys, and WEIGHT_EACH for each value. */
  readonly weight: number;
  /** 0 for a value that holds no others. */
  readonly depth: number;
}
export const WEIGHT_EACH = 8;

const known = new WeakMap<object, Measure>();
/** What is lighter is measured anew sooner than it is looked up and swept. */
const REMEMBERED_WEIGHT = 512;

/** Why a value has no measure. */
export type Unmeasured = "too_deep" | "not_json";

/**
 * `isOpen` says which containers may still be changed: of those nothing is remembered (JV2). A value
 * that is nested deeper than `depthMax`, a circle among them, is `too_deep`.
 */
export function measure(
  value: unknown,
  depthMax: number,
  isOpen: (container: object) => boolean = () => false,
): Measure | Unmeasured {
  if (typeof value === "string") return { weight: WEIGHT_EACH + value.length, depth: 0 };
  if (typeof value === "number") return Number.isFinite(value) ? PLAIN : "not_json";
  if (value === null || typeof value === "boolean") return PLAIN;
  if (typeof value !== "object") return "not_json";
  const before = known.get(value);
  if (before !== undefined) return before.depth > depthMax ? "too_deep" : before;
  if (depthMax === 0) return "too_deep";
  const made = Array.isArray(value)
    ? measureAll(value, 0, depthMax, isOpen)
    : measureObject(value, depthMax, isOpen);
  if (typeof made !== "string" && made.weight >= REMEMBERED_WEIGHT && !isOpen(value))
    known.set(value, made);
  return made;
}

const PLAIN: Measure = { weight: WEIGHT_EACH, depth: 0 };

function measureObject(
  value: object,
  depthMax: number,
  isOpen: (container: object) => boolean,
): Measure | Unmeasured {
  let keys = 0;
  for (const key of Object.keys(value)) keys += key.length;
  return measureAll(Object.values(value), keys, depthMax, isOpen);
}

function measureAll(
  members: readonly unknown[],
  keysWeight: number,
  depthMax: number,
  isOpen: (container: object) => boolean,
): Measure | Unmeasured {
  let weight = WEIGHT_EACH + keysWeight;
  let depth = 0;
  for (const member of members) {
    const inner = measure(member, depthMax - 1, isOpen);
    if (typeof inner === "string") return inner;
    weight += inner.weight;
    depth = Math.max(depth, inner.depth);
  }
  return { weight, depth: depth + 1 };
}
