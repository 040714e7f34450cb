// A text as words, numbers apart from words, with what was quoted or named kept as it is.
//
// TK1. What is quoted, and names of things that are registered now, are compared as they stand; a name that
//      is also a word of the language is a name.
// TK2. Signs that mean something (+ - / = < > % # @ $ ...) stay; only punctuation goes.

export interface Token {
  readonly kind: "word" | "quote" | "name";
  /** A word: lower case, unless `isMarked`. */
  readonly text: string;
  /** As it was written. */
  readonly raw: string;
  /** A comma, colon or full stop stands after it. */
  readonly endsPhrase: boolean;
  /** Capital letters say something: `Polish` in the middle of a sentence, `IT`. */
  readonly isMarked: boolean;
}

/** Names to look for, by their first word. */
export type Names = ReadonlyMap<string, readonly (readonly string[])[]>;

export function namesFrom(names: Iterable<string>): Names {
  const found = new Map<string, (readonly string[])[]>();
  for (const name of names) {
    const words = plain(name)
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const [first] = words;
    if (first === undefined) continue;
    const same = found.get(first) ?? [];
    if (same.length === 0) found.set(first, same);
    same.push(words);
  }
  for (const same of found.values()) same.sort((a, b) => b.length - a.length);
  return found;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** NFKC, but powers stay powers; one kind of apostrophe, dash and space. */
const plain = (text: string): string =>
  text
    .replaceAll(/[⁰¹²³⁴⁵⁶⁷⁸⁹]/gu, (power) => `^${SUPERSCRIPTS.indexOf(power)}`)
    .normalize("NFKC")
    .replaceAll(/[\u2018\u2019\u02bc]/gu, "'")
    .replaceAll(/[\u2212\u2012\u2013]/gu, "-");

const QUOTED = /"([^"\n]{1,400})"|`([^`\n]{1,400})`|[\u201c\u201e]([^\u201c\u201d\n]{1,400})[\u201c\u201d]|\u00ab([^\u00bb\n]{1,400})\u00bb|(?<=^|\s)'([^'\n]{1,400})'(?=$|[\s.,;:!?])/gu; // prettier-ignore

const EMPHASIS = new Set(["not", "no", "never", "and", "or", "only", "all", "before", "after"]);

export function tokensOf(text: string, names: Names): readonly Token[] {
  const whole = plain(text);
  const isShouted = whole === whole.toUpperCase();
  const tokens: Token[] = [];
  let at = 0;
  for (const match of whole.matchAll(QUOTED)) {
    tokens.push(...wordsOf(whole.slice(at, match.index), isShouted, tokens.length === 0));
    const inside = match.slice(1).find((part) => part !== undefined) ?? "";
    const quote = { kind: "quote", text: inside, raw: inside } as const; // TK1
    tokens.push({ ...quote, endsPhrase: false, isMarked: false });
    at = match.index + match[0].length;
  }
  tokens.push(...wordsOf(whole.slice(at), isShouted, tokens.length === 0));
  return withNames(tokens, names);
}

function wordsOf(text: string, isShouted: boolean, isFirst: boolean): readonly Token[] {
  const tokens: Token[] = [];
  let startsSentence = isFirst;
  for (const chunk of text.split(/\s+/u)) {
    const raw = chunk.replace(/^[([{¿¡*_]+/u, "").replace(/[)\]},.;:!?…*_]+$/u, "");
    const tail = chunk.slice(chunk.indexOf(raw) + raw.length);
    const endsPhrase = /[,.;:!?…)]/u.test(tail);
    if (raw === "") {
      if (endsPhrase) endLast(tokens);
      continue;
    }
    const isMarked = !isShouted && isMarkedWord(raw, startsSentence);
    tokens.push({
      kind: "word",
      text: isMarked ? raw : raw.toLowerCase(),
      raw,
      endsPhrase,
      isMarked,
    });
    startsSentence = /[.!?…:]/u.test(tail);
  }
  return tokens;
}

function endLast(tokens: Token[]): void {
  const last = tokens.pop();
  if (last !== undefined) tokens.push({ ...last, endsPhrase: true });
}

/** `Polish` inside a sentence; `IT` and `US`, which are no `it` and `us`. */
function isMarkedWord(raw: string, startsSentence: boolean): boolean {
  if (!/^\p{Lu}/u.test(raw) || raw === "I" || raw.startsWith("I'")) return false;
  const lower = raw.toLowerCase();
  if (/^\p{Lu}{2,}$/u.test(raw)) return SMALL_WORDS.has(lower) && !EMPHASIS.has(lower);
  return !startsSentence && /^\p{Lu}\p{Ll}*$/u.test(raw);
}

const SMALL_WORDS = new Set(
  "it us who am pm is in on at to as or and so no do be can may will the a an we he me my up off all any its".split(
    " ",
  ),
);

/** TK1. The longest name that fits; with its `'s` or without. */
function withNames(tokens: readonly Token[], names: Names): readonly Token[] {
  if (names.size === 0) return tokens;
  const lower = tokens.map(({ kind, raw }) =>
    kind === "word" ? raw.toLowerCase().replace(/'s$/u, "") : "",
  );
  const found: Token[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const fits = names
      .get(lower[at] ?? "")
      ?.find((name) => name.every((word, place) => lower[at + place] === word));
    const last = tokens[at + (fits?.length ?? 1) - 1];
    const token = tokens[at];
    if (token === undefined || last === undefined) break;
    if (fits === undefined) found.push(token);
    else {
      const text = fits.join(" ");
      found.push({ ...last, kind: "name", text, raw: text, isMarked: false });
      at += fits.length - 1;
    }
  }
  return found;
}
