// Reads GBNF and writes texts that it allows, by chance: a model without weights. It knows nothing of
// schemas, so it can say whether a grammar lets through what its schema refuses.

import { present } from "@gantry/shared/base/assert.ts";
import type { Random } from "@gantry/shared/base/prng.ts";

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "class"; readonly ranges: readonly (readonly [number, number])[] }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence"; readonly items: readonly Node[] }
  | { readonly kind: "choice"; readonly branches: readonly Node[] }
  | { readonly kind: "repeat"; readonly item: Node; readonly min: number; readonly max: number };

export interface Sampler {
  /** `undefined` where `sizeMax` steps did not reach an end by chance and the shortest way is too long. */
  sample(random: Random, sizeMax: number): string;
}

/** Throws Error for text that is no GBNF, for rules that are missing or never end. */
export function makeSampler(grammar: string): Sampler {
  const rules = new Map<string, Node>();
  for (const line of grammar.split("\n")) {
    const at = line.indexOf(" ::= ");
    if (at < 0) throw new Error(`no rule: ${line.slice(0, 80)}`);
    rules.set(line.slice(0, at), parse(line.slice(at + 5)));
  }
  const shortest = costs(rules);
  const ruleOf = (name: string): Node => present(rules.get(name), `the rule ${name}`);

  const known = new Map<Node, number>();
  function cost(node: Node): number {
    const before = known.get(node);
    if (before !== undefined) return before;
    const found = costOf(node, shortest);
    known.set(node, found);
    return found;
  }

  return {
    sample(random, sizeMax) {
      let size = 0;
      const write = (node: Node): string => {
        size += 1;
        switch (node.kind) {
          case "text":
            return node.text;
          case "class":
            return character(node.ranges, random);
          case "rule":
            return write(ruleOf(node.name));
          case "sequence":
            return node.items.map(write).join("");
          case "choice":
            return write(pick(node.branches));
          case "repeat":
            return Array.from({ length: times(node) }, () => write(node.item)).join("");
        }
      };
      const isLong = (): boolean => size > sizeMax;
      const pick = (branches: readonly Node[]): Node => {
        const index = Math.floor(random() * branches.length);
        const byChance = present(branches[index], "a branch");
        if (!isLong() && cost(byChance) < Infinity) return byChance;
        return present(branches.toSorted((a, b) => cost(a) - cost(b))[0], "a branch");
      };
      const times = ({ item, min, max }: Extract<Node, { kind: "repeat" }>): number => {
        if (isLong() || cost(item) === Infinity) return min;
        // The bounds themselves are where grammars go wrong: each has a share.
        const share = random();
        if (share < 0.2) return min;
        if (share < 0.4 && max < 40) return max;
        const most = Math.min(max, min + 6);
        return min + Math.floor(random() * (most - min + 1));
      };
      return write(ruleOf("root"));
    },
  };
}

/** The least steps to an end, by rule; Infinity for one that never ends. */
function costs(rules: ReadonlyMap<string, Node>): ReadonlyMap<string, number> {
  const found = new Map<string, number>([...rules.keys()].map((name) => [name, Infinity]));
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (const [name, node] of rules) {
      const cost = costOf(node, found) + 1;
      if (cost < (found.get(name) ?? Infinity)) {
        found.set(name, cost);
        isChanged = true;
      }
    }
  }
  if (found.get("root") === Infinity) throw new Error("the grammar never ends");
  return found;
}

function costOf(node: Node, rules: ReadonlyMap<string, number>): number {
  switch (node.kind) {
    case "text":
    case "class":
      return 1;
    case "rule": {
      const cost = rules.get(node.name);
      if (cost === undefined) throw new Error(`there is no rule ${node.name}`);
      return cost;
    }
    case "sequence":
      return node.items.reduce((sum, item) => sum + costOf(item, rules), 0);
    case "choice":
      return Math.min(...node.branches.map((branch) => costOf(branch, rules)));
    case "repeat":
      return node.min === 0 ? 1 : node.min * costOf(node.item, rules);
  }
}

function character(ranges: readonly (readonly [number, number])[], random: Random): string {
  const [first, last] = present(ranges[Math.floor(random() * ranges.length)], "a range");
  // Most texts are of few characters; the ends of a range are where it goes wrong.
  const share = random();
  const span = Math.min(last - first, share < 0.7 ? 90 : Infinity);
  const code = share < 0.1 ? last : first + Math.floor(random() * (span + 1));
  return String.fromCodePoint(code);
}

function parse(source: string): Node {
  const chars = Array.from(source);
  let at = 0;
  const peek = (): string | undefined => chars[at];
  const take = (): string => {
    at += 1;
    return present(chars[at - 1], "a character");
  };
  const skip = (): void => {
    while (peek() === " ") at += 1;
  };

  function choice(): Node {
    const branches = [sequence()];
    for (skip(); peek() === "|"; skip()) {
      take();
      branches.push(sequence());
    }
    return branches.length === 1 ? present(branches[0], "a branch") : { kind: "choice", branches };
  }

  function sequence(): Node {
    const items: Node[] = [];
    for (skip(); peek() !== undefined && peek() !== "|" && peek() !== ")"; skip()) {
      items.push(repeated(item()));
    }
    return items.length === 1 ? present(items[0], "an item") : { kind: "sequence", items };
  }

  function item(): Node {
    const char = take();
    if (char === '"') return { kind: "text", text: literal() };
    if (char === "[") return { kind: "class", ranges: ranges() };
    if (char === "(") {
      const inner = choice();
      if (take() !== ")") throw new Error("a group that does not end");
      return inner;
    }
    if (!/[a-z]/.test(char)) throw new Error(`${char} in ${source.slice(0, 80)}`);
    let name = char;
    while (/[a-z0-9-]/.test(peek() ?? "")) name += take();
    return { kind: "rule", name };
  }

  function repeated(node: Node): Node {
    const char = peek();
    if (char === "*") return (take(), { kind: "repeat", item: node, min: 0, max: Infinity });
    if (char === "+") return (take(), { kind: "repeat", item: node, min: 1, max: Infinity });
    if (char === "?") return (take(), { kind: "repeat", item: node, min: 0, max: 1 });
    if (char !== "{") return node;
    const end = chars.indexOf("}", at);
    const [, low, comma, high] = /^\{(\d+)(,?)(\d*)$/.exec(chars.slice(at, end).join("")) ?? [];
    at = end + 1;
    const min = Number(low);
    const max = high === "" || high === undefined ? (comma === "," ? Infinity : min) : Number(high);
    if (!(min <= max)) throw new Error("a count that runs backwards");
    return { kind: "repeat", item: node, min, max };
  }

  function literal(): string {
    let text = "";
    while (peek() !== '"') text += one();
    take();
    return text;
  }

  function ranges(): (readonly [number, number])[] {
    const found: (readonly [number, number])[] = [];
    while (peek() !== "]") {
      const first = codeOf(one());
      if (peek() === "-" && chars[at + 1] !== "]") {
        take();
        found.push([first, codeOf(one())]);
      } else found.push([first, first]);
    }
    take();
    return found;
  }

  function one(): string {
    const char = take();
    if (char !== "\\") return char;
    const mark = take();
    const length = { x: 2, u: 4, U: 8 }[mark];
    if (length !== undefined) {
      const hex = Array.from({ length }, take).join("");
      return String.fromCodePoint(Number.parseInt(hex, 16));
    }
    return { n: "\n", t: "\t", r: "\r" }[mark] ?? mark;
  }

  const whole = choice();
  if (at < chars.length) throw new Error(`${chars.slice(at).join("").slice(0, 60)} is left over`);
  return whole;
}

const codeOf = (char: string): number => char.codePointAt(0) ?? 0;
