// GBNF, the grammar language of llama.cpp, as text: literals and character classes. Pure.
//
// T1. Characters are written by number unless they are letters or digits, so nothing that comes
//     from a caller's schema can end a literal or open a rule.

/** First and last code point, both included. */
export type CharRange = readonly [first: number, last: number];

/** What may stand in a JSON string as it is: no quote, no backslash, no control, no surrogate. */
export const PLAIN_CHARS: readonly CharRange[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0x7e],
  [0xa0, 0xd7ff],
  [0xe000, 0xfffd],
  [0x1_00_00, 0x10_ff_ff],
];

/** A literal that matches exactly `text`. */
export function literal(text: string): string {
  const chars = Array.from(text, (char) => (/[\w :,.{}[\]/+-]/.test(char) ? char : escaped(char)));
  return `"${chars.join("")}"`;
}

const escaped = (char: string): string => codeOf(char.codePointAt(0) ?? 0);

/** A class of the ranges; undefined when there are none. */
export function charClass(ranges: readonly CharRange[]): string | undefined {
  if (ranges.length === 0) return undefined;
  const parts = ranges.map(([first, last]) =>
    first === last ? codeOf(first) : `${codeOf(first)}-${codeOf(last)}`,
  );
  return `[${parts.join("")}]`;
}

function codeOf(code: number): string {
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xff_ff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** What both sets hold, in ascending order. */
export function intersect(
  left: readonly CharRange[],
  right: readonly CharRange[],
): readonly CharRange[] {
  const common: CharRange[] = [];
  for (const [leftFirst, leftLast] of left) {
    for (const [rightFirst, rightLast] of right) {
      const first = Math.max(leftFirst, rightFirst);
      const last = Math.min(leftLast, rightLast);
      if (first <= last) common.push([first, last]);
    }
  }
  return common.toSorted((a, b) => a[0] - b[0]);
}

/** All code points that are not in `ranges`. */
export function complement(ranges: readonly CharRange[]): readonly CharRange[] {
  const gaps: CharRange[] = [];
  let next = 0;
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (first > next) gaps.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  if (next <= 0x10_ff_ff) gaps.push([next, 0x10_ff_ff]);
  return gaps;
}

/** `expression` between `min` and `max` times; Infinity has no upper bound. */
export function repeated(expression: string, min: number, max: number): string {
  if (max === 0) return '""';
  if (min === 0 && max === 1) return `(${expression})?`;
  if (max === Infinity) return min === 0 ? `(${expression})*` : `(${expression}){${min},}`;
  return min === max ? `(${expression}){${min}}` : `(${expression}){${min},${max}}`;
}
