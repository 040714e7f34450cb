// Personal data and secrets leave the house as placeholders, and come back as what they were. Pure.
//
// RE1. What a rule knows never leaves; the same value has the same placeholder in all messages of a call.
// RE2. Restoring gives every value back, however the answer is cut into pieces.
// RE3. A placeholder that the text had already is not used: nothing of the person's text is replaced
//      by something that was not there.

export interface Redacted {
  readonly texts: readonly string[];
  /** Placeholder -> what stood there. */
  readonly values: ReadonlyMap<string, string>;
}

interface Rule {
  readonly kind: string;
  readonly pattern: RegExp;
  /** Which group is replaced; the whole match where left out. */
  readonly group?: number;
  /** The part of a match, from its beginning, that is one; undefined: none is. Left out: all of it. */
  readonly real?: (text: string) => string | undefined;
}

const digitsOf = (text: string): string => text.replaceAll(/\D/g, "");

/** The longest beginning of so many letters and digits, of at least `min`, that passes; else undefined. */
function beginning(
  text: string,
  min: number,
  max: number,
  isReal: (plain: string) => boolean,
): string | undefined {
  let plain = "";
  const ends: number[] = []; // of each letter or digit, where it ends in the text
  for (let at = 0; at < text.length && ends.length < max; at += 1) {
    const char = text.charAt(at);
    if (char === " " || char === "-") continue;
    plain += char;
    ends.push(at + 1);
  }
  for (let length = ends.length; length >= min; length -= 1) {
    if (isReal(plain.slice(0, length))) return text.slice(0, ends[length - 1]);
  }
  return undefined;
}

/** Luhn: every payment card number fulfils it, one in ten of other numbers does. */
function isCard(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits.charAt(digits.length - 1 - place));
    const twice = place % 2 === 1 ? digit * 2 : digit;
    sum += twice > 9 ? twice - 9 : twice;
  }
  return sum % 10 === 0;
}

/** ISO 13616: the first four moved to the end, letters as 10 to 35, modulo 97 is 1. */
function isIban(plain: string): boolean {
  const turned = `${plain.slice(4)}${plain.slice(0, 4)}`;
  let rest = 0;
  for (let place = 0; place < turned.length; place += 1) {
    const value = Number.parseInt(turned.charAt(place), 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

// The more telling first: a later rule does not see what an earlier one took.
const RULES: readonly Rule[] = [
  {
    kind: "KEY",
    pattern:
      /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,20000}?(?:-----END [A-Z ]{0,40}-----|$)/g,
  },
  { kind: "SECRET", pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g }, // JSON Web Token
  {
    kind: "SECRET",
    pattern:
      /\b(?:sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|hf_\w{16,}|glpat-[\w-]{16,})/g,
  },
  { kind: "SECRET", pattern: /\/\/([^\s/@:]{1,100}:[^\s/@]{1,100})@/g, group: 1 },
  {
    kind: "SECRET",
    pattern:
      /\b(?:pass(?:word|phrase|wort)?|passwd|pwd|secret|token|api[ _-]?key|pin|kennwort)\b["']?\s*(?:is|ist|=|:)\s*["']?([^\s"',;]{3,200})/gi,
    group: 1,
  },
  { kind: "EMAIL", pattern: /[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g },
  {
    kind: "IBAN",
    pattern: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}/gi,
    real: (text) => beginning(text, 15, 34, isIban),
  },
  {
    kind: "CARD",
    pattern: /\b\d(?:[ -]?\d){12,18}/g,
    real: (text) => beginning(text, 13, 19, isCard),
  },
  {
    kind: "PHONE",
    pattern: /(?<![\w.])(?:\+|00?)[1-9](?:[ ()/.-]{0,2}\d){7,14}(?!\w)/g,
    real: (text) => (digitsOf(text).length >= 9 ? text : undefined),
  },
  { kind: "MAC", pattern: /\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b/gi },
  {
    kind: "IP",
    pattern:
      /(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])/g,
  },
];

/** `names`: of people of this house; taken out as whole words, whatever their case. */
export function redact(texts: readonly string[], names: readonly string[] = []): Redacted {
  const all = texts.join("\n");
  const values = new Map<string, string>();
  const byValue = new Map<string, string>();
  const numbers = new Map<string, number>();

  function placeholderFor(kind: string, value: string): string {
    const known = byValue.get(`${kind}/${value}`);
    if (known !== undefined) return known;
    let number = numbers.get(kind) ?? 0;
    let placeholder: string;
    do {
      number += 1;
      placeholder = `[${kind}_${number}]`;
    } while (all.includes(placeholder)); // RE3
    numbers.set(kind, number);
    values.set(placeholder, value);
    byValue.set(`${kind}/${value}`, placeholder);
    return placeholder;
  }

  const rules = [...RULES, ...nameRules(names)];
  return { texts: texts.map((text) => rules.reduce(apply, text)), values };

  function apply(text: string, rule: Rule): string {
    const { kind, pattern, group, real = (whole: string) => whole } = rule;
    const find = new RegExp(pattern);
    let told = "";
    let from = 0;
    for (let match = find.exec(text); match !== null; match = find.exec(text)) {
      const part = group === undefined ? match[0] : (match[group] ?? "");
      const value = /^\[[A-Z]+_\d+\]/.test(part) ? undefined : real(part);
      const at = group === undefined ? match.index : match.index + match[0].lastIndexOf(part);
      if (value === undefined || value === "") {
        find.lastIndex = match.index + 1;
        continue;
      }
      told += text.slice(from, at) + placeholderFor(kind, value);
      from = at + value.length;
      find.lastIndex = from;
    }
    return told + text.slice(from);
  }
}

function nameRules(names: readonly string[]): readonly Rule[] {
  const useful = names.filter((name) => name.length > 2);
  if (useful.length === 0) return [];
  const words = useful
    .toSorted((a, b) => b.length - a.length)
    .map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  const source = String.raw`(?<![\p{L}\p{N}_[])(?:${words.join("|")})(?![\p{L}\p{N}_])`;
  return [{ kind: "PERSON", pattern: new RegExp(source, "giu") }];
}

export interface Restorer {
  /** What can be said of the answer so far, restored. */
  push(piece: string): string;
  /** What was held back. */
  end(): string;
}

/** RE2. */
export function makeRestorer(values: Redacted["values"]): Restorer {
  const longest = Math.max(0, ...[...values.keys()].map(({ length }) => length));
  let held = "";
  const restore = (text: string): string =>
    text.replaceAll(/\[[A-Z]+_\d+\]/g, (placeholder) => values.get(placeholder) ?? placeholder);
  return {
    push(piece) {
      held += piece;
      const open = held.lastIndexOf("[");
      const mayGoOn = open >= 0 && held.length - open < longest && !held.includes("]", open);
      const cut = mayGoOn ? open : held.length;
      const said = held.slice(0, cut);
      held = held.slice(cut);
      return restore(said);
    },
    end() {
      const said = held;
      held = "";
      return restore(said);
    },
  };
}
