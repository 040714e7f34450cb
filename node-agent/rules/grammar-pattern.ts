// A regular expression of a JSON schema (`pattern`) as GBNF, for text inside a JSON string. Pure.
//
// R1. Only whole-string patterns, ^...$, of characters, classes, groups, | and greedy counts.
//     Everything else (look-around, back-references, \b, lazy counts, anchors inside) is refused:
//     to ignore it would let a wrong answer through.
// R2. Quote, backslash and control characters of a class are left out of it: what remains is still
//     accepted by the pattern. As single characters they are written escaped.

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

/** An expression for the inside of a JSON string. Throws PatternRefused. */
export function patternGrammar(pattern: string): string {
  if (!/^\^[^]*\$$/.test(pattern)) {
    throw new PatternRefused("only a pattern from ^ to $ can be upheld while writing");
  }
  const source = Array.from(pattern.slice(1, -1));
  const reader = makeReader(source);
  const expression = reader.alternatives();
  if (!reader.atEnd()) throw new PatternRefused(`a ) too many in ${pattern}`);
  // ^a|b$ is (^a) or (b$): neither is a whole-string pattern.
  if (reader.hadTopAlternative()) throw new PatternRefused("put ( ) around the alternatives");
  return expression;
}

function makeReader(source: readonly string[]) {
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

  function alternatives(): string {
    const branches = [sequence()];
    while (peek() === "|") {
      take();
      if (depth === 0) topAlternative = true;
      branches.push(sequence());
    }
    return branches.length === 1 ? (branches[0] ?? '""') : `(${branches.join(" | ")})`;
  }

  function sequence(): string {
    const items: string[] = [];
    for (let char = peek(); char !== undefined && char !== "|" && char !== ")"; char = peek()) {
      items.push(counted(item()));
    }
    return items.length === 0 ? '""' : items.join(" ");
  }

  function item(): string {
    const char = take();
    if (char === "(") return group();
    if (char === "[") return classOf(bracket());
    if (char === ".") return classOf(complement(LINE_ENDS));
    if (char === "\\") return escape();
    if ("^$*+?{}]".includes(char)) throw new PatternRefused(`${char} at this place`);
    return written(char);
  }

  function group(): string {
    if (peek() === "?") {
      take();
      if (take() !== ":") throw new PatternRefused("only plain and (?: ) groups");
    }
    depth += 1;
    const inner = alternatives();
    depth -= 1;
    if (take() !== ")") throw new PatternRefused("a group that does not end");
    return `(${inner})`;
  }

  function escape(): string {
    const char = take();
    const set = classEscape(char);
    if (set !== undefined) return classOf(set);
    return written(plainEscape(char));
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

  function counted(expression: string): string {
    const [min, max] = count();
    if (peek() === "?") throw new PatternRefused("a lazy count");
    return min === 1 && max === 1 ? expression : repeated(expression, min, max);
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
