// Times as workflows give them: ms since 1970, or ISO 8601 text that names its zone. Pure: a text
// without a zone would mean another time on each machine, so it is refused.

import { CelFault } from "./cel/fault.ts";
import type { Json } from "./json-value.ts";

const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;
const MS_MAX = 8_640_000_000_000_000; // ECMA-262, "Time Values and Time Range"

/** ms since 1970. Throws CelFault cel_type. */
export function timeMs(value: Json): number {
  const ms =
    typeof value === "number"
      ? value
      : typeof value === "string" && ISO.test(value)
        ? Date.parse(value)
        : NaN;
  if (!(Math.abs(ms) <= MS_MAX)) {
    throw new CelFault("cel_type", "A time is ms since 1970, or ISO 8601 text with its zone");
  }
  return Math.trunc(ms);
}

/** In UTC. `weekday`: 1 Monday to 7 Sunday (ISO 8601). Throws CelFault cel_type. */
export function timeParts(value: Json): Json {
  const ms = timeMs(value);
  const time = new Date(ms);
  return {
    ms,
    iso: time.toISOString(),
    year: time.getUTCFullYear(),
    month: time.getUTCMonth() + 1,
    day: time.getUTCDate(),
    hour: time.getUTCHours(),
    minute: time.getUTCMinutes(),
    second: time.getUTCSeconds(),
    weekday: ((time.getUTCDay() + 6) % 7) + 1,
  };
}
