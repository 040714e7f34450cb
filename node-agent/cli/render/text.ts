// Text for a terminal: made harmless, measured, cut and wrapped. Pure.
//
// TX1. What comes from a model, a printer or another person never reaches the terminal with control
//      characters in it: no colour, no cursor, no window title, no clipboard, no reversed reading.

// CSI and OSC sequences as a whole, so that no rests of them are left to read.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const SEQUENCE = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
// C0 without tab and line feed, DEL, C1, and the marks that turn the reading direction.
const HARMFUL =
  // oxlint-disable-next-line no-control-regex -- as above
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** TX1. Keeps tab and line feed; a CRLF becomes a line feed. */
export const clean = (text: string): string =>
  text.replaceAll("\r\n", "\n").replaceAll(SEQUENCE, "").replaceAll(HARMFUL, "");

/** The same for what must stay on one line. */
export const cleanLine = (text: string): string => clean(text).replaceAll(/[\n\t]+/g, " ");

// Printable ASCII needs no measuring.
const ASCII = /^[\u0020-\u007e]*$/;
const ZERO_WIDTH = /^[\p{M}\p{Cf}\u200b]+$/u;
// Unicode East Asian Width W and F, coarsely: Hangul, CJK, kana, full-width forms; and emoji.
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|.\ufe0f)/u;

let segmenter: Intl.Segmenter | undefined;

/** What a reader sees as one character. */
export function graphemes(text: string): string[] {
  if (ASCII.test(text)) return text.split("");
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function widthOf(grapheme: string): number {
  if (ZERO_WIDTH.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}

/** Columns that the text takes, without its ANSI sequences. */
export function displayWidth(text: string): number {
  const bare = text.includes("\u001b") ? text.replaceAll(SEQUENCE, "") : text;
  if (ASCII.test(bare)) return bare.length;
  return graphemes(bare).reduce((sum, grapheme) => sum + widthOf(grapheme), 0);
}

/** Fills up with spaces to `columns`; longer text stays as it is. */
export const padEnd = (text: string, columns: number): string =>
  text + " ".repeat(Math.max(0, columns - displayWidth(text)));

export const padStart = (text: string, columns: number): string =>
  " ".repeat(Math.max(0, columns - displayWidth(text))) + text;

/** At most `columns` wide, with an ellipsis where something was cut. For text without ANSI. */
export function cut(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const grapheme of graphemes(text)) {
    width += widthOf(grapheme);
    if (width > columns - 1) break;
    kept += grapheme;
  }
  return columns < 1 ? "" : `${kept}…`;
}

/** Lines of at most `columns`, broken at spaces where that is possible. `columns` >= 1. */
export function wrap(text: string, columns: number): string[] {
  return text.split("\n").flatMap((line) => wrapLine(line, columns));
}

function wrapLine(line: string, columns: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    const joined = current === "" ? word : `${current} ${word}`;
    if (displayWidth(joined) <= columns) {
      current = joined;
      continue;
    }
    if (current !== "") lines.push(current);
    current = "";
    for (const grapheme of graphemes(word)) {
      if (displayWidth(current + grapheme) > columns) {
        lines.push(current);
        current = "";
      }
      current += grapheme;
    }
  }
  lines.push(current);
  return lines;
}
