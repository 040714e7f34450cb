// Canonical JSON: one text for one value, so that a hash of it can be compared anywhere.
// Keys are sorted by UTF-16 code unit and undefined members are left out, as in RFC 8785 (JCS);
// numbers are written as ECMAScript writes them, which is what RFC 8785 asks for.

import { GantryError } from "./errors.ts";

const DEPTH_MAX = 64;

/** Throws bad_request for a cycle (depth over 64), a non-finite number, a function or a bigint. */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > DEPTH_MAX) throw new GantryError("bad_request", "The value is nested too deeply");
  if (value === null || typeof value === "boolean" || typeof value === "string") {
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new GantryError("bad_request", "A number is not finite");
    return JSON.stringify(value);
  }
  if (typeof value === "object") {
    return Array.isArray(value) ? ofArray(value, depth) : ofObject(value, depth);
  }
  throw new GantryError("bad_request", `A ${typeof value} has no JSON form`);
}

function ofArray(values: readonly unknown[], depth: number): string {
  return `[${values.map((value) => canonicalJson(value ?? null, depth + 1)).join(",")}]`;
}

function ofObject(value: object, depth: number): string {
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member, depth + 1)}`);
  return `{${members.join(",")}}`;
}
