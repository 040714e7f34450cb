// A document as Markdown. What `readMarkdown` reads of it is the same document, but for spaces.

import type { Block, DocumentModel, Span } from "@gantry/shared/contract/documents.ts";

/** The title is its first heading. */
export const writeMarkdown = ({ title, author, blocks }: DocumentModel): string =>
  `${[
    `# ${escaped(title)}`,
    ...(author === "" ? [] : [`*${escaped(author)}*`]),
    ...blocks.map(blockText),
  ].join("\n\n")}\n`;

function blockText(block: Block): string {
  switch (block.kind) {
    case "heading":
      return `${"#".repeat(block.level)} ${spansMarkdown(block.text)}`;
    case "paragraph":
      return lineStart(spansMarkdown(block.text));
    case "list":
      return block.items
        .map((item, at) => `${block.ordered ? `${at + 1}.` : "-"} ${spansMarkdown(item)}`)
        .join("\n");
    case "table":
      return [
        rowText(block.head),
        rowText(block.head.map(() => "---")),
        ...block.rows.map((row) => rowText(block.head.map((_, at) => row[at] ?? ""))),
      ].join("\n");
    case "code": {
      const fence = fenceFor(block.text);
      return `${fence}${block.language ?? ""}\n${block.text}\n${fence}`;
    }
    case "image":
      return `![${escaped(block.alt)}](blob:${block.blob})`;
  }
}

const rowText = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll(/[\\|]/g, "\\$&").replaceAll(/\r?\n/g, "\\n")).join(" | ")} |`;

/** One more tick than any line of it begins with. */
function fenceFor(text: string): string {
  const ticks = [...text.matchAll(/^[ \t]*(`{3,})/gm)].map(([, run = ""]) => run.length);
  return "`".repeat(Math.max(2, ...ticks) + 1);
}

export const spansMarkdown = (spans: readonly Span[]): string =>
  spans
    .map(spanMarkdown)
    .join("")
    .replaceAll(/\s*\n\s*/g, " ");

function spanMarkdown({ text, bold, italic, code, link }: Span): string {
  if (text === "") return "";
  if (code === true && !text.includes("`")) return `\`${text}\``;
  const plain = escaped(text);
  const marked = link === undefined ? plain : `[${plain}](${link.replaceAll(")", "%29")})`;
  const slanted = italic === true ? `*${marked}*` : marked;
  return bold === true ? `**${slanted}**` : slanted;
}

const escaped = (text: string): string =>
  text.replaceAll(/[\\`*[\]]/g, "\\$&").replaceAll(/\s*\n\s*/g, " ");

/** A paragraph that begins like a list, a heading or a table is still one. */
function lineStart(text: string): string {
  if (/^(?:#{1,6}[ \t]|[-+][ \t]|~~~|!)/.test(text)) return `\\${text}`;
  return text.replace(/^(\d{1,9})([.)])([ \t])/, "$1\\$2$3");
}
