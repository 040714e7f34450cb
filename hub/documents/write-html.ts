// A document as one HTML file that needs nothing else and runs nothing: no script, no style from
// elsewhere, pictures within it.
//
// WH1. Every text and every attribute is escaped here, and a link is http, https or mailto.

import {
  type Block,
  type DocumentModel,
  isSafeLink,
  type Span,
} from "@gantry/shared/contract/documents.ts";

/** A picture as a data URL can hold it. */
export interface Picture {
  readonly mediaType: "image/png" | "image/jpeg";
  readonly base64: string;
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
pre{overflow:auto;padding:.75rem;border:1px solid #8885}table{border-collapse:collapse}
th,td{border:1px solid #8888;padding:.25rem .5rem;text-align:left;white-space:pre-line}img{max-width:100%}`;

/** `pictures`: by blob; one that is not there is told by its words. */
export function writeHtml(
  { title, author, blocks }: DocumentModel,
  pictures: ReadonlyMap<string, Picture>,
): string {
  const by = author === "" ? "" : `<p><em>${escaped(author)}</em></p>\n`;
  const body = blocks.map((block) => blockHtml(block, pictures)).join("\n");
  return `<!doctype html>
<html><head><meta charset="utf-8">
<meta http-equiv="content-security-policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="author" content="${escaped(author)}">
<title>${escaped(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escaped(title)}</h1>
${by}${body}
</body></html>
`;
}

function blockHtml(block: Block, pictures: ReadonlyMap<string, Picture>): string {
  switch (block.kind) {
    case "heading":
      return `<h${block.level}>${spansHtml(block.text)}</h${block.level}>`;
    case "paragraph":
      return `<p>${spansHtml(block.text)}</p>`;
    case "list": {
      const tag = block.ordered ? "ol" : "ul";
      const items = block.items.map((item) => `<li>${spansHtml(item)}</li>`).join("");
      return `<${tag}>${items}</${tag}>`;
    }
    case "table": {
      const head = block.head.map((cell) => `<th>${escaped(cell)}</th>`).join("");
      const rows = block.rows.map(
        (row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`,
      );
      return `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
    }
    case "code":
      return `<pre><code>${escaped(block.text)}</code></pre>`;
    case "image": {
      const picture = pictures.get(block.blob);
      if (picture === undefined) return `<p>[${escaped(block.alt)}]</p>`;
      return `<img alt="${escaped(block.alt)}" src="data:${picture.mediaType};base64,${picture.base64}">`;
    }
  }
}

const spansHtml = (spans: readonly Span[]): string => spans.map(spanHtml).join("");

function spanHtml({ text, bold, italic, code, link }: Span): string {
  let html = escaped(text);
  if (code === true) html = `<code>${html}</code>`;
  if (italic === true) html = `<em>${html}</em>`;
  if (bold === true) html = `<strong>${html}</strong>`;
  if (link === undefined || !isSafeLink(link)) return html; // WH1
  return `<a href="${escaped(link)}" rel="noreferrer">${html}</a>`;
}

const NAMES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (char) => NAMES[char] ?? char);
