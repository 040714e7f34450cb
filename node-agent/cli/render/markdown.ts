// The part of Markdown that models write, for a terminal: headings, bold, code, lists, tables. Pure.
//
// MD1. Plain output is the text itself, only made harmless: what reads it wants the Markdown.
// MD2. A streamed answer looks at its end as one that was rendered whole.

import { type Look, paint } from "./look.ts";
import { clean, displayWidth, padEnd, wrap } from "./text.ts";

export function renderMarkdown(look: Look, text: string): string {
  const source = clean(text);
  if (!look.isRich) return source;
  const renderer = makeBlockRenderer(look);
  const blocks = source.split("\n").map((line) => renderer.line(line));
  return [...blocks.flat(), ...renderer.end()].join("\n");
}

/** Terminal text for the pieces of a growing answer. Feed it what `push` returns, in order. */
export interface MarkdownWriter {
  push(piece: string): string;
  end(): string;
}

/** A line is shown raw while it grows and is drawn again, rendered, when it is whole. */
export function makeMarkdownWriter(look: Look): MarkdownWriter {
  if (!look.isRich) return { push: clean, end: () => "" };
  const renderer = makeBlockRenderer(look);
  let current = "";
  let shown = "";

  function erase(): string {
    const rows = Math.max(1, Math.ceil(displayWidth(shown) / look.columns));
    shown = "";
    return rows === 1 ? "\r\u001b[J" : `\r\u001b[${rows - 1}A\u001b[J`;
  }
  function closeLine(): string {
    const lines = renderer.line(current);
    current = "";
    return erase() + lines.map((line) => `${line}\n`).join("");
  }
  return {
    push(piece) {
      let out = "";
      for (const [index, part] of clean(piece).split("\n").entries()) {
        if (index > 0) out += closeLine();
        current += part;
        // A table is drawn when it is whole: its widths depend on the rows to come.
        if (current.startsWith("|")) continue;
        out += part;
        shown += part;
      }
      return out;
    },
    end() {
      const last = current === "" ? "" : closeLine();
      return (
        last +
        renderer
          .end()
          .map((line) => `${line}\n`)
          .join("")
      );
    },
  };
}

interface BlockRenderer {
  /** The lines that may be shown now that this one is known: none inside a table. */
  line(text: string): string[];
  end(): string[];
}

function makeBlockRenderer(look: Look): BlockRenderer {
  let isCode = false;
  let table: string[] = [];

  function endTable(): string[] {
    const lines = table.length === 0 ? [] : renderRows(look, table);
    table = [];
    return lines;
  }
  return {
    line(text) {
      if (/^\s*```/.test(text)) {
        isCode = !isCode;
        return endTable();
      }
      if (isCode) return [`  ${paint(look, "cyan", text)}`];
      if (text.startsWith("|")) {
        table.push(text);
        return [];
      }
      return [...endTable(), ...renderLine(look, text)];
    },
    end: endTable,
  };
}

function renderLine(look: Look, text: string): string[] {
  const heading = /^#{1,6}\s+(.*)$/.exec(text);
  if (heading !== null) return [paint(look, "bold", paint(look, "underline", heading[1] ?? ""))];
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(text)) return [paint(look, "dim", "─".repeat(24))];
  const item = /^(\s*)(?:[-*+]|(\d+[.)]))\s+(.*)$/.exec(text);
  if (item !== null) {
    const mark = `${item[1] ?? ""}${item[2] ?? "•"} `;
    return hang(look, mark, item[3] ?? "");
  }
  const quote = /^>\s?(.*)$/.exec(text);
  if (quote !== null) return hang(look, "│ ", quote[1] ?? "");
  return hang(look, "", text);
}

/** Wrapped text whose later lines stand under the first one's text. */
function hang(look: Look, mark: string, text: string): string[] {
  const indent = displayWidth(mark);
  const columns = Math.max(10, look.columns - indent);
  return wrap(text, columns).map((line, index) => {
    const margin = index === 0 ? mark : " ".repeat(indent);
    return margin + renderInline(look, line);
  });
}

/** Bold, code, italic and links inside one line. */
function renderInline(look: Look, text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) => {
      if (/^`[^`]+`$/.test(part)) return paint(look, "cyan", part.slice(1, -1));
      return part
        .replaceAll(/\*\*([^*\s](?:[^*]*[^*\s])?)\*\*/g, (_, inner: string) =>
          paint(look, "bold", inner),
        )
        .replaceAll(/(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])/g, (_, inner: string) =>
          paint(look, "italic", inner),
        )
        .replaceAll(
          /\[([^\]]+)\]\(([^)\s]+)\)/g,
          (_, label: string, url: string) => `${paint(look, "underline", label)} (${url})`,
        );
    })
    .join("");
}

function renderRows(look: Look, lines: readonly string[]): string[] {
  const rows = lines
    .filter((line) => !/^\|[\s:|-]+\|?\s*$/.test(line))
    .map((line) =>
      line
        .replace(/^\||\|\s*$/g, "")
        .split("|")
        .map((cell) => renderInline(look, cell.trim())),
    );
  const count = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, index) =>
    Math.max(...rows.map((row) => displayWidth(row[index] ?? ""))),
  );
  return rows.map((row, index) => {
    const cells = widths.map((width, place) => padEnd(row[place] ?? "", width));
    const line = cells.join(" │ ").trimEnd();
    return index === 0 ? paint(look, "bold", line) : line;
  });
}
