// Numbers of a JSON schema as GBNF: a range of whole numbers becomes an automaton over digits. Pure.
//
// N1. A bound is never passed: "200 to 250" cannot produce 20, 2000 or 2e2.
// N2. Whole numbers have at most DIGITS_MAX digits, so a double holds them exactly, and no exponent
//     (node-llama-cpp's own grammar wrote 67e667 where an integer was due).

/** Largest magnitude that is written: 15 digits. */
const MAGNITUDE_MAX = 999_999_999_999_999;
const DIGITS_MAX = 15;
// The last digit is not 0, so `k.f` is over k and under k + 1 at any length.
const FRACTION = '("." [0-9]{0,7} [1-9])';

/** Bounds, all optional. */
export interface NumberBounds {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** An expression for the whole numbers within the bounds; undefined when there is none. */
export function integerGrammar(bounds: NumberBounds): string | undefined {
  const low = Math.max(
    Math.ceil(bounds.minimum ?? -MAGNITUDE_MAX),
    Math.floor((bounds.exclusiveMinimum ?? -Infinity) + 1),
    -MAGNITUDE_MAX,
  );
  const high = Math.min(
    Math.floor(bounds.maximum ?? MAGNITUDE_MAX),
    Math.ceil((bounds.exclusiveMaximum ?? Infinity) - 1),
    MAGNITUDE_MAX,
  );
  return joined(signedIntegers(low, high));
}

/** An expression for numbers within the bounds; undefined when it knows none. */
export function numberGrammar(bounds: NumberBounds): string | undefined {
  const isFree = Object.values(bounds).every((bound) => bound === undefined);
  if (isFree) return `"-"? ${digits()} ${FRACTION}? ([eE] [-+]? [0-9] [0-9]?)?`;
  const low = Math.max(bounds.minimum ?? -Infinity, bounds.exclusiveMinimum ?? -Infinity);
  const high = Math.min(bounds.maximum ?? Infinity, bounds.exclusiveMaximum ?? Infinity);
  const whole = integerGrammar(bounds);
  const fractions = [
    ...fractional("", Math.max(low, 0), high),
    ...fractional('"-" ', Math.max(-high, 0), -low),
  ];
  return joined([...(whole === undefined ? [] : [whole]), ...fractions]);
}

/** Numbers k.f whose magnitude lies strictly within [low, high]. */
function fractional(sign: string, low: number, high: number): string[] {
  const first = Math.ceil(low);
  const last = Math.min(Math.floor(high), MAGNITUDE_MAX) - 1;
  return first > last ? [] : [`${sign}(${naturals(first, last).join(" | ")}) ${FRACTION}`];
}

function signedIntegers(low: number, high: number): string[] {
  if (low > high) return [];
  const negatives = low < 0 ? naturals(Math.max(1, -high), -low) : [];
  const positives = high >= 0 ? naturals(Math.max(0, low), high) : [];
  return [...(negatives.length === 0 ? [] : [`"-" (${negatives.join(" | ")})`]), ...positives];
}

const joined = (alternatives: readonly string[]): string | undefined =>
  alternatives.length === 0 ? undefined : `(${alternatives.join(" | ")})`;

const digits = (): string => `("0" | [1-9] [0-9]{0,${DIGITS_MAX - 1}})`;

/** Alternatives for low..high, 0 <= low <= high: one block of equally long numbers after another. */
function naturals(low: number, high: number): string[] {
  if (low === 0 && high === MAGNITUDE_MAX) return [digits()];
  const blocks: string[] = [];
  for (let first = low; first <= high;) {
    const length = String(first).length;
    const last = Math.min(high, 10 ** length - 1);
    blocks.push(...sameLength(String(first), String(last)));
    first = last + 1;
  }
  return blocks;
}

/** Alternatives for low..high where both have the same number of digits. */
function sameLength(low: string, high: string): string[] {
  if (low === high) return [`"${low}"`];
  const rest = low.length - 1;
  const [firstLow, firstHigh] = [Number(low[0]), Number(high[0])];
  if (rest === 0) return [`[${firstLow}-${firstHigh}]`];
  if (firstLow === firstHigh) return prefixed(firstLow, sameLength(low.slice(1), high.slice(1)));
  const startsAtZeros = /^.0+$/.test(low);
  const endsAtNines = /^.9+$/.test(high);
  const middleFirst = startsAtZeros ? firstLow : firstLow + 1;
  const middleLast = endsAtNines ? firstHigh : firstHigh - 1;
  return [
    ...(startsAtZeros ? [] : prefixed(firstLow, sameLength(low.slice(1), "9".repeat(rest)))),
    ...(middleFirst > middleLast ? [] : [`[${middleFirst}-${middleLast}] [0-9]{${rest}}`]),
    ...(endsAtNines ? [] : prefixed(firstHigh, sameLength("0".repeat(rest), high.slice(1)))),
  ];
}

const prefixed = (digit: number, tails: readonly string[]): string[] => [
  `"${digit}" (${tails.join(" | ")})`,
];
