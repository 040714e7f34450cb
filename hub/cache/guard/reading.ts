// A question taken apart so far that two of them can be compared word by word: what is asked (who, how,
// whether), the phrases with what each is to the rest, amounts in one unit, names and quotations as they
// stand. English alone is taken apart; of another language every word stays what and where it is.
//
// R1. No word is dropped but those of EMPTY, forms of `be`, and the first `do`: what they say (past,
//     passive, under way) is kept in `manner`.
// R2. Words of one meaning become one word; opposites are never in one line (word-lists.ts).
// R3. The order of words in a phrase counts always, the order of phrases where a connective (and, then,
//     before ...) stands between them.
// R4. `without`, `not`, `no`, `never` are words like others: both questions must have them, in one place.
// R5. `how do I clean my`, `how can one clean the`, `how to clean a` ask the same. In any other question
//     who is meant counts.

import { amountOf, amountWord, numberOf, ordinalOf, spelledNumber, unitOf } from "./numbers.ts";
import { type Names, type Token, tokensOf } from "./tokens.ts";
import {
  ANYBODY,
  BE,
  canonicalWord,
  CONNECTIVES,
  DO,
  EMPTY,
  IS_VERB,
  languageOf,
  MATERIALS,
  MODALS,
  NEGATORS,
  PAST_BE,
  PREPOSITIONS,
  QUESTION_WORDS,
  VERB_FORMS,
} from "./word-lists.ts";

export interface Reading {
  readonly language: string;
  /** The question word; `whether`, or `say` for an order or a statement. */
  readonly kind: string;
  /** Modal verbs, past, passive, under way; sorted. */
  readonly manner: string;
  readonly phrases: readonly Phrase[];
  /** R3. */
  readonly isOrdered: boolean;
}

export interface Phrase {
  /** The preposition or connective before it; empty for a bare one. */
  readonly role: string;
  /** Amounts begin with #, names with @, quotations with a quote. */
  readonly words: readonly string[];
}

const NO_NAMES: Names = new Map();

/** About 10 us for a sentence. */
export function readQuestion(text: string, names: Names = NO_NAMES): Reading {
  const tokens = tokensOf(text, names);
  const language = languageOf(tokens.map(({ raw }) => raw.toLowerCase()));
  if (language !== "en") {
    const words = tokens.map((token) => (token.kind === "word" ? token.raw : marked(token)));
    return { language, kind: "", manner: "", phrases: [{ role: "", words }], isOrdered: true };
  }
  const items = joined(tokens.flatMap(expanded));
  const asked = questionOf(items);
  const manners = new Set<string>(mannersOf(asked.items));
  const { phrases, isOrdered } = phrasesOf(asked.items, manners);
  return {
    language,
    kind: asked.kind,
    manner: [...manners].toSorted().join(" "),
    phrases: ofJoined(phrases),
    isOrdered,
  };
}

const marked = ({ kind, text }: Token): string => (kind === "name" ? `@${text}` : `"${text}"`);

// ── words ───────────────────────────────────────────────────────────────────────────────────────

const SHORT: Readonly<Record<string, readonly string[]>> = {
  cannot: ["can", "not"],
  "can't": ["can", "not"],
  "won't": ["will", "not"],
  "shan't": ["shall", "not"],
  dont: ["do", "not"],
  doesnt: ["does", "not"],
  didnt: ["did", "not"],
  isnt: ["is", "not"],
  cant: ["can", "not"],
  wont: ["will", "not"],
  "let's": ["let", "us"],
  has: ["have"],
};
const ENDINGS: readonly (readonly [string, string])[] = [
  ["n't", "not"],
  ["'re", "are"],
  ["'ll", "will"],
  ["'ve", "have"],
  ["'d", "would"],
  ["'m", "am"],
];
const IS_AFTER = new Set(
  "what who where when how why that it there here he she this which".split(" "),
);

function expanded(token: Token): readonly Token[] {
  const { text } = token;
  if (token.kind !== "word") return [token];
  const words = SHORT[text] ?? endingOf(text);
  return words.map((word, at) => ({
    ...token,
    text: word,
    endsPhrase: token.endsPhrase && at === words.length - 1,
  }));
}

function endingOf(text: string): readonly string[] {
  for (const [ending, word] of ENDINGS) {
    if (text.endsWith(ending) && text.length > ending.length)
      return [text.slice(0, -ending.length), word];
  }
  if (!text.endsWith("'s") && !text.endsWith("s'")) return [text];
  const owner = text.slice(0, text.endsWith("'s") ? -2 : -1);
  return IS_AFTER.has(owner) ? [owner, "is"] : [owner];
}

/** Several words that say what one does. */
const SEQUENCES: readonly (readonly [from: readonly string[], to: readonly string[]])[] = (
  [
    ["get rid of", "remove"],
    ["look up", "find"],
    ["in order to", "to"],
    ["what kind of", "what"],
    ["what type of", "what"],
    ["what sort of", "what"],
    ["which kind of", "what"],
    ["which type of", "what"],
    ["which sort of", "what"],
    ["at what time", "when"],
    ["is it possible to", "can i"],
    ["am i able to", "can i"],
    ["what is the way to", "how to"],
    ["what are the steps to", "how to"],
    ["how would i go about", "how to"],
    ["how do i go about", "how to"],
    ["thank you", "thanks"],
  ] as const
).map(([from, to]) => [from.split(" "), to.split(" ")]);

function joined(items: readonly Token[]): readonly Token[] {
  const found: Token[] = [];
  for (let at = 0; at < items.length;) {
    const fits = SEQUENCES.find(([from]) => isAt(items, at, from));
    const item = items[at];
    if (item === undefined) break;
    if (fits === undefined) {
      found.push(item);
      at += 1;
      continue;
    }
    const [from, to] = fits;
    found.push(...to.map((text) => ({ ...item, text, isMarked: false, endsPhrase: false })));
    at += from.length;
  }
  return found;
}

const isAt = (items: readonly Token[], at: number, words: readonly string[]): boolean =>
  words.every((word, place) => {
    const item = items[at + place];
    return item?.kind === "word" && item.text === word;
  });

// ── what is asked ───────────────────────────────────────────────────────────────────────────────

/** Ways to lead up to a question; what stays is the question. */
const LEADS: readonly RegExp[] = [
  /^(?:please|hey|hi|hello|ok|okay|well|um|thanks)\b/,
  /^(?:can|could|would|will) you (?:please )?(?:tell|show|teach) (?:me|us)\b/,
  /^(?:can|could|would|will) you (?:please )?(?=(?:explain|describe|define)\b)/,
  /^(?:tell|show|teach) (?:me|us)\b/,
  /^i (?:would )?(?:want|like|love|need) to (?:know|understand|learn|find out)\b/,
  /^i (?:am|was) wondering\b/,
  /^i wonder\b/,
  /^do you (?:happen to )?know\b/,
  /^(?:explain|describe) (?:to me )?(?=(?:how|why|what|when|where|who|which)\b)/,
];

interface Asked {
  readonly kind: string;
  readonly items: readonly Token[];
}

function questionOf(all: readonly Token[]): Asked {
  let items = all;
  for (let lead = leadOf(items); lead > 0; lead = leadOf(items)) items = items.slice(lead);
  const isLed = items.length < all.length;
  const at = (place: number): string => wordAt(items, place);
  if (at(0) === "if" || at(0) === "whether") {
    // `do you know if the bed is hot`: the subject stands before the verb, as in no other whether.
    return isLed ? { kind: "whether", items: items.slice(1) } : { kind: "say", items };
  }
  if (/^(?:explain|describe|define)$/.test(at(0)) || (isLed && at(0) === "about"))
    return { kind: "what", items: items.slice(1) };
  const place = Object.hasOwn(QUESTION_WORDS, at(0)) ? 0 : 1;
  const kind = QUESTION_WORDS[at(place)];
  if (kind !== undefined && (place === 0 || Object.hasOwn(PREPOSITIONS, at(0)))) {
    const rest = [...items.slice(0, place), ...items.slice(place + 1)];
    return { kind, items: place === 0 ? afterAsking(kind, rest) : rest };
  }
  // `tell me the capital of Norway`, but `tell me a story`.
  const isTold = all.slice(0, all.length - items.length).some(({ text }) => text === "tell");
  if (isTold && at(0) === "the") return { kind: "what", items };
  const isWhether =
    BE.has(at(0)) || DO.has(at(0)) || Object.hasOwn(MODALS, at(0)) || at(0) === "have";
  return { kind: isWhether ? "whether" : "say", items };
}

const wordAt = (items: readonly Token[], place: number): string => {
  const item = items[place];
  return item?.kind === "word" && !item.isMarked ? item.text : "";
};

/** How many items the lead takes. */
function leadOf(items: readonly Token[]): number {
  const words = items.slice(0, 9).map((_, place) => wordAt(items, place) || "\0");
  const text = words.join(" ");
  for (const lead of LEADS) {
    const found = lead.exec(text)?.[0].trim();
    if (found !== undefined && found !== "") return found.split(" ").length;
  }
  return 0;
}

/** R5. Where something is found does not depend on who looks. */
function afterAsking(kind: string, items: readonly Token[]): readonly Token[] {
  if (kind === "how") return afterHow(items);
  const text = [0, 1, 2].map((place) => wordAt(items, place)).join(" ");
  const isSearch =
    kind === "where" && /^(?:can|could|do) (?:i|we|one) (?:find|get|see)$/.test(text);
  return isSearch ? items.slice(2) : items;
}

function afterHow(items: readonly Token[]): readonly Token[] {
  const rest = withoutAnybody(items);
  if (rest === items) return items;
  return rest.filter((item) => item.kind !== "word" || !/^(?:my|our)$/.test(item.text));
}

function withoutAnybody(items: readonly Token[]): readonly Token[] {
  const [first, second, third] = [0, 1, 2].map((place) => wordAt(items, place));
  if (first === "to") return items.slice(1);
  const isAuxiliary = /^(?:do|does|can|could|should|would)$/.test(first ?? "");
  if (!isAuxiliary) return items;
  if (ANYBODY.has(second ?? "")) return items.slice(2);
  return second === "you" && IS_VERB.has(third ?? "") ? items.slice(2) : items;
}

/** R1. What forms of `be` say together with the words after them. */
function mannersOf(items: readonly Token[]): readonly string[] {
  const words = items.map((_, place) => wordAt(items, place));
  if (!words.some((word) => BE.has(word))) return [];
  const found = words.some((word) => PAST_BE.has(word)) ? ["past"] : [];
  if (words.some((word) => /.[^e]ed$/.test(word) || IRREGULAR.has(word))) found.push("passive");
  // Where `printing` is read as `print`; elsewhere the word itself stays.
  if (words.some((word) => word.endsWith("ing") && VERB_FORMS.has(word))) found.push("under-way");
  return found;
}

const IRREGULAR = new Set(
  `made done put cut set sent built held kept lost left read run sold told found bound hit let shut paid
  said fed met won gone broken given taken written driven frozen eaten chosen fallen hidden stolen known
  shown drawn grown thrown blown worn torn bought thought brought caught taught spent bent dealt burnt
  meant felt woken spoken forgotten gotten beaten seen begun spun stuck struck worn split`.split(
    /\s+/,
  ),
);

// ── phrases ─────────────────────────────────────────────────────────────────────────────────────

const DIFFERENCE = new Set(
  "more less higher lower warmer colder hotter cooler increase decrease raise lower reduce drop difference offset tolerance by up down add subtract within above below over under".split(
    " ",
  ),
);
const SWITCHED = new Set("turn turning turns switch switching switches power shut plug".split(" "));

function phrasesOf(
  items: readonly Token[],
  manners: Set<string>,
): Pick<Reading, "phrases" | "isOrdered"> {
  const words = items.map((item) => (item.kind === "word" ? item.text.toLowerCase() : ""));
  const isDifference = words.some((word) => DIFFERENCE.has(word));
  const phrases: { role: string; words: string[] }[] = [{ role: "", words: [] }];
  const taken = new Set<number>();
  let isOrdered = false;
  let isDoDropped = false;
  let isAfterAuxiliary = false;
  const say = (word: string): void => void phrases.at(-1)?.words.push(word);
  const begin = (role: string): void => void phrases.push({ role, words: [] });

  for (let at = 0; at < items.length; at += 1) {
    const item = items[at];
    if (item === undefined || taken.has(at)) continue;
    const { text } = item;
    const wasAfterAuxiliary: boolean = isAfterAuxiliary;
    isAfterAuxiliary = false;
    if (item.kind !== "word") say(marked(item));
    else if (item.isMarked && !MATERIALS.has(text.toLowerCase())) say(`^${text}`);
    else if (text === "a" && isLastOfPhrase(items, at)) say(text); // `option a`
    else if (text === "there" && wasAfterAuxiliary && !isLastOfPhrase(items, at)) {
      // `are there`: says nothing but that they are.
    } else if (EMPTY.has(text) || text === "") {
      // R1.
    } else if (BE.has(text)) isAfterAuxiliary = true;
    else if (DO.has(text) && !isDoDropped) {
      isDoDropped = true;
      isAfterAuxiliary = true;
      if (text === "did") manners.add("past");
    } else if (Object.hasOwn(MODALS, text)) {
      manners.add(MODALS[text] ?? text);
      isAfterAuxiliary = true;
    } else if (wasAfterAuxiliary && (text === "i" || text === "we")) say("_anybody");
    else if (SWITCHED.has(text)) {
      const particle = particleAfter(items, at);
      if (particle !== undefined) taken.add(particle);
      say(`${canonicalWord(text)}${particle === undefined ? "" : `-${wordAt(items, particle)}`}`);
    } else if (NEGATORS.has(text)) {
      isAfterAuxiliary = wasAfterAuxiliary;
      if (text === "without") begin(text);
      else say(`!${text}`); // R4
    } else if (CONNECTIVES.has(text)) {
      isOrdered = true;
      begin(text);
    } else if (Object.hasOwn(PREPOSITIONS, text)) begin(text);
    else {
      const amount = amountAt(items, words, at, isDifference);
      say(amount?.word ?? wordOf(text));
      at += (amount?.taken ?? 1) - 1;
    }
    if (items[at]?.endsPhrase === true) begin("");
  }
  const kept = phrases.filter((phrase) => phrase.role !== "" || phrase.words.length > 0);
  return { phrases: kept, isOrdered };
}

function wordOf(text: string): string {
  const ordinal = ordinalOf(text);
  return ordinal === undefined ? canonicalWord(text) : `#${ordinal}.`;
}

/** `turn the light on`: where `on` stands, if it belongs to `turn`. */
function particleAfter(items: readonly Token[], at: number): number | undefined {
  for (let place = at + 1; place < Math.min(items.length, at + 7); place += 1) {
    const word = wordAt(items, place);
    const next = wordAt(items, place + 1);
    const isLast = isLastOfPhrase(items, place) || EMPTY.has(next);
    if (/^(?:on|off|up|down)$/.test(word) && (isLast || place === at + 1)) return place;
    if (items[place]?.endsPhrase === true || CONNECTIVES.has(word)) return undefined;
  }
  return undefined;
}

function isLastOfPhrase(items: readonly Token[], at: number): boolean {
  const next = wordAt(items, at + 1);
  return (
    items[at]?.endsPhrase === true ||
    at === items.length - 1 ||
    Object.hasOwn(PREPOSITIONS, next) ||
    CONNECTIVES.has(next)
  );
}

/** The amount that begins here, in digits or words, with the unit after it. */
function amountAt(
  items: readonly Token[],
  words: readonly string[],
  at: number,
  isDifference: boolean,
): { readonly word: string; readonly taken: number } | undefined {
  const item = items[at];
  if (item === undefined) return undefined;
  const whole = amountOf(item.raw);
  if (whole !== undefined)
    return { word: amountWord(whole.value, whole.unit, isDifference), taken: 1 };
  const value = numberOf(item.raw);
  const spelled = value === undefined ? spelledNumber(words, at) : { value, taken: 1 };
  if (spelled === undefined) return undefined;
  const after = at + spelled.taken;
  const isCut = items.slice(at, after).some(({ endsPhrase }) => endsPhrase);
  const isDegree = /^degrees?$|^deg$/.test(words[after] ?? "");
  const scale = isDegree ? unitOf(items[after + 1]?.raw ?? "") : undefined;
  if (!isCut && scale?.of === "C")
    return { word: amountWord(spelled.value, scale, isDifference), taken: spelled.taken + 2 };
  const raw = items[after]?.raw ?? "";
  const of = isCut || items[after]?.kind !== "word" ? undefined : unitOf(raw);
  return {
    word: amountWord(spelled.value, of, isDifference),
    taken: spelled.taken + (of === undefined ? 0 : 1),
  };
}

/** `temperature of the bed` is the bed temperature: what follows `of` stands before the last word. */
function ofJoined(phrases: readonly Phrase[]): readonly Phrase[] {
  const found = [...phrases];
  for (let at = found.length - 1; at > 0; at -= 1) {
    const [head, tail] = [found[at - 1], found[at]];
    if (tail?.role !== "of" || tail.words.length === 0 || head === undefined) continue;
    const last = head.words.at(-1);
    if (last === undefined || last.startsWith("#") || last.startsWith("!")) continue;
    const words = [...head.words.slice(0, -1), ...tail.words, last];
    found.splice(at - 1, 2, { role: head.role, words });
  }
  return found;
}
