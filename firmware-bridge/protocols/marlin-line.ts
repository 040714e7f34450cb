// A numbered, checksummed line as Marlin wants it: `N5 G1 X1*33`.
//
// ML1. parse after format gives number and command back; a line with one byte changed does not
//      parse, but for changes that keep the XOR (two equal ones), which no Marlin can see either.
// ML2. A line end with one bit changed joins two lines, and Marlin looks for the last `*` of both: for
//      fourteen sums the joined text has the sum of its second line and passes. Those sums are
//      written with a leading zero, which changes the XOR of the whole and not the number.

/** XOR of the bytes before `*`. `text` is ASCII. */
export function checksumOf(text: string): number {
  let sum = 0;
  for (let index = 0; index < text.length; index += 1) sum ^= text.charCodeAt(index) & 0xff;
  return sum;
}

/** With the line end. `number`: 0 or more. `command`: printable ASCII without `*`. */
export function formatLine(number: number, command: string): string {
  const body = `N${number} ${command}`;
  return `${body}*${SUM_TEXTS[checksumOf(body)] ?? ""}\n`;
}

const LF = 10;

/** ML2. What the first of two joined lines adds to the XOR: it must not be 0. */
const isBlind = (sum: number, text: string): boolean =>
  [1, 2, 4, 8, 16, 32, 64, 128].some((bit) => (sum ^ checksumOf(`*${text}`) ^ LF ^ bit) === 0);

const SUM_TEXTS: readonly string[] = Array.from({ length: 256 }, (_, sum) =>
  isBlind(sum, `${sum}`) ? `0${sum}` : `${sum}`,
);

export type ParsedLine =
  | { readonly kind: "plain"; readonly command: string }
  | { readonly kind: "numbered"; readonly number: number; readonly command: string }
  | { readonly kind: "unsummed"; readonly number: number }
  | { readonly kind: "corrupt" };

/** What a firmware makes of one received line, without its line end. */
export function parseLine(line: string): ParsedLine {
  const star = line.lastIndexOf("*");
  const body = star === -1 ? line : line.slice(0, star);
  const head = /^\s*N(-?\d+)\s*/.exec(line);
  if (star !== -1) {
    const sum = /^\d+/.exec(line.slice(star + 1));
    if (sum === null || Number(sum[0]) !== checksumOf(body)) return { kind: "corrupt" };
  }
  if (head === null) return { kind: "plain", command: body.trim() };
  const number = Number(head[1]);
  if (star === -1) return { kind: "unsummed", number };
  return { kind: "numbered", number, command: body.slice(head[0].length).trim() };
}
