// Numbers as people write them, with their unit, as one word that is equal for equal amounts: `1 inch`,
// `25.4mm` and `2.54 cm` are the same, `200` and `200 C` are not.
//
// N1. Units are joined only where they measure the same thing and one factor leads from one to the other.
// N2. A difference of temperatures is not a temperature: 10 C is 50 F, but 10 degrees more are 18 F more.
// N3. What is not certainly a number (leading zeros, `1,5`, `10-20`, `3/4`, versions, times) is a word,
//     equal only to itself.

interface Unit {
  readonly of: string;
  readonly factor: number;
  /** Added before the factor: temperatures. */
  readonly shift?: number;
}

const unit = (of: string, factor: number, shift?: number): Unit =>
  shift === undefined ? { of, factor } : { of, factor, shift };

/** As written: `m` is no `M`. */
const SYMBOLS: Readonly<Record<string, Unit>> = {
  mm: unit("mm", 1),
  cm: unit("mm", 10),
  m: unit("mm", 1_000),
  km: unit("mm", 1e6),
  um: unit("mm", 0.001),
  μm: unit("mm", 0.001), // Greek: NFKC makes the micro sign of it
  mg: unit("g", 0.001),
  g: unit("g", 1),
  kg: unit("g", 1_000),
  lb: unit("g", 453.592_37),
  lbs: unit("g", 453.592_37),
  oz: unit("g", 28.349_523_125),
  ms: unit("s", 0.001),
  s: unit("s", 1),
  sec: unit("s", 1),
  min: unit("s", 60),
  mins: unit("s", 60),
  h: unit("s", 3_600),
  hr: unit("s", 3_600),
  hrs: unit("s", 3_600),
  C: unit("C", 1),
  "°C": unit("C", 1),
  F: unit("C", 1 / 1.8, -32),
  "°F": unit("C", 1 / 1.8, -32),
  K: unit("C", 1, -273.15),
  "°": unit("degree", 1),
  "mm/s": unit("mm/s", 1),
  "mm/min": unit("mm/s", 1 / 60),
  "cm/s": unit("mm/s", 10),
  "m/s": unit("mm/s", 1_000),
  ml: unit("ml", 1),
  mL: unit("ml", 1),
  cl: unit("ml", 10),
  l: unit("ml", 1_000),
  L: unit("ml", 1_000),
  mV: unit("V", 0.001),
  V: unit("V", 1),
  kV: unit("V", 1_000),
  mA: unit("A", 0.001),
  A: unit("A", 1),
  mW: unit("W", 0.001),
  W: unit("W", 1),
  kW: unit("W", 1_000),
  Wh: unit("Wh", 1),
  kWh: unit("Wh", 1_000),
  Hz: unit("Hz", 1),
  kHz: unit("Hz", 1_000),
  MHz: unit("Hz", 1e6),
  GHz: unit("Hz", 1e9),
  kB: unit("byte", 1e3),
  MB: unit("byte", 1e6),
  GB: unit("byte", 1e9),
  TB: unit("byte", 1e12),
  KiB: unit("byte", 1_024),
  MiB: unit("byte", 1_048_576),
  GiB: unit("byte", 1_073_741_824),
  Mbit: unit("bit", 1e6),
  Gbit: unit("bit", 1e9),
  bar: unit("bar", 1),
  psi: unit("psi", 1),
  rpm: unit("rpm", 1),
  "%": unit("%", 1),
};

/** In any case, singular or plural. */
const WORDS: Readonly<Record<string, Unit>> = {
  millimeter: unit("mm", 1),
  millimetre: unit("mm", 1),
  centimeter: unit("mm", 10),
  centimetre: unit("mm", 10),
  meter: unit("mm", 1_000),
  metre: unit("mm", 1_000),
  kilometer: unit("mm", 1e6),
  kilometre: unit("mm", 1e6),
  micron: unit("mm", 0.001),
  inch: unit("mm", 25.4),
  foot: unit("mm", 304.8),
  yard: unit("mm", 914.4),
  mile: unit("mm", 1_609_344),
  milligram: unit("g", 0.001),
  gram: unit("g", 1),
  kilogram: unit("g", 1_000),
  kilo: unit("g", 1_000),
  pound: unit("g", 453.592_37),
  ounce: unit("g", 28.349_523_125),
  millisecond: unit("s", 0.001),
  second: unit("s", 1),
  minute: unit("s", 60),
  hour: unit("s", 3_600),
  day: unit("s", 86_400),
  week: unit("s", 604_800),
  month: unit("month", 1),
  year: unit("month", 12),
  celsius: unit("C", 1),
  fahrenheit: unit("C", 1 / 1.8, -32),
  kelvin: unit("C", 1, -273.15),
  degree: unit("degree", 1),
  milliliter: unit("ml", 1),
  millilitre: unit("ml", 1),
  liter: unit("ml", 1_000),
  litre: unit("ml", 1_000),
  volt: unit("V", 1),
  millivolt: unit("V", 0.001),
  amp: unit("A", 1),
  ampere: unit("A", 1),
  milliamp: unit("A", 0.001),
  watt: unit("W", 1),
  kilowatt: unit("W", 1_000),
  hertz: unit("Hz", 1),
  percent: unit("%", 1),
  megabyte: unit("byte", 1e6),
  gigabyte: unit("byte", 1e9),
  kilobyte: unit("byte", 1e3),
};
const PLURALS: Readonly<Record<string, string>> = { inches: "inch", feet: "foot" };

export function unitOf(text: string): Unit | undefined {
  if (Object.hasOwn(SYMBOLS, text)) return SYMBOLS[text];
  const lower = text.toLowerCase();
  const single = PLURALS[lower] ?? (lower.endsWith("s") ? lower.slice(0, -1) : lower);
  if (Object.hasOwn(WORDS, lower)) return WORDS[lower];
  return Object.hasOwn(WORDS, single) ? WORDS[single] : undefined;
}

/** N3. `5`, `-0.4`, `1,000`, `2.5e3`; undefined for anything else. */
export function numberOf(text: string): number | undefined {
  if (!/^[+-]?(?:0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)?(?:\.\d+)?(?:e[+-]?\d{1,3})?$/i.test(text))
    return undefined;
  if (!/\d/.test(text)) return undefined;
  const value = Number(text.replaceAll(",", ""));
  return Number.isFinite(value) ? value : undefined;
}

/** A number with its unit written to it, `0.4mm`, `50%`; undefined for anything else. */
export function amountOf(text: string): { value: number; unit: Unit } | undefined {
  const parts = /^([+-]?[\d.,]*\d(?:e[+-]?\d+)?)(\D.*)$/i.exec(text);
  const value = numberOf(parts?.[1] ?? "");
  const found = unitOf(parts?.[2] ?? "") ?? (parts?.[2] === "in" ? WORDS["inch"] : undefined);
  return value === undefined || found === undefined ? undefined : { value, unit: found };
}

/** N1, N2. The word for an amount. `isDifference`: the text speaks of more or less of something. */
export function amountWord(value: number, of: Unit | undefined, isDifference: boolean): string {
  if (of === undefined) return `#${shortest(value)}`;
  if (of.of === "C" && isDifference) return `#${shortest(value * of.factor)} ${of.of}~`;
  return `#${shortest((value + (of.shift ?? 0)) * of.factor)} ${of.of}`;
}

/** Ten digits: more than anybody writes, less than arithmetic loses. */
const shortest = (value: number): string => String(Number(value.toPrecision(10)) + 0);

const SMALL =
  `zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
  sixteen seventeen eighteen nineteen`.split(/\s+/);
const TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ");
const LARGE: Readonly<Record<string, number>> = { thousand: 1e3, million: 1e6, billion: 1e9 };
const ORDINALS = `first second third fourth fifth sixth seventh eighth ninth tenth eleventh
  twelfth`.split(/\s+/);

const smallOf = (word: string): number | undefined => {
  const small = SMALL.indexOf(word);
  if (small >= 0) return small;
  const tens = TENS.indexOf(word);
  if (tens >= 0) return 20 + 10 * tens;
  const [ten = "", one = "", ...more] = word.split("-");
  const [a, b] = [TENS.indexOf(ten), SMALL.indexOf(one)];
  return more.length === 0 && a >= 0 && b >= 1 && b <= 9 ? 20 + 10 * a + b : undefined;
};

/** The number that words from `at` on spell out, and how many words it takes; undefined if none do. */
export function spelledNumber(
  words: readonly string[],
  at: number,
): { readonly value: number; readonly taken: number } | undefined {
  let total = 0;
  let part: number | undefined;
  let place = at;
  for (; place < words.length; place += 1) {
    const word = words[place] ?? "";
    const small = smallOf(word);
    if (small !== undefined) {
      // `twenty five` goes on; `five six` are two numbers.
      const goesOn = part === undefined || (small < 10 && part % 100 >= 20 && part % 10 === 0);
      if (!goesOn && (part ?? 0) % 100 !== 0) break;
      part = (part ?? 0) + small;
    } else if (word === "hundred") part = (part ?? 1) * 100;
    else if (Object.hasOwn(LARGE, word)) {
      total += (part ?? 1) * (LARGE[word] ?? 1);
      part = 0;
    } else if (word === "dozen") part = (part ?? 1) * 12;
    else if (word === "and" && place > at && isAfterAnd(words, place)) continue;
    else break;
  }
  return place === at ? undefined : { value: total + (part ?? 0), taken: place - at };
}

/** `two hundred and five`, but `two and five` are two. */
const isAfterAnd = (words: readonly string[], at: number): boolean =>
  /^(?:hundred|thousand|million)$/.test(words[at - 1] ?? "") &&
  smallOf(words[at + 1] ?? "") !== undefined;

/** `third`, `3rd`; 1 and up. */
export function ordinalOf(word: string): number | undefined {
  const spelled = ORDINALS.indexOf(word);
  if (spelled >= 0) return spelled + 1;
  const written = /^([1-9]\d*)(?:st|nd|rd|th)$/.exec(word);
  return written === null ? undefined : Number(written[1]);
}
