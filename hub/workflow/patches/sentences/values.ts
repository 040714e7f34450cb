// Values in sentences: times, numbers, texts.

import type { Json } from "../../json-value.ts";

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
};

/** "5 minutes", "1.5 h", "90s"; undefined if it is none. A whole number of ms, from 1. */
export function durationMs(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]+)$/i.exec(text.trim());
  const unit = (match?.[2] ?? "").toLowerCase();
  const factor = UNITS[unit] ?? UNITS[unit.replace(/s$/, "")];
  if (match === null || factor === undefined) return undefined;
  const ms = Math.round(Number(match[1]) * factor);
  return ms >= 1 ? ms : undefined;
}

const QUOTED = /^(["'`“‘])([\s\S]*)(["'`”’])$/;

export function unquoted(text: string): string {
  const trimmed = text.trim();
  return QUOTED.exec(trimmed)?.[2] ?? trimmed;
}

/** JSON where it is some; a time where the field is one; else the text, without its quotes. */
export function valueFor(field: string, text: string): Json {
  const trimmed = text.trim();
  const ms = field.endsWith("Ms") ? durationMs(trimmed) : undefined;
  if (ms !== undefined) return ms;
  try {
    return JSON.parse(trimmed) as Json;
  } catch {
    return unquoted(trimmed);
  }
}

const COUNTS: Readonly<Record<string, number>> = {
  once: 1,
  twice: 2,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  seven: 7,
  eight: 8,
  nine: 9,
  ten: 10,
};

/** "3", "three", "twice". */
export function countOf(text: string): number | undefined {
  const word = text.trim().toLowerCase();
  if (/^\d{1,3}$/.test(word)) return Number(word);
  return Object.hasOwn(COUNTS, word) ? COUNTS[word] : undefined;
}
