// Reads what another program sent as JSON. Nothing in it is believed: a field that is not what it
// should be is absent, never an error.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Temperatures } from "@gantry/shared/contract/bridge.ts";

export type Facts = Readonly<Record<string, unknown>>;

/** No field that a merge could mistake for the object's own machinery. */
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);
const DEPTH_MAX = 12;
const TEXT_CHARS_MAX = 400;

export const isFacts = (value: unknown): value is Facts =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An object; an empty one where the text is no JSON object. */
export function parseFacts(text: string): Facts | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFacts(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The object at a path of names; empty where there is none. */
export function factsAt(facts: unknown, ...path: readonly string[]): Facts {
  let at = facts;
  for (const name of path) at = isFacts(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return isFacts(at) ? at : {};
}

export function textAt(facts: Facts, name: string): string | undefined {
  const value = facts[name];
  return typeof value === "string" ? value.slice(0, TEXT_CHARS_MAX) : undefined;
}

/** A finite number, or a text that is one: some firmwares send `"215"`. */
export function numberAt(facts: Facts, name: string): number | undefined {
  const value = facts[name];
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

export function flagAt(facts: Facts, name: string): boolean {
  return facts[name] === true;
}

/** Where a heater's temperature and its target stand. */
type HeaterPlace = readonly [facts: Facts, now: string, target: string];

/** Undefined where the nozzle's is not told; anything else that is not told is 0. */
export function temperaturesAt(nozzle: HeaterPlace, bed: HeaterPlace): Temperatures | undefined {
  const at = ([facts, now, target]: HeaterPlace) =>
    [numberAt(facts, now), numberAt(facts, target) ?? 0] as const;
  const [nozzleC, nozzleTargetC] = at(nozzle);
  const [bedC = 0, bedTargetC] = at(bed);
  return nozzleC === undefined ? undefined : { nozzleC, nozzleTargetC, bedC, bedTargetC };
}

/** The objects of a list, at most as many as are told of a printer. */
export function listAt(facts: Facts, name: string): readonly Facts[] {
  const value = facts[name];
  if (!Array.isArray(value)) return [];
  return value.filter(isFacts).slice(0, LIMIT.printerFacts.max);
}

/**
 * What was known with what changed: objects field by field, all else replaced. What is nested too
 * deep is left out.
 */
export function mergeFacts(known: Facts, change: Facts, depth = 0): Facts {
  const merged: Record<string, unknown> = { ...known };
  for (const [name, value] of Object.entries(change)) {
    if (FORBIDDEN.has(name)) continue;
    if (!isFacts(value)) merged[name] = value;
    else if (depth < DEPTH_MAX) merged[name] = mergeFacts(factsAt(known, name), value, depth + 1);
  }
  return merged;
}

/** 0..1, whatever was said. */
export const shareOf = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.min(1, Math.max(0, value));

/** Not negative. */
export const secondsOf = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.max(0, Math.round(value));

/** An object without the fields that are undefined. */
export function known<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T {
  // What is filtered out is exactly what the type excludes.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
