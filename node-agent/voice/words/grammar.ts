// What pocketsphinx listens for: a JSGF grammar of the orders that work without a model, with the
// names of this workshop in it, and what keeps it from hearing orders in everything.
//
// GR1. Beside the orders stands a loop over all phones: what fits it better than any order was none.
//      JUNK is the price of each phone; too dear and "hello there" is heard as help, too cheap and
//      "stop" is junk. Measured with docs/performance.md's voice table.
// GR2. Every order stands there negated, too: "do not stop" must be heard as what it is.
// GR3. Only plain words get into the grammar: a printer's name cannot bring rules of its own.

import { plainWords } from "./plain.ts";
import { digitsIn, numberWords } from "./numbers.ts";
import { CONFIRM_WORDS } from "./confirm-words.ts";
import { LOCAL_PHRASES } from "./stop-words.ts";
import { ALL_PHONES } from "./phones.ts";

const JUNK_WORD = "g_";
const JUNK = 1e-12;
/** Of the stop ear: there an order that is missed is the worse mistake. */
const STOP_JUNK = 1e-15;
const NAMES_MAX = 200;
const NAME_WORDS_MAX = 6;

export interface Vocabulary {
  readonly printers: readonly string[];
  readonly files: readonly string[];
}

export interface Grammar {
  readonly jsgf: string;
  /** Every word in it that needs a pronunciation. */
  readonly words: readonly string[];
  /** Lines of the dictionary that are ours: the loop's. */
  readonly ownWords: readonly string[];
  /** What the decoder wrote, as a person would type it; "" for junk. */
  readonly restore: (hypothesis: string) => string;
}

export function commandGrammar(vocabulary: Vocabulary): Grammar {
  const printers = spokenNames(vocabulary.printers);
  const files = spokenNames(vocabulary.files);
  const on = printers.size === 0 ? "" : "[on [printer] <printer>]";
  const rules = [
    "<what> = [the] print | [the] job | printing | it",
    `<status> = [show] [the] [system] status | how are you | how are things | what is going on | help me | what can you do`,
    "<things> = devices | printers | machines | jobs | prints | parts",
    "<lists> = (list | show) [the | all] <things> | <things> | which printers are online | what is in the queue | what is printing | what can you make",
    `<wish> = (pause | resume | continue | cancel) [<what>] ${on}`,
    `<bed> = [the] (bed | plate) is (clear | cleared | empty) | bed cleared ${on} | [i] [have] cleared the bed ${on}${printers.size === 0 ? "" : " | [the] bed of [printer] <printer> is (clear | cleared | empty)"}`,
    `<halt> = ${LOCAL_PHRASES.join(" | ")}${printers.size === 0 ? "" : " | stop [the] printer <printer>"}`,
    `<amount> = ${AMOUNTS.join(" | ")}`,
    "<size> = <amount> by <amount> [by <amount>] [millimeters]",
    "<make> = (make | create | design) a ((box | tray) <size> [with [a] lid] | (washer | spacer) for m (three | four | five | six | eight) | <plain>)",
    "<plain> = box | tray | bracket | hook | hinge | knob | gear | cable clip",
    ...(files.size === 0
      ? []
      : [`<print> = print [the file] <file> ${on}`, `<file> = ${alternatives(files)}`]),
    ...(printers.size === 0 ? [] : [`<printer> = ${alternatives(printers)}`]),
    `<confirm> = confirm (${CONFIRM_WORDS.join(" | ")})`,
    "<order> = <status> | <lists> | <act>",
    `<act> = <wish> | <bed> | <halt> | <make>${files.size === 0 ? "" : " | <print>"}`,
    "<before> = /0.9/ <NULL> | /0.001/ please | /0.001/ hey gantry",
    "<other> = what | what is | what are | how | when | why | who | where | tell me",
    "<not> = do not | don't | never",
  ];
  const top =
    "<before> <order> | <confirm> | yes | no | <not> (<act> | <confirm> | confirm | do it) | <other> <junk>"; // GR2
  return build("orders", JUNK, rules, top, (heard) => named(named(heard, printers), files));
}

/** Of the ear that hears nothing but LOCAL_PHRASES, alone or in a sentence that is none of them. */
export function stopGrammar(): Grammar {
  const rules = [
    `<halt> = ${LOCAL_PHRASES.join(" | ")}`,
    "<before> = /0.9/ <NULL> | /0.01/ gantry | /0.01/ hey gantry",
    "<not> = do not | don't | never | should i | will it | when does it | can not",
  ];
  // A halt that is not heard costs more than a silence that nobody asked for: the decoys are dear.
  const top =
    "<before> <halt> | /0.001/ <not> <halt> | /1e-20/ <halt> <junk> | /1e-30/ <junk> <halt>";
  return build("stops", STOP_JUNK, rules, top, (heard) => heard);
}

/** Sizes that are said: whole millimetres up to 20, then tens and fives. */
const AMOUNTS: readonly string[] = [
  ...Array.from({ length: 20 }, (_, at) => numberWords(at + 1)),
  ...Array.from({ length: 36 }, (_, at) => numberWords(25 + at * 5)),
].map((words) => (words.includes(" ") ? `(${words})` : words));

function build(
  name: string,
  price: number,
  rules: readonly string[],
  top: string,
  finish: (heard: string) => string,
): Grammar {
  const junk = ALL_PHONES.map((phone) => `/${price}/ ${JUNK_WORD}${phone.toLowerCase()}`).join(
    " | ",
  );
  const jsgf = [
    "#JSGF V1.0;",
    `grammar ${name};`,
    `public <top> = ${top} | <junk>;`,
    ...rules.map((rule) => `${rule};`),
    "<junk> = <phone> <phone> <phone>+;",
    `<phone> = ${junk};`, // GR1
    "",
  ].join("\n");
  const said = [...rules, top]
    .join(" ")
    .replaceAll(/<[^>]*>|[=|[\]()/+*;]/gu, " ")
    .split(/\s+/u);
  return {
    jsgf,
    words: [...new Set(said.filter((word) => word !== ""))].toSorted(),
    ownWords: ALL_PHONES.map((phone) => `${JUNK_WORD}${phone.toLowerCase()} ${phone}`),
    restore: (hypothesis) => {
      const words = hypothesis.trim().split(/\s+/u);
      const isJunk = words.some((word) => word.startsWith(JUNK_WORD));
      return isJunk ? "" : finish(words.join(" "));
    },
  };
}

/** How each name is said -> the name. */
function spokenNames(names: readonly string[]): ReadonlyMap<string, string> {
  const spoken = new Map<string, string>();
  for (const name of names) {
    const said = spokenName(name);
    if (said !== "" && !spoken.has(said) && spoken.size < NAMES_MAX) spoken.set(said, name);
  }
  return spoken;
}

/** "ender-3_v2.gcode" is "ender three v two". */
export function spokenName(name: string): string {
  const words = plainWords(name.replace(/\.(?:gcode|g|gco|3mf|stl)$/iu, "").replaceAll("_", " "))
    .replaceAll(/(\d+)/gu, " $1 ")
    .trim()
    .split(/\s+/u)
    .map((word) => (/^\d+$/u.test(word) ? numberWords(Number(word)) : word))
    .join(" ")
    .split(" ");
  const isSayable = words.every((word) => /^[a-z']{1,40}$/u.test(word)); // GR3
  return isSayable && words.length <= NAME_WORDS_MAX ? words.join(" ") : "";
}

const alternatives = (names: ReadonlyMap<string, string>): string =>
  [...names.keys()].map((name) => `(${name})`).join(" | ");

/** Longest first, so that "ender three" is not taken for "ender". */
function named(heard: string, names: ReadonlyMap<string, string>): string {
  for (const [said, name] of [...names].toSorted(([a], [b]) => b.length - a.length)) {
    const at = ` ${heard} `.indexOf(` ${said} `);
    if (at >= 0) return heard.slice(0, at) + name + heard.slice(at + said.length);
  }
  return heard;
}

/** As it would be typed: digits for numbers, M4 for "m four". */
export const typedForm = (heard: string): string =>
  digitsIn(heard).replaceAll(/\bm (\d+)\b/gu, "M$1");
