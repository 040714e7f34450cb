// Documents cut into pieces that a search can give: each with the headings above it, so that a piece says
// by itself what it is about and where it stands.
//
// CH1. Every line of the text is in exactly one piece, but for headings, which lead theirs.
// CH2. A piece has at most CHUNK_CHARS characters; a longer paragraph is cut at sentences, a line of code
//      only where it alone is longer.

export const CHUNK_CHARS = 1_200;

export interface Chunk {
  /** From the document's title down. */
  readonly headings: readonly string[];
  readonly text: string;
  /** Of its first line, from 1. */
  readonly line: number;
}

export type ChunkFormat = "markdown" | "text" | "pdf" | "gcode";

export function chunksOf(text: string, format: ChunkFormat, title: string): readonly Chunk[] {
  const lines = text.split(/\r\n|\r|\n/u);
  const blocks = format === "gcode" ? notesOf(lines) : blocksOf(lines, format === "markdown");
  const chunks: Chunk[] = [];
  let open:
    | { headings: readonly string[]; parts: string[]; line: number; size: number }
    | undefined;
  const close = (): void => {
    if (open === undefined) return;
    const { headings, parts, line } = open;
    const above = headings[0] === title ? headings : [title, ...headings];
    chunks.push({ headings: above, text: parts.join("\n\n"), line });
    open = undefined;
  };
  for (const { headings, text: whole, line } of blocks) {
    for (const part of cut(whole)) {
      const isSame = open !== undefined && open.headings.join("\0") === headings.join("\0");
      if (!isSame || (open?.size ?? 0) + part.length > CHUNK_CHARS) close();
      open ??= { headings, parts: [], line, size: 0 };
      open.parts.push(part);
      open.size += part.length + 2;
    }
  }
  close();
  return chunks;
}

interface Block {
  readonly headings: readonly string[];
  readonly text: string;
  readonly line: number;
}

/** Paragraphs, and fenced code as one. */
function blocksOf(lines: readonly string[], isMarkdown: boolean): readonly Block[] {
  const blocks: Block[] = [];
  const headings: string[] = [];
  let kept: string[] = [];
  let line = 1;
  let fence: string | undefined;
  const close = (): void => {
    if (kept.some((text) => text.trim() !== ""))
      blocks.push({
        headings: headings.filter((name) => name !== ""),
        text: kept.join("\n"),
        line,
      });
    kept = [];
  };
  for (const [at, text] of lines.entries()) {
    const mark = isMarkdown ? /^\s{0,3}(`{3,}|~{3,})/.exec(text)?.[1] : undefined;
    if (fence !== undefined) {
      kept.push(text);
      if (mark !== undefined && mark.startsWith(fence)) fence = undefined;
      continue;
    }
    const heading = isMarkdown ? /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(text) : null;
    if (heading !== null) {
      close();
      const level = (heading[1] ?? "#").length;
      headings.length = Math.min(headings.length, level - 1);
      while (headings.length < level - 1) headings.push("");
      headings.push(heading[2] ?? "");
      continue;
    }
    if (text.trim() === "") {
      close();
      continue;
    }
    if (kept.length === 0) line = at + 1;
    kept.push(text);
    if (mark !== undefined) fence = mark;
  }
  close();
  return blocks;
}

/** Of G-code what people and slicers wrote beside it: comments, without the geometry. */
function notesOf(lines: readonly string[]): readonly Block[] {
  const kept: string[] = [];
  let first = 1;
  for (const [at, text] of lines.entries()) {
    const note = /^\s*;\s*(.*\S)\s*$/.exec(text)?.[1];
    if (
      note === undefined ||
      /^thumbnail|^[A-Za-z0-9+/=]{60,}$|^(?:TYPE|WIDTH|HEIGHT|Z|LAYER):/i.test(note)
    )
      continue;
    if (kept.length === 0) first = at + 1;
    kept.push(note);
  }
  return kept.length === 0 ? [] : [{ headings: [], text: kept.join("\n"), line: first }];
}

/** CH2. */
function cut(text: string): readonly string[] {
  if (text.length <= CHUNK_CHARS) return [text];
  const parts: string[] = [];
  let rest = text;
  while (rest.length > CHUNK_CHARS) {
    const head = rest.slice(0, CHUNK_CHARS);
    const at = Math.max(head.lastIndexOf("\n"), head.lastIndexOf(". ") + 1);
    const end = at > CHUNK_CHARS / 4 ? at : CHUNK_CHARS;
    parts.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  if (rest !== "") parts.push(rest);
  return parts;
}

/** As a model and an index see it. */
export const chunkText = ({ headings, text }: Chunk): string => `${headings.join(" > ")}\n${text}`;
