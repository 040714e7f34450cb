// Multiples of a number as GBNF. Pure.
//
// MU1. Few multiples are listed; those of 10, 100, ... are whole numbers with zeros behind them; without
//      bounds the last digits decide, where they can. Everything else is not known.
// MU2. Fractions are halves, quarters and eighths alone: these are exact in binary, so every reader of
//      schemas agrees about them.

import { integerGrammar, type NumberBounds } from "./grammar-number.ts";

const LISTED_MAX = 400;
const STEP_MAX = 1_000;
const ZEROS_MAX = 9;
const EIGHTHS = 8;

export type Multiples =
  | { readonly kind: "written"; readonly grammar: string }
  | { readonly kind: "none" }
  | { readonly kind: "unknown" };

/** `none`: nothing is within the bounds; `unknown`: it cannot be written. */
export function multiplesGrammar(bounds: NumberBounds, step: number): Multiples {
  if (step === 1) return written(integerGrammar(bounds));
  const low = Math.max(
    Math.ceil((bounds.minimum ?? -Infinity) / step),
    Math.floor((bounds.exclusiveMinimum ?? -Infinity) / step + 1),
  );
  const high = Math.min(
    Math.floor((bounds.maximum ?? Infinity) / step),
    Math.ceil((bounds.exclusiveMaximum ?? Infinity) / step - 1),
  );
  if (low > high) return { kind: "none" };
  const isExact = Number.isInteger(step * EIGHTHS); // MU2
  if (isExact && high - low < LISTED_MAX) return written(listed(low, high, step));
  if (!Number.isInteger(step)) return { kind: "unknown" };
  const zeros = Math.log10(step);
  if (Number.isInteger(zeros) && zeros <= ZEROS_MAX) return written(tens(low, high, zeros));
  const isFree = low === -Infinity && high === Infinity;
  const isPositive = (low === 0 || low === 1) && high === Infinity;
  if ((isFree || isPositive) && step <= STEP_MAX) {
    // 0 is a multiple, and -0 would be one that readers of JSON write in two ways.
    const positive = multiplesOf(step);
    if (low === 1) return written(positive);
    return written(isFree ? `("0" | "-"? ${positive})` : `("0" | ${positive})`);
  }
  return { kind: "unknown" };
}

const written = (grammar: string | undefined): Multiples =>
  grammar === undefined ? { kind: "none" } : { kind: "written", grammar };

const listed = (low: number, high: number, step: number): string =>
  `(${Array.from({ length: high - low + 1 }, (_, index) => `"${String((low + index) * step + 0)}"`).join(" | ")})`;

function tens(low: number, high: number, zeros: number): string | undefined {
  const most = 10 ** (15 - zeros) - 1;
  const positive = integerGrammar({ minimum: Math.max(low, 1), maximum: Math.min(high, most) });
  const negative = integerGrammar({ minimum: Math.max(low, -most), maximum: Math.min(high, -1) });
  const tail = `"${"0".repeat(zeros)}"`;
  const parts = [
    ...(low <= 0 && high >= 0 ? ['"0"'] : []),
    ...(positive === undefined ? [] : [`${positive} ${tail}`]),
    ...(negative === undefined ? [] : [`${negative} ${tail}`]),
  ];
  return parts.length === 0 ? undefined : `(${parts.join(" | ")})`;
}

/** Whole numbers over 0 that `step` divides: the last digits decide, or the first few are listed. */
function multiplesOf(step: number): string {
  const places = placesOf(step);
  if (places === undefined) return `(${smallMultiples(step).join(" | ")})`;
  const size = 10 ** places;
  const ends = Array.from({ length: size / step }, (_, index) => index * step);
  const tails = ends.map((end) => `"${String(end).padStart(places, "0")}"`).join(" | ");
  const short = ends.filter((end) => end > 0).map((end) => `"${end}"`);
  const long = `[1-9] [0-9]{0,${11 - places}} (${tails})`;
  return `(${[...short, long].join(" | ")})`;
}

/** The fewest digits p with step dividing 10^p; undefined where 3, 7, ... divide it. At most 3. */
function placesOf(step: number): number | undefined {
  return [1, 2, 3].find((places) => 10 ** places % step === 0);
}

/** Where the last digits do not decide: the first few hundred multiples. */
const smallMultiples = (step: number): readonly string[] =>
  Array.from({ length: LISTED_MAX }, (_, index) => `"${(index + 1) * step}"`);
