// The named rules of a GBNF grammar that is being written. A rule may be named before it is complete,
// and what is asked for twice is written once. Pure.

import { numberGrammar } from "./grammar-number.ts";
import { charClass, literal, PLAIN_CHARS } from "./grammar-text.ts";

export interface GrammarRules {
  /** Gives the name of a new rule. */
  add(body: string): string;
  set(name: string, body: string): void;
  /** Of each, the name or the text to put into a rule. */
  char(): string;
  anyString(): string;
  anyValue(): string;
  lines(): readonly string[];
}

export function makeGrammarRules(): GrammarRules {
  const rules = new Map<string, string>();

  /** A rule that is written once and may be named before it is complete. */
  function shared(name: string, write: () => string): string {
    if (!rules.has(name)) {
      rules.set(name, "");
      rules.set(name, write());
    }
    return name;
  }

  const char = (): string =>
    shared("char", () => `${charClass(PLAIN_CHARS) ?? ""} | ${literal("\\")} ["\\\\/bfnrt]`);
  const anyString = (): string => shared("string", () => `"\\"" ${char()}* "\\""`);
  const anyValue = (): string =>
    shared("value", () => {
      const item = "value";
      const pair = `${anyString()} ":" ${item}`;
      return [
        anyString(),
        numberGrammar({}) ?? "",
        '"true" | "false" | "null"',
        `"[" (${item} ("," ${item})*)? "]"`,
        `"{" (${pair} ("," ${pair})*)? "}"`,
      ].join(" | ");
    });

  return {
    add(body) {
      const name = `r${rules.size}`;
      rules.set(name, body);
      return name;
    },
    set: (name, body) => void rules.set(name, body),
    char,
    anyString,
    anyValue,
    lines: () => [...rules].map(([name, body]) => `${name} ::= ${body}`),
  };
}

/** Writes the grammar of a schema inside another one; `pointer` is where it stands. */
export type VisitInside = (schema: unknown, pointer: string) => string;
