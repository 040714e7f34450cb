// Words, by what they do in an English question. The guard (guard.ts) needs every word of both questions
// to be accounted for, so a word that is in no list here is simply a word that both must have.

const set = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Say nothing that an answer could depend on. */
export const EMPTY = set(`
  a an the please kindly basically actually really very quite hey hi hello okay ok thanks um
`);

export const BE = set("is are am was were be been");
export const PAST_BE = set("was were");
export const DO = set("do does did");
export const MODALS: Readonly<Record<string, string>> = {
  can: "can",
  could: "can",
  should: "should",
  ought: "should",
  would: "would",
  will: "will",
  shall: "will",
  may: "may",
  might: "might",
  must: "must",
};

export const NEGATORS = set("not no never none nothing neither nor nobody nowhere cannot without");

export const QUESTION_WORDS: Readonly<Record<string, string>> = {
  what: "what",
  which: "what",
  who: "who",
  whom: "who",
  whose: "whose",
  when: "when",
  where: "where",
  why: "why",
  how: "how",
};

/** Say what the words after them are to the rest: a phrase begins. */
export const PREPOSITIONS: Readonly<Record<string, string>> = Object.fromEntries(
  `of in on at to from with for by into onto over under above below between through during about
   against per toward within inside outside near across along around off out up down upon beside
   behind beyond except like as than`
    .trim()
    .split(/\s+/)
    .map((word) => [word, word]),
);

/** As PREPOSITIONS, and the order of everything counts. */
export const CONNECTIVES = set(`
  and or but then if because before after until till while unless since though although whether so
  when where why who what how that versus vs
`);

/** What stands for something else: never left out. Those that may stand for anybody: guard R5. */
export const ANYBODY = set("i we one");

const VERBS = `
  add adjust align anneal apply assemble attach avoid begin bend boil buy build calibrate cancel carry
  change check choose clean clear connect contain cook cool create cure cut decrease delete dry enable
  disable explain fasten fetch find finish fix glue happen heat help home improve increase insert
  install join keep level load lower lubricate maintain make measure melt mend mix modify mount move need
  obtain occur open close pause peel pick play post prevent print produce purchase raise recommend reduce
  remove repair replace require reset restart resume retrieve run sand save scan select send set show
  shut slice smooth solve spin start stick stop store support switch tension test tighten train travel
  tune turn work unload update upgrade use utilise verify wash wear weld wipe wire write plug unplug reboot
  retract extrude prime purge swap rename copy export import configure schedule share sharpen drill bolt
`
  .trim()
  .split(/\s+/);
const DOUBLED = set("begin cut run set shut spin stop swap plug unplug");

/** Forms of a verb that mean the same in a question: `cleaning`, `cleans`. Never `cleaned`. */
export const VERB_FORMS: ReadonlyMap<string, string> = new Map(VERBS.flatMap(formsOf));
export const IS_VERB: ReadonlySet<string> = new Set(VERBS);

function formsOf(verb: string): readonly (readonly [string, string])[] {
  const last = verb.at(-1) ?? "";
  const stem = verb.endsWith("e") && !verb.endsWith("ee") ? verb.slice(0, -1) : verb;
  const ing = DOUBLED.has(verb) ? `${verb}${last}ing` : `${stem}ing`;
  const third = /(?:s|x|z|ch|sh)$/.test(verb)
    ? `${verb}es`
    : verb.replace(/([^aeiou])y$/, "$1ie").concat("s");
  // `building`, `setting` and `bending` name things as well; only the verb's own forms are joined.
  const isThing = ["build", "set", "mean", "wash", "train", "bolt", "wire", "home"].includes(verb);
  return isThing
    ? [[third, verb]]
    : [
        [ing, verb],
        [third, verb],
      ]; // prettier keeps it short
}

/** The first of each line stands for all of them. */
const SAME = `
  get fetch retrieve obtain
  remove delete erase
  start begin commence
  stop halt
  cancel abort
  finish complete
  fix repair mend
  make create produce generate
  buy purchase
  choose select pick
  show display
  use utilise utilize
  change modify alter
  increase raise
  decrease reduce
  improve enhance
  prevent avoid
  help assist
  need require
  find locate
  check verify
  join connect
  happen occur
  stick adhere
  attach fasten
  work function
  data information info
  problem issue trouble
  picture image photo
  way method approach technique
  difference distinction
  advantage benefit
  disadvantage drawback downside
  fast quick rapid
  big large
  simple easy
  cheap inexpensive
  expensive costly
  wrong incorrect
  common usual typical
  main primary principal
  max maximum
  min minimum
  temp temperature
  cost price
  ideal optimal
  needed required necessary
  allowed permitted
  answer reply
  children kids
  car automobile
  doctor physician
  reason cause
  task job
  recommended suggested advised
  purpose goal aim
  colour color
  grey gray
  metre meter
  fibre fiber
  aluminium aluminum
  mould mold
  programme program
  centre center
  litre liter
  tyre tire
  licence license
`;

const ALIAS: ReadonlyMap<string, string> = new Map(
  SAME.trim()
    .split("\n")
    .flatMap((line) => {
      const [first = "", ...others] = line.trim().split(/\s+/);
      return others.map((word) => [word, first] as const);
    }),
);

/** Where the -s makes another word of it, or is part of it. */
const NOT_PLURAL = set(`
  news glasses goods customs means arms woods airs forces times works irons colours colors minutes seconds
  gas lens bus plus minus canvas always perhaps physics mathematics electronics series species his hers
  ours yours theirs its this thus yes us is was has does as less unless across process access glass
  mass pass press class loss cross stress address business witness chess dress grass guess mess miss
  toss status virus bonus basis axis analysis thesis chassis cosmos chaos atlas bias alias towards besides
  afterwards upstairs downstairs outdoors indoors spectacles spirits manners papers looks
`);

/** The word that stands for it among the words of the same meaning. */
export function canonicalWord(word: string): string {
  const verb = VERB_FORMS.get(word);
  const base = verb ?? ALIAS.get(word) ?? singular(word);
  return ALIAS.get(base) ?? base;
}

function singular(word: string): string {
  if (word.length < 4 || !word.endsWith("s") || NOT_PLURAL.has(word)) return word;
  if (/(?:ss|us|is|'s)$/.test(word)) return word;
  if (word.endsWith("ies") && word.length > 4) return `${word.slice(0, -3)}y`;
  if (/(?:x|ch|sh|ss|z)es$/.test(word)) return word.slice(0, -2);
  return word.slice(0, -1);
}

const LANGUAGES: Readonly<Record<string, ReadonlySet<string>>> = {
  en: set(`the is are what how do does can should of for with and to in on a an my i you it which when
    where why who not`),
  de: set(`der die das ist sind was wie kann kannst soll von für mit und zu im auf ein eine einen mein ich du es
    welche wann wo warum wer nicht kein den dem`),
  fr: set(`le la les est sont que quel quelle comment peut de pour avec et à dans sur un une mon je tu il
    quand où pourquoi qui ne pas du des`),
  es: set(`el la los las es son qué que cómo puede de para con y a en un una mi yo tú cuándo dónde por
    quién no del`),
  it: set(`il lo la gli le è sono che cosa come può di per con e a in un una mio io tu quando dove
    perché chi non del della`),
  nl: set(`de het is zijn wat hoe kan van voor met en naar in op een mijn ik je welke wanneer waar
    waarom wie niet geen`),
};

/** Of its commonest small words; `en` where nothing says otherwise, a script's name for other letters. */
export function languageOf(words: readonly string[]): string {
  const text = words.join("");
  const script = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Devanagari}\p{Script=Thai}]/u; // prettier-ignore
  if (script.test(text)) return "script";
  let best = "en";
  let most = words.filter((word) => LANGUAGES["en"]?.has(word)).length;
  for (const [language, small] of Object.entries(LANGUAGES)) {
    const count = words.filter((word) => small.has(word)).length;
    if (count > most) [best, most] = [language, count];
  }
  return best;
}

/** Written in any case. */
export const MATERIALS = set(`
  pla petg abs asa tpu tpe pa pc pp pva hips nylon peek pei pet pctg resin wood steel brass copper
`);
