// The parameters of a motion command, and a quick way to read the plain ones, which are nearly the
// whole of every file.
//
// GM1. What `readPlainMove` takes means what `parseCommand` says it means, number for number; what it
//      does not know it leaves to the other.

import { COMMAND_BYTES_MAX, type Command } from "./command.ts";

/** NaN for a parameter that is not there. */
export interface Move {
  x: number;
  y: number;
  z: number;
  e: number;
  f: number;
  i: number;
  j: number;
  r: number;
  p: number;
}

export const emptyMove = (): Move => ({
  x: Number.NaN,
  y: Number.NaN,
  z: Number.NaN,
  e: Number.NaN,
  f: Number.NaN,
  i: Number.NaN,
  j: Number.NaN,
  r: Number.NaN,
  p: Number.NaN,
});

const FIELDS: ReadonlyMap<string, keyof Move> = new Map([
  ["X", "x"],
  ["Y", "y"],
  ["Z", "z"],
  ["E", "e"],
  ["F", "f"],
  ["I", "i"],
  ["J", "j"],
  ["R", "r"],
  ["P", "p"],
]);

/** Fills `into`; gives the first letter that stands alone or that no motion command here may have. */
export function moveOf({ words }: Command, into: Move): string | undefined {
  clear(into);
  for (const [letter, value] of words) {
    const field = FIELDS.get(letter);
    if (field === undefined || value === undefined) return letter;
    into[field] = value;
  }
  return undefined;
}

function clear(move: Move): void {
  move.x = move.y = move.z = move.e = move.f = Number.NaN;
  move.i = move.j = move.r = move.p = Number.NaN;
}

const SPACE = 32;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const SEMICOLON = 59;
const G = 71;
const LETTER_E = 69;
/** Up to 15 digits and a power of ten up to 22 divide to the nearest double, as Number() does. */
const DIGITS_MAX = 15;
const POWERS = Float64Array.from({ length: DIGITS_MAX + 1 }, (_, power) => 10 ** power);

/** True if `text` is `G0` or `G1` with X, Y, Z, E, F in capitals, each once, and maybe a comment. */
export function readPlainMove(text: string, into: Move): boolean {
  if (text.charCodeAt(0) !== G) return false;
  const second = text.charCodeAt(1);
  if ((second !== ZERO && second !== ZERO + 1) || text.charCodeAt(2) !== SPACE) return false;
  clear(into);
  let at = 2;
  let endOfLast = 2;
  for (;;) {
    let code = text.charCodeAt(at); // NaN after the end
    while (code === SPACE) code = text.charCodeAt((at += 1));
    if (code === SEMICOLON || at >= text.length) return endOfLast <= COMMAND_BYTES_MAX;
    const letter = code;
    if (letter === LETTER_E && at === endOfLast) return false; // GC3 of command.ts: it is sent otherwise
    code = text.charCodeAt((at += 1));
    const isNegative = code === MINUS;
    if (isNegative) code = text.charCodeAt((at += 1));
    let mantissa = 0;
    let digits = 0;
    let fraction = -1;
    for (;;) {
      if (code >= ZERO && code <= ZERO + 9) {
        mantissa = mantissa * 10 + (code - ZERO);
        digits += 1;
        if (fraction >= 0) fraction += 1;
      } else if (code === DOT && fraction < 0) fraction = 0;
      else break;
      code = text.charCodeAt((at += 1));
    }
    if (digits === 0 || digits > DIGITS_MAX || digits - Math.max(0, fraction) > 9) return false;
    const size = fraction > 0 ? mantissa / (POWERS[fraction] ?? 1) : mantissa;
    if (!put(into, letter, isNegative ? -size : size)) return false;
    endOfLast = at;
  }
}

/** False for another letter, or the same one twice. */
function put(move: Move, letter: number, value: number): boolean {
  switch (letter) {
    case 88:
      if (!Number.isNaN(move.x)) return false;
      move.x = value;
      return true;
    case 89:
      if (!Number.isNaN(move.y)) return false;
      move.y = value;
      return true;
    case 90:
      if (!Number.isNaN(move.z)) return false;
      move.z = value;
      return true;
    case LETTER_E:
      if (!Number.isNaN(move.e)) return false;
      move.e = value;
      return true;
    case 70:
      if (!Number.isNaN(move.f)) return false;
      move.f = value;
      return true;
    default:
      return false;
  }
}
