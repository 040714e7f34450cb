// What an expression may cost.
//
// CF1. Every step is paid for before it is done, and what makes or reads long values pays by their
//      length: so an expression ends within its fuel, whatever it is, and always at the same place.

import { isArray, isObject, type Json, memberOf } from "../json-value.ts";
import { CelFault } from "./fault.ts";

/** What is left to spend. */
export interface Fuel {
  left: number;
}

/** Characters that are read or written for one step. */
const CHARS_EACH = 16;

/** Throws CelFault cel_too_costly. */
export function spend(fuel: Fuel, steps: number): void {
  fuel.left -= steps;
  if (fuel.left < 0) throw new CelFault("cel_too_costly", "The expression takes too many steps");
}

export const spendChars = (fuel: Fuel, chars: number): void =>
  spend(fuel, 1 + Math.ceil(chars / CHARS_EACH));

/** Equal as JSON is: numbers by value, members in any order. */
export function isEqual(a: Json, b: Json, fuel: Fuel): boolean {
  spend(fuel, 1);
  if (a === b) return true;
  if (typeof a === "string" && typeof b === "string") {
    spendChars(fuel, a.length === b.length ? a.length : 0);
    return false;
  }
  if (isArray(a)) {
    return (
      isArray(b) &&
      a.length === b.length &&
      a.every((item, at) => isEqual(item, b[at] ?? null, fuel))
    );
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  spend(fuel, keys.length);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => {
    const [ours, theirs] = [memberOf(a, key), memberOf(b, key)];
    return ours !== undefined && theirs !== undefined && isEqual(ours, theirs, fuel);
  });
}

/** How much of a value would be walked to read it whole; shared parts count each time. */
export function spendWhole(fuel: Fuel, value: Json): void {
  if (typeof value === "string") spendChars(fuel, value.length);
  else spend(fuel, 1);
  if (isArray(value)) for (const item of value) spendWhole(fuel, item);
  else if (isObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      spendChars(fuel, key.length);
      spendWhole(fuel, member);
    }
  }
}
