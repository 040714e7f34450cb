// Pairs of questions that are nearly the same to any encoder and must never share an answer, made by the
// rule of what makes them differ; and pairs of people's own paraphrases, which may.
//
// AD1. Every pair differs in its meaning by construction: in exactly the one thing its family is about.
// AD2. Both sides get different wordings on top (politeness, contraction, synonyms, case, punctuation), so
//      that a guard which irons out wording is tried where it irons.

import { seededRandom, type Random } from "@gantry/shared/base/prng.ts";

export interface Pair {
  readonly family: string;
  readonly a: string;
  readonly b: string;
}

const words = (text: string): readonly string[] => text.trim().split(/\s*\|\s*/);

const THINGS = words("bed | nozzle | extruder | fan | hotend | printer | chamber | belt | motor | light | heater | pump | laser | spindle | camera"); // prettier-ignore
const MATERIALS = words("PLA | PETG | ABS | ASA | TPU | nylon | PLA+ | PETG-CF | PC");
const NAMES = words("bench | left | voron-1 | voron-2 | prusa | node-a | node-b | Anna | Bob | atlas | the one | second floor"); // prettier-ignore
const PLACES = words(
  "Paris | Berlin | the garage | the kitchen | shelf three | Oslo | the lab | room 12",
);
const IDS = words("M104 | M109 | G28 | G29 | M600 | 10.0.0.5 | 10.0.0.6 | prt_01hz | prt_01hy | /srv/parts/a.stl | /srv/parts/b.stl | bracket.gcode | bracket2.gcode | v1.2.3 | v1.2.4 | sensor-7 | sensor-71"); // prettier-ignore
const QUOTES = words(
  '"left wing" | "right wing" | "lid v1" | "lid v2" | `hold` | `park` | "Home" | "home"',
);
const DATES = words("today | tomorrow | yesterday | on Monday | on Tuesday | in 2024 | in 2025 | at 10:30 | at 11:30 | on 2025-03-04 | on 2025-04-03 | last week | next week | now | this morning"); // prettier-ignore
const UNITS: readonly (readonly [string, number, string])[] = [
  ["mm", 1, "length"],
  ["cm", 10, "length"],
  ["m", 1_000, "length"],
  ["inches", 25.4, "length"],
  ["g", 1, "mass"],
  ["kg", 1_000, "mass"],
  ["oz", 28.349_523_125, "mass"],
  ["s", 1, "time"],
  ["minutes", 60, "time"],
  ["hours", 3_600, "time"],
  ["mm/s", 1, "speed"],
  ["V", 1, "volt"],
  ["mV", 0.001, "volt"],
  ["%", 1, "percent"],
  ["rpm", 1, "turns"],
  ["degrees", 1, "angle"],
];
const OPPOSITES: readonly (readonly [string, string])[] = [
  ["start", "stop"],
  ["open", "close"],
  ["enable", "disable"],
  ["increase", "decrease"],
  ["raise", "lower"],
  ["load", "unload"],
  ["heat", "cool"],
  ["attach", "remove"],
  ["lock", "unlock"],
  ["tighten", "loosen"],
  ["turn on", "turn off"],
  ["switch on", "switch off"],
  ["power up", "power down"],
  ["pause", "resume"],
  ["connect", "disconnect"],
  ["install", "uninstall"],
  ["mount", "unmount"],
  ["show", "hide"],
  ["buy", "sell"],
  ["push", "pull"],
  ["plug in", "unplug"],
  ["fill", "empty"],
];
const QUALITIES: readonly (readonly [string, string])[] = [
  ["hot", "cold"],
  ["fast", "slow"],
  ["higher", "lower"],
  ["better", "worse"],
  ["more", "less"],
  ["cheap", "expensive"],
  ["safe", "unsafe"],
  ["first", "last"],
  ["maximum", "minimum"],
  ["strongest", "weakest"],
  ["hotter", "colder"],
  ["old", "new"],
  ["left", "right"],
  ["wet", "dry"],
  ["possible", "impossible"],
  ["brittle", "flexible"],
];

interface Dice {
  readonly random: Random;
  pick<T>(list: readonly T[]): T;
  two<T>(list: readonly T[]): readonly [T, T];
  whole(most: number): number;
}

function diceOf(random: Random): Dice {
  const whole = (most: number): number => Math.floor(random() * most);
  const pick = <T>(list: readonly T[]): T => list[whole(list.length)] as T; // never empty
  return {
    random,
    whole,
    pick,
    two(list) {
      const first = whole(list.length);
      const second = (first + 1 + whole(list.length - 1)) % list.length;
      return [list[first] as never, list[second] as never];
    },
  };
}

/** A frame with one hole; what is put there is all that differs. */
const FRAMES = words(`
  How do I set the {thing} to {x}? | What happens at {x}? | Is {x} too much for the {thing}? |
  Why does the {thing} fail with {x}? | Set the {thing} to {x} | How long does {x} take with {material}? |
  Can I print {material} with {x}? | What does {x} mean for the {thing}? | Which {thing} needs {x}? |
  Should I use {x} for {material}? | Explain what {x} does to {material} | Is the {thing} ready for {x}? |
  How often should I check {x}? | Where can I find {x}? | Tell me about {x} and {material}
`);
const ACTS = words(`
  How do I {x} the {thing}? | When should I {x} the {thing}? | Can I {x} the {thing} during a print? |
  Why did Bob {x} the {thing}? | {x} the {thing} | What do I need to {x} the {thing}? |
  Is it dangerous to {x} the {thing}? | Explain how to {x} the {thing} | Who may {x} the {thing}?
`);
const QUALITY = words(`
  Is {material} {x} enough for the {thing}? | What is the {x} temperature for {material}? |
  Why is the {thing} {x}? | Which material is {x} for the {thing}? | How {x} is the {thing}? |
  Is a {x} {thing} good for {material}? | Does a {x} layer help with {material}?
`);
const SAID = words(`
  the {thing} can print {material} | {material} is safe for the {thing} | Bob should clean the {thing} |
  the {thing} needs {material} | we must cancel the print of {material} | the {thing} is hot |
  it is possible to print {material} | {material} sticks to the {thing}
`);

const fill = (frame: string, of: Readonly<Record<string, string>>): string =>
  frame.replaceAll(/\{(\w+)\}/gu, (whole, name: string) => of[name] ?? whole);

type Family = (dice: Dice) => readonly [string, string];

/** The same frame with two things in its hole. */
function holes(frames: readonly string[], two: (dice: Dice) => readonly [string, string]): Family {
  return (dice) => {
    const frame = dice.pick(frames);
    const rest = { thing: dice.pick(THINGS), material: dice.pick(MATERIALS) };
    const [x, y] = two(dice);
    return [fill(frame, { ...rest, x }), fill(frame, { ...rest, x: y })];
  };
}

const number = (dice: Dice): number =>
  dice.pick([dice.whole(300), dice.whole(20), dice.whole(1_000) / 10, dice.whole(100) / 100]);

function twoNumbers(dice: Dice): readonly [string, string] {
  const a = number(dice);
  const near = dice.pick([a + 1, a + 10, a * 10, a / 10, a + 0.1, -a, number(dice)]);
  const b = near === a || Number(near.toPrecision(9)) === a ? a + 5 : Number(near.toPrecision(9));
  const [unit] = dice.pick([...UNITS, ["", 1, ""] as const, ["C", 1, ""] as const]);
  const gap = dice.random() < 0.5 ? " " : "";
  const isGlued = gap === "" && unit !== "" && unit.length < 3;
  const tail = unit === "" ? "" : `${isGlued ? "" : " "}${unit}`;
  return [`${a}${tail}`, `${b}${tail}`];
}

function twoUnits(dice: Dice): readonly [string, string] {
  const value = 1 + dice.whole(200);
  const [[a, one, kind], [b, other, another]] = dice.two(UNITS);
  const isSame = kind === another && one === other;
  return isSame || dice.random() < 0.1
    ? [`${value}`, `${value} ${b}`]
    : [`${value} ${a}`, `${value} ${b}`];
}

const SPELLED = words(
  "one | two | three | five | ten | twelve | fifteen | fifty | twenty-five | a hundred",
);
const ORDINALS = words("the first layer | the second layer | the third layer | the last layer | the 4th layer | the 14th layer | the tenth layer"); // prettier-ignore

/** Where the order of two things is what is asked. */
const ORDERS = words(`
  How do I move a file from {x} to {y}? | Is {x} stronger than {y}? | Does {x} stick better to {y}? |
  Copy {x} to {y} | Should I heat {x} before {y}? | What happens if {x} touches {y}? |
  Print {x} after {y} | Why does {x} need {y}? | Is {x} part of {y}? | Convert {x} to {y} |
  Can {x} replace {y}? | Start {x} and then stop {y} | Does {x} come before {y}? |
  Cancel {x} but not {y} | What is the ratio of {x} to {y}? | Use {x} instead of {y} |
  How far is it from {x} to {y}? | Subtract {x} from {y} | Who gave {x} to {y}? | {x} without {y}
`);

function negated(dice: Dice): readonly [string, string] {
  const said = fill(dice.pick(SAID), { thing: dice.pick(THINGS), material: dice.pick(MATERIALS) });
  const negatives = [
    said.replace(/ (can|should|must|is) /, " $1 not "),
    said.replace(/ (can|should|must|is) /, " $1 never "),
    said
      .replace(/ can /, " can't ")
      .replace(/ is /, " isn't ")
      .replace(/ should /, " shouldn't "),
    said.replace(/ (needs|sticks) /, " never $1 "),
    `it is not true that ${said}`,
  ].filter((text) => text !== said);
  return [said, dice.pick(negatives)];
}

function denied(dice: Dice): readonly [string, string] {
  const [verb] = dice.pick(OPPOSITES);
  const thing = dice.pick(THINGS);
  const [one, other] = dice.pick([
    ["{v} the {t}", "do not {v} the {t}"],
    ["{v} the {t}", "never {v} the {t}"],
    ["how do I {v} the {t}", "how do I not {v} the {t}"],
    ["why does it {v} the {t}", "why doesn't it {v} the {t}"],
    ["should I {v} the {t}", "shouldn't I {v} the {t}"],
    ["print with the {t}", "print without the {t}"],
    ["{v} every {t}", "{v} no {t}"],
    ["{v} every {t}", "{v} every {t} except this one"],
    ["{v} all of them", "{v} none of them"],
    ["{v} the {t} if it is hot", "{v} the {t} unless it is hot"],
    ["{v} the {t} until it is hot", "{v} the {t} while it is hot"],
    ["can I {v} the {t}", "can I not {v} the {t}"],
  ] as const);
  const of = (text: string): string => text.replaceAll("{v}", verb).replaceAll("{t}", thing);
  return [of(one), of(other)];
}

const KINDS: readonly (readonly [string, string])[] = [
  ["who calibrates the {t}", "when is the {t} calibrated"],
  ["why does the {t} move", "where does the {t} move"],
  ["how does the {t} work", "does the {t} work"],
  ["what is the {t}", "who is the {t}"],
  ["how many {t}s are there", "how much is the {t}"],
  ["what can the {t} do", "what should the {t} do"],
  ["did the {t} fail", "will the {t} fail"],
  ["does the {t} fail", "did the {t} fail"],
  ["may I move the {t}", "must I move the {t}"],
  ["who can move the {t}", "who must move the {t}"],
  ["who should I call about the {t}", "who should call about the {t}"],
  ["who moved the {t}", "who was moved by the {t}"],
  ["is the {t} printing", "is the {t} printed"],
  ["can I clean the {t}", "can you clean the {t}"],
  ["what is my {t}", "what is your {t}"],
  ["who is using the {t}", "who used the {t}"],
  ["how do I clean the {t}", "why do I clean the {t}"],
  ["where is the {t}", "where was the {t}"],
  ["what does the {t} cost", "what does the {t} weigh"],
  ["clean all {t}s", "clean some {t}s"],
  ["clean both {t}s", "clean either {t}"],
  ["clean only the {t}", "clean the {t}"],
  ["is the {t} on the table", "is the {t} under the table"],
  ["how do I polish the {t}", "how do I Polish the {t}"],
  ["tell it to move the {t}", "tell IT to move the {t}"],
  ["print on the {t}", "print off the {t}"],
  ["is the {t} above the bed", "is the {t} below the bed"],
  ["at most two {t}s", "at least two {t}s"],
];

const FAMILIES: Readonly<Record<string, Family>> = {
  number: holes(FRAMES, twoNumbers),
  unit: holes(FRAMES, twoUnits),
  spelled: holes(FRAMES, (dice) => dice.two(SPELLED)),
  ordinal: holes(FRAMES, (dice) => dice.two(ORDINALS)),
  name: holes(FRAMES, (dice) => dice.two(NAMES)),
  material: holes(FRAMES, (dice) => dice.two(MATERIALS)),
  place: holes(FRAMES, (dice) => dice.two(PLACES)),
  id: holes(FRAMES, (dice) => dice.two(IDS)),
  quotation: holes(FRAMES, (dice) => dice.two(QUOTES)),
  date: holes(words("Is the {thing} free {x}? | What does {material} cost {x}? | Who used the {thing} {x}? | When does the {thing} stop {x}?"), (dice) => dice.two(DATES)), // prettier-ignore
  polarity: holes(ACTS, (dice) => flipped(dice, OPPOSITES)),
  quality: holes(QUALITY, (dice) => flipped(dice, QUALITIES)),
  negation: negated,
  denial: denied,
  order(dice) {
    const frame = dice.pick(ORDERS);
    const pool = dice.pick([MATERIALS, NAMES, THINGS.map((thing) => `the ${thing}`), IDS, PLACES]);
    const [x, y] = dice.two(pool);
    return [fill(frame, { x, y }), fill(frame, { x: y, y: x })];
  },
  question(dice) {
    const [a, b] = flipped(dice, KINDS);
    const thing = dice.pick(THINGS);
    return [a.replaceAll("{t}", thing), b.replaceAll("{t}", thing)];
  },
};

function flipped(
  dice: Dice,
  pairs: readonly (readonly [string, string])[],
): readonly [string, string] {
  const [a, b] = dice.pick(pairs);
  return dice.random() < 0.5 ? [a, b] : [b, a];
}

// ── wording ─────────────────────────────────────────────────────────────────────────────────────

const SYNONYMS: readonly (readonly [RegExp, string])[] = [
  [/\bneed\b/, "require"],
  [/\bneeds\b/, "requires"],
  [/\bfind\b/, "locate"],
  [/\btemperature\b/, "temp"],
  [/\buse\b/, "utilize"],
  [/\bcheck\b/, "verify"],
  [/\bremove\b/, "delete"],
  [/\bstart\b/, "begin"],
];

/** AD2. Leaves the meaning alone. */
function reworded(text: string, dice: Dice): string {
  let said = text;
  if (dice.random() < 0.3) said = said.replace(/^How do I /, dice.pick(["How can I ", "How to ", "How do we ", "how does one "])); // prettier-ignore
  if (dice.random() < 0.2) {
    const [from, to] = dice.pick(SYNONYMS);
    said = said.replace(from, to);
  }
  if (dice.random() < 0.2) said = said.replace(/^(What|Why|How|When|Where|Who) /, (_, asked: string) => `${dice.pick(["Can you tell me ", "Please tell me ", "I want to know "])}${asked.toLowerCase()} `); // prettier-ignore
  if (dice.random() < 0.2) said = said.replace(/^(\w)/, (letter) => (dice.random() < 0.5 ? letter.toUpperCase() : letter.toLowerCase())); // prettier-ignore
  if (dice.random() < 0.3) said = said.replace(/\?$/, dice.pick(["", " ?", "??", "."]));
  if (dice.random() < 0.15) said = `${dice.pick(["please", "hey,", "ok", "hello,"])} ${said}`;
  if (dice.random() < 0.1) said = said.replaceAll(" the ", " a ");
  if (dice.random() < 0.1) said = said.replaceAll(" ", "  ");
  return said;
}

/** AD1. The same pairs for the same seed. */
export function* adversarialPairs(count: number, seed: number): Generator<Pair> {
  const dice = diceOf(seededRandom(seed));
  const families = Object.entries(FAMILIES);
  for (let made = 0; made < count; made += 1) {
    const [family, make] = families[made % families.length] ?? families[0] ?? [];
    if (family === undefined || make === undefined) return;
    const [a, b] = make(dice);
    yield { family, a: reworded(a, dice), b: reworded(b, dice) };
  }
}

/** Names that the live registry would have. */
export const REGISTRY: readonly string[] = NAMES;
