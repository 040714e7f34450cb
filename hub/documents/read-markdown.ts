// Markdown into a document: headings, paragraphs, lists of one level, tables, fenced code, pictures by
// their blob (`![alt](blob:SHA256)`), and within lines bold, italic, code and links.
//
// RM1. Every text is read, in time that grows with its length alone: each character is passed once,
//      and what is no mark is text. HTML is text as well.
// RM2. A link that is not http, https or mailto is text.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { type Block, isSafeLink, type Span } from "@gantry/shared/contract/documents.ts";

const HEADING = /^(#{1,6})[ \t]+(.*)$/;
const BULLET = /^[ \t]{0,3}[-*+][ \t]+(.*)$/;
const NUMBER = /^[ \t]{0,3}\d{1,9}[.)][ \t]+(.*)$/;
const FENCE = /^(```+|~~~+)[ \t]*([A-Za-z0-9_+#.-]{0,40})[^`]*$/;
const IMAGE = /^!\[([^\]]{0,1000})\]\(blob:([0-9a-f]{64})\)$/;
const RULE = /^\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?$/;

/** Throws too_large for more than LIMIT.documentChars, or more than LIMIT.documentBlocks. */
export function readMarkdown(given: string): readonly Block[] {
  if (given.length > LIMIT.documentChars.max)
    throw new GantryError(
      "too_large",
      `A document has ${LIMIT.documentChars.max} characters at most`,
    );
  const lines = given.replaceAll("\r\n", "\n").split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length;) {
    if ((lines[at] ?? "").trim() === "") at += 1;
    else at = readBlock(lines, at, blocks);
    if (blocks.length > LIMIT.documentBlocks.max)
      throw new GantryError(
        "too_large",
        `A document has ${LIMIT.documentBlocks.max} blocks at most`,
      );
  }
  return blocks;
}

/** Gives the line after it. */
function readBlock(lines: readonly string[], at: number, blocks: Block[]): number {
  const line = lines[at] ?? "";
  const fence = FENCE.exec(line);
  if (fence !== null) return readCode(lines, at, fence, blocks);
  const heading = HEADING.exec(line);
  if (heading !== null) {
    const [, marks = "#", text = ""] = heading;
    const plain = text.replace(/[ \t]+#+[ \t]*$/, "").trim();
    blocks.push({ kind: "heading", level: marks.length, text: readSpans(plain) });
    return at + 1;
  }
  const image = IMAGE.exec(line.trim());
  if (image !== null) {
    const [, alt = "", blob = ""] = image;
    blocks.push({ kind: "image", blob, alt: unescaped(alt) });
    return at + 1;
  }
  // Lists first, as in CommonMark: an item that begins with a bar is no row.
  for (const [mark, ordered] of [[BULLET, false] as const, [NUMBER, true] as const])
    if (mark.test(line)) return readList(lines, at, mark, ordered, blocks);
  if (isTableAt(lines, at)) return readTable(lines, at, blocks);
  return readParagraph(lines, at, blocks);
}

function readCode(
  lines: readonly string[],
  start: number,
  [, marks = "```", language = ""]: RegExpExecArray,
  blocks: Block[],
): number {
  let end = start + 1;
  while (end < lines.length && !(lines[end] ?? "").trim().startsWith(marks)) end += 1;
  const text = lines.slice(start + 1, end).join("\n");
  blocks.push({ kind: "code", ...(language === "" ? {} : { language }), text });
  return end + 1;
}

const isTableAt = (lines: readonly string[], at: number): boolean => {
  const rule = (lines[at + 1] ?? "").trim();
  const isShort = rule.length < 2_000; // a rule of 50 columns is far below this
  return (lines[at] ?? "").includes("|") && isShort && rule.includes("-") && RULE.test(rule);
};

function readTable(lines: readonly string[], start: number, blocks: Block[]): number {
  const head = cellsOf(lines[start] ?? "").slice(0, COLUMNS_MAX);
  const rows: string[][] = [];
  let at = start + 2;
  for (; at < lines.length && (lines[at] ?? "").includes("|"); at += 1) {
    const cells = cellsOf(lines[at] ?? "");
    rows.push(head.map((_, column) => cells[column] ?? ""));
  }
  blocks.push({ kind: "table", head, rows });
  return at;
}
const COLUMNS_MAX = 50;

/** Between bars; `\|` is a bar in the text. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  let cell = "";
  const text = line.trim();
  for (let at = text.startsWith("|") ? 1 : 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === "\\" && at + 1 < text.length) {
      at += 1;
      cell += text.charAt(at) === "n" ? "\n" : text.charAt(at);
    } else if (char === "|") {
      cells.push(cell.trim());
      cell = "";
    } else cell += char;
  }
  if (cell.trim() !== "" || !text.endsWith("|")) cells.push(cell.trim());
  return cells;
}

function readList(
  lines: readonly string[],
  start: number,
  mark: RegExp,
  ordered: boolean,
  blocks: Block[],
): number {
  const items: (readonly Span[])[] = [];
  let at = start;
  while (at < lines.length) {
    const found = mark.exec(lines[at] ?? "");
    if (found === null) break;
    at += 1;
    const text = [found[1] ?? ""];
    while (at < lines.length && /^[ \t]{2,}\S/.test(lines[at] ?? "") && !isItem(lines[at] ?? "")) {
      text.push((lines[at] ?? "").trim());
      at += 1;
    }
    items.push(readSpans(text.join(" ")));
  }
  blocks.push({ kind: "list", ordered, items });
  return at;
}

const isItem = (line: string): boolean => BULLET.test(line) || NUMBER.test(line);

function readParagraph(lines: readonly string[], start: number, blocks: Block[]): number {
  let at = start + 1;
  while (at < lines.length && goesOn(lines, at)) at += 1;
  const text = lines
    .slice(start, at)
    .map((line) => line.trim())
    .join(" ");
  blocks.push({ kind: "paragraph", text: readSpans(text) });
  return at;
}

function goesOn(lines: readonly string[], at: number): boolean {
  const line = lines[at] ?? "";
  if (line.trim() === "" || HEADING.test(line) || FENCE.test(line) || isItem(line)) return false;
  return !IMAGE.test(line.trim()) && !isTableAt(lines, at);
}

// ── within a line ───────────────────────────────────────────────────────────────────────────────

const ESCAPABLE = /^[!-/:-@[-`{-~]$/;
const unescaped = (text: string): string => text.replaceAll(/\\([!-/:-@[-`{-~])/g, "$1");

interface Style {
  bold: boolean;
  italic: boolean;
}

/** RM1: where each mark closes is found once for the whole line, from its end. */
export function readSpans(text: string): readonly Span[] {
  const spans: Span[] = [];
  const style: Style = { bold: false, italic: false };
  const left = marksIn(text);
  let plain = "";
  const flush = (): void => {
    if (plain !== "") spans.push(spanOf(plain, style));
    plain = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === "\\" && ESCAPABLE.test(text.charAt(at + 1))) {
      plain += text.charAt(at + 1);
      at += 1;
    } else if (char === "`") {
      const end = left.tickAfter(at);
      if (end < 0) plain += char;
      else {
        flush();
        spans.push({ text: text.slice(at + 1, end), code: true });
        at = end;
      }
    } else if (char === "*") {
      const isBold = text.charAt(at + 1) === "*";
      const name = isBold ? "bold" : "italic";
      const mayOpen = left.count(name, at) > 0;
      if (!style[name] && !mayOpen) plain += isBold ? "**" : "*";
      else {
        flush();
        style[name] = !style[name];
      }
      if (isBold) at += 1;
    } else if (char === "[") {
      const link = linkAt(text, at, left);
      if (link === undefined) plain += char;
      else {
        flush();
        spans.push({ ...spanOf(unescaped(link.text), style), link: link.address });
        at = link.end;
      }
    } else plain += char;
  }
  flush();
  return spans;
}

const spanOf = (text: string, { bold, italic }: Style): Span => ({
  text,
  ...(bold ? { bold: true as const } : {}),
  ...(italic ? { italic: true as const } : {}),
});

interface Marks {
  /** The next backtick after this one, or -1. */
  tickAfter(at: number): number;
  /** Marks of this kind after this one. */
  count(name: keyof Style, at: number): number;
  /** The next closing bracket, and the next closing parenthesis, after a place; or -1. */
  bracketAfter(at: number): number;
  parenAfter(at: number): number;
}

/** One pass from the end; escaped marks are none. */
function marksIn(text: string): Marks {
  const found = { tick: [] as number[], bold: [] as number[], italic: [] as number[] };
  const closing = { bracket: [] as number[], paren: [] as number[] };
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === "\\") at += 1;
    else if (char === "`") found.tick.push(at);
    else if (char === "]") closing.bracket.push(at);
    else if (char === ")") closing.paren.push(at);
    else if (char === "*" && text.charAt(at + 1) === "*") {
      found.bold.push(at);
      at += 1;
    } else if (char === "*") found.italic.push(at);
  }
  return {
    tickAfter: (at) => after(found.tick, at),
    count: (name, at) => found[name].length - placeAfter(found[name], at),
    bracketAfter: (at) => after(closing.bracket, at),
    parenAfter: (at) => after(closing.paren, at),
  };
}

function placeAfter(places: readonly number[], at: number): number {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((places[middle] ?? 0) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

const after = (places: readonly number[], at: number): number =>
  places[placeAfter(places, at)] ?? -1;

const LINK_CHARS_MAX = 4_000; // text and address: a bound for what one bracket looks at

function linkAt(
  text: string,
  at: number,
  left: Marks,
): { readonly text: string; readonly address: string; readonly end: number } | undefined {
  const middle = left.bracketAfter(at);
  if (middle < 0 || text.charAt(middle + 1) !== "(") return undefined;
  const end = left.parenAfter(middle);
  if (end < 0 || end - at > LINK_CHARS_MAX) return undefined;
  const address = text.slice(middle + 2, end);
  return isSafeLink(address) ? { text: text.slice(at + 1, middle), address, end } : undefined; // RM2
}
