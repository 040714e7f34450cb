// Numbers as they are spoken, and back. Ears write "forty by thirty", the grammar of the hub reads 40 by 30.

const SMALL = [
  "zero",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
  "thirteen",
  "fourteen",
  "fifteen",
  "sixteen",
  "seventeen",
  "eighteen",
  "nineteen",
] as const;
const TENS = [
  "twenty",
  "thirty",
  "forty",
  "fifty",
  "sixty",
  "seventy",
  "eighty",
  "ninety",
] as const;
const VALUES: ReadonlyMap<string, number> = new Map([
  ...SMALL.map((word, value) => [word, value] as const),
  ...TENS.map((word, at) => [word, (at + 2) * 10] as const),
]);

/** 0 to 999,999 in words: 215 is "two hundred fifteen". Throws nothing; others come back as digits. */
export function numberWords(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > 999_999) return String(value);
  if (value < 20) return SMALL[value] ?? String(value);
  if (value < 100) {
    const ten = TENS[Math.floor(value / 10) - 2] ?? "";
    return value % 10 === 0 ? ten : `${ten} ${numberWords(value % 10)}`;
  }
  const [unit, name] = value < 1_000 ? [100, "hundred"] : [1_000, "thousand"];
  const head = `${numberWords(Math.floor(value / unit))} ${name}`;
  return value % unit === 0 ? head : `${head} ${numberWords(value % unit)}`;
}

/** "a box forty five by two hundred" is "a box 45 by 200"; "two point five" is "2.5". Other words stay. */
export function digitsIn(text: string): string {
  const words = text.split(" ");
  const out: string[] = [];
  for (let at = 0; at < words.length;) {
    const run = numberAt(words, at);
    if (run === undefined) {
      out.push(words[at] ?? "");
      at += 1;
      continue;
    }
    const fraction = words[at + run.length] === "point" ? digitRun(words, at + run.length + 1) : "";
    out.push(fraction === "" ? String(run.value) : `${run.value}.${fraction}`);
    at += run.length + (fraction === "" ? 0 : 1 + fraction.length);
  }
  return out.join(" ");
}

function digitRun(words: readonly string[], from: number): string {
  let digits = "";
  for (let at = from; at < words.length; at += 1) {
    const value = VALUES.get(words[at] ?? "");
    if (value === undefined || value > 9) break;
    digits += String(value);
  }
  return digits;
}

/** The longest number that begins here; undefined if none does. */
function numberAt(
  words: readonly string[],
  from: number,
): { readonly value: number; readonly length: number } | undefined {
  let total = 0;
  let part: number | undefined; // below 1,000
  let last: "tens" | "unit" | "hundred" | "thousand" | undefined;
  let at = from;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? "";
    const value = VALUES.get(word);
    if (value !== undefined) {
      const fits =
        last === undefined ||
        last === "hundred" ||
        last === "thousand" ||
        (last === "tens" && value > 0 && value < 10);
      if (!fits) break;
      part = (part ?? 0) + value;
      last = value >= 20 ? "tens" : "unit";
    } else if (word === "hundred" && part !== undefined && part < 10 && last === "unit") {
      part *= 100;
      last = "hundred";
    } else if (word === "thousand" && part !== undefined && total === 0) {
      total = part * 1_000;
      part = undefined;
      last = "thousand";
    } else break;
  }
  return last === undefined ? undefined : { value: total + (part ?? 0), length: at - from };
}
