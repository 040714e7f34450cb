// A regular expression of a JSON schema (`pattern`) as GBNF, for text inside a JSON string. Pure.
//
// R1. Only whole-string patterns, ^...$, of characters, classes, groups, | and greedy counts.
//     Everything else (look-around, back-references, \b, lazy counts, anchors inside) is refused:
//     to ignore it would let a wrong answer through.
// R2. Quote, backslash and control characters of a class are left out of it: what remains is still
//     accepted by the pattern. As single characters they are written escaped.
// R3. Where a length is bound too, counts are narrowed until every text has such a length; that leaves
//      out some that would fit. A pattern of which none is left is refused.

import {
  charClass,
  type CharRange,
  complement,
  intersect,
  literal,
  PLAIN_CHARS,
  repeated,
} from "./grammar-text.ts";

/** What went wrong, in words for the caller. */
export class PatternRefused extends Error {
  override readonly name = "PatternRefused";
}

const DIGIT: readonly CharRange[] = [[0x30, 0x39]];
const WORD: readonly CharRange[] = [...DIGIT, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const SPACE: readonly CharRange[] = [
  [0x20, 0x20],
  [0x09, 0x0d],
  [0xa0, 0xa0],
];
const LINE_ENDS: readonly CharRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x20_28, 0x20_29],
];
const CONTROLS: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c };
const COUNT_MAX = 1_000;
/** It may be read some hundred times until its lengths fit (R3). */
const PATTERN_MAX = 2_000;

/** An expression, and how many characters it writes. */
interface Sized {
  readonly text: string;
  readonly min: number;
  readonly max: number;
}

/** How counts that leave a choice are bent: at least `floor` times, at most `cap` times. */
interface Bend {
  readonly floor: number;
  readonly cap: number;
}
const FREE: Bend = { floor: 0, cap: Infinity };

/** As patternGrammar, of texts of `min` to `max` characters (R3). */
export function boundPattern(pattern: string, min: number, max: number): string {
  const free = readPattern(pattern, FREE);
  if (free.min >= min && free.max <= max) return free.text;
  for (const floor of [0, ...doublings(min)]) {
    const raised = readPattern(pattern, { floor, cap: Infinity });
    if (raised.min < min) continue;
    for (const cap of [...doublings(Math.min(max, COUNT_MAX)).toReversed(), 0]) {
      const bent = readPattern(pattern, { floor, cap: Math.max(cap, floor) });
      if (bent.min >= min && bent.max <= max) return bent.text;
    }
  }
  throw new PatternRefused(`no text of ${min} to ${max} characters was found for it`);
}

/** 1, 2, 3, 4, 6, 8 ... up to `most`, and `most`. */
function doublings(most: number): readonly number[] {
  const found: number[] = [];
  for (let step = 1; step < most; step = Math.ceil(step * 1.4)) found.push(step);
  return most > 0 && most !== Infinity ? [...found, most] : found;
}

/** An expression for the inside of a JSON string. Throws PatternRefused. */
export const patternGrammar = (pattern: string): string => readPattern(pattern, FREE).text;

function readPattern(pattern: string, bend: Bend): Sized {
  if (pattern.length > PATTERN_MAX)
    throw new PatternRefused(`it is over ${PATTERN_MAX} characters`);
  if (!/^\^[^]*\$$/.test(pattern)) {
    throw new PatternRefused("only a pattern from ^ to $ can be upheld while writing");
  }
  const source = Array.from(pattern.slice(1, -1));
  const reader = makeReader(source, bend);
  const expression = reader.alternatives();
  if (!reader.atEnd()) throw new PatternRefused(`a ) too many in ${pattern}`);
  // ^a|b$ is (^a) or (b$): neither is a whole-string pattern.
  if (reader.hadTopAlternative()) throw new PatternRefused("put ( ) around the alternatives");
  return expression;
}

function makeReader(source: readonly string[], bend: Bend) {
  let at = 0;
  let depth = 0;
  let topAlternative = false;

  const peek = (): string | undefined => source[at];
  const take = (): string => {
    const char = source[at];
    if (char === undefined) throw new PatternRefused("the pattern ends too early");
    at += 1;
    return char;
  };

  function alternatives(): Sized {
    const branches = [sequence()];
    while (peek() === "|") {
      take();
      if (depth === 0) topAlternative = true;
      branches.push(sequence());
    }
    const text = branches.map((branch) => branch.text).join(" | ");
    return {
      text: branches.length === 1 ? text : `(${text})`,
      min: Math.min(...branches.map(({ min }) => min)),
      max: Math.max(...branches.map(({ max }) => max)),
    };
  }

  function sequence(): Sized {
    const items: Sized[] = [];
    for (let char = peek(); char !== undefined && char !== "|" && char !== ")"; char = peek()) {
      items.push(counted(item()));
    }
    return {
      text: items.length === 0 ? '""' : items.map(({ text }) => text).join(" "),
      min: items.reduce((sum, { min }) => sum + min, 0),
      max: items.reduce((sum, { max }) => sum + max, 0),
    };
  }

  function item(): Sized {
    const char = take();
    if (char === "(") return group();
    if (char === "[") return one(classOf(bracket()));
    if (char === ".") return one(classOf(complement(LINE_ENDS)));
    if (char === "\\") return escape();
    if ("^$*+?{}]".includes(char)) throw new PatternRefused(`${char} at this place`);
    return one(written(char));
  }

  function group(): Sized {
    if (peek() === "?") {
      take();
      if (take() !== ":") throw new PatternRefused("only plain and (?: ) groups");
    }
    depth += 1;
    const inner = alternatives();
    depth -= 1;
    if (take() !== ")") throw new PatternRefused("a group that does not end");
    return { ...inner, text: `(${inner.text})` };
  }

  function escape(): Sized {
    const char = take();
    const set = classEscape(char);
    return one(set === undefined ? written(plainEscape(char)) : classOf(set));
  }

  function plainEscape(char: string): string {
    const control = CONTROLS[char];
    if (control !== undefined) return String.fromCodePoint(control);
    if (char === "u") return String.fromCodePoint(hexCode(4));
    if (char === "x") return String.fromCodePoint(hexCode(2));
    if (/[a-z0-9]/i.test(char)) throw new PatternRefused(`\\${char}`);
    return char;
  }

  function hexCode(length: number): number {
    const hex = Array.from({ length }, take).join("");
    if (!/^[0-9a-f]+$/i.test(hex)) throw new PatternRefused(`\\u${hex}`);
    return Number.parseInt(hex, 16);
  }

  function bracket(): readonly CharRange[] {
    const negated = peek() === "^";
    if (negated) take();
    const ranges: CharRange[] = [];
    while (peek() !== "]") {
      const first = take();
      if (first === "\\") {
        const set = classEscape(peek() ?? "");
        if (set !== undefined) {
          take();
          ranges.push(...set);
          continue;
        }
      }
      const low = codeOf(first === "\\" ? plainEscape(take()) : first);
      if (peek() !== "-" || source[at + 1] === "]") {
        ranges.push([low, low]);
        continue;
      }
      take();
      const last = take();
      const high = codeOf(last === "\\" ? plainEscape(take()) : last);
      if (high < low) throw new PatternRefused("a range that runs backwards");
      ranges.push([low, high]);
    }
    take();
    return negated ? complement(ranges) : ranges;
  }

  function counted(item: Sized): Sized {
    const [low, high] = count();
    if (peek() === "?") throw new PatternRefused("a lazy count");
    if (low === 1 && high === 1) return item;
    const min = Math.min(Math.max(low, bend.floor), high);
    const max = Math.max(Math.min(high, bend.cap), min);
    const most = max === 0 || item.max === 0 ? 0 : max * item.max;
    return { text: repeated(item.text, min, max), min: min * item.min, max: most };
  }

  function count(): readonly [min: number, max: number] {
    const char = peek();
    if (char === "?") return (take(), [0, 1]);
    if (char === "*") return (take(), [0, Infinity]);
    if (char === "+") return (take(), [1, Infinity]);
    if (char !== "{") return [1, 1];
    const end = source.indexOf("}", at);
    const numbers = /^\{(\d+)(,(\d*))?$/.exec(source.slice(at, end).join(""));
    if (end < 0 || numbers === null) throw new PatternRefused("a count that cannot be read");
    at = end + 1;
    const min = Number(numbers[1]);
    const max = numbers[2] === undefined ? min : numbers[3] === "" ? Infinity : Number(numbers[3]);
    if (min > max || min > COUNT_MAX || (max !== Infinity && max > COUNT_MAX)) {
      throw new PatternRefused(`a count over ${COUNT_MAX}`);
    }
    return [min, max];
  }

  return {
    alternatives,
    atEnd: () => at === source.length,
    hadTopAlternative: () => topAlternative,
  };
}

const one = (text: string): Sized => ({ text, min: 1, max: 1 });

function classEscape(char: string): readonly CharRange[] | undefined {
  switch (char) {
    case "d":
      return DIGIT;
    case "D":
      return complement(DIGIT);
    case "w":
      return WORD;
    case "W":
      return complement(WORD);
    case "s":
      return SPACE;
    default:
      return undefined;
  }
}

function classOf(ranges: readonly CharRange[]): string {
  const text = charClass(intersect(ranges, PLAIN_CHARS));
  if (text === undefined) throw new PatternRefused("a class without a plain character");
  return text;
}

/** One character as JSON writes it inside a string. */
const written = (char: string): string => literal(JSON.stringify(char).slice(1, -1));

const codeOf = (char: string): number => char.codePointAt(0) ?? 0;
