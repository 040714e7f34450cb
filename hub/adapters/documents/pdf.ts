// A document as PDF, by pdfkit. Runs in the worker of worker.ts: laying out text takes its time.
//
// PF1. Text that the fonts every reader has cannot show is set in one that the system brings; where
//      there is none, it is refused, and never written as question marks.

import { existsSync } from "node:fs";
import PdfKit from "pdfkit";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Block, DocumentModel, Span } from "@gantry/shared/contract/documents.ts";
import { spansText, textsOf } from "../../documents/text.ts";

type Pdf = InstanceType<typeof PdfKit>;

interface Fonts {
  readonly plain: string;
  readonly bold: string;
  readonly italic: string;
  readonly both: string;
  readonly code: string;
}

const STANDARD: Fonts = {
  plain: "Helvetica",
  bold: "Helvetica-Bold",
  italic: "Helvetica-Oblique",
  both: "Helvetica-BoldOblique",
  code: "Courier",
};
const DEJAVU = "/usr/share/fonts/truetype/dejavu/DejaVuSans";
const DEJAVU_FONTS: Fonts = {
  plain: `${DEJAVU}.ttf`,
  bold: `${DEJAVU}-Bold.ttf`,
  italic: `${DEJAVU}-Oblique.ttf`,
  both: `${DEJAVU}-BoldOblique.ttf`,
  code: `${DEJAVU}Mono.ttf`,
};

/** What the standard fonts show: Windows-1252, as pdfkit encodes it. */
const STANDARD_TEXT = /^[\t\n\r -~\u{a0}-\u{ff}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]*$/u;
const SIZE = 10.5;
const HEADING_SIZES = [20, 16, 14, 12, 11, 10.5];
const MARGIN = 56;
const CELL_PAD = 4;
const LINE_COLOR = "#999999";

/** `images`: PNG or JPEG by blob. Throws capability_missing (PF1), bad_request for a damaged picture. */
export async function writePdf(
  model: DocumentModel,
  images: ReadonlyMap<string, Uint8Array>,
  atMs: number,
): Promise<Uint8Array> {
  const fonts = fontsFor(model);
  const { title, author, blocks } = model;
  const created = new Date(atMs);
  const pdf = new PdfKit({
    size: "A4",
    margin: MARGIN,
    lang: "en",
    info: {
      Title: title,
      Author: author,
      Creator: "Gantry",
      CreationDate: created,
      ModDate: created,
    },
  });
  const pieces: Buffer[] = [];
  pdf.on("data", (piece: Buffer) => void pieces.push(piece));
  const ended = new Promise<void>((resolve, reject) => {
    pdf.on("end", resolve);
    pdf.on("error", reject);
  });
  pdf.font(fonts.bold).fontSize(24).text(title);
  if (author !== "") pdf.font(fonts.italic).fontSize(SIZE).text(author);
  pdf.moveDown(1);
  for (const block of blocks) write(pdf, fonts, block, images);
  pdf.end();
  await ended;
  return Buffer.concat(pieces);
}

function fontsFor({ title, author, blocks }: DocumentModel): Fonts {
  const isStandard = [title, author, ...textsOf(blocks)].every((text) => STANDARD_TEXT.test(text));
  if (isStandard) return STANDARD;
  if (Object.values(DEJAVU_FONTS).every((path: string) => existsSync(path))) return DEJAVU_FONTS;
  throw new GantryError(
    "capability_missing",
    "The text needs letters that no font here has: apt install fonts-dejavu-core fonts-dejavu-extra",
  );
}

function write(
  pdf: Pdf,
  fonts: Fonts,
  block: Block,
  images: ReadonlyMap<string, Uint8Array>,
): void {
  switch (block.kind) {
    case "heading": {
      const size = HEADING_SIZES[block.level - 1] ?? SIZE;
      pdf.moveDown(0.5);
      pdf.font(fonts.bold).fontSize(size).text(spansText(block.text));
      pdf.moveDown(0.3);
      break;
    }
    case "paragraph":
      writeSpans(pdf, fonts, block.text);
      pdf.moveDown(0.6);
      break;
    case "list":
      writeList(pdf, fonts, block);
      break;
    case "table":
      writeTable(pdf, fonts, block);
      break;
    case "code":
      pdf.font(fonts.code).fontSize(9).fillColor("#222222").text(block.text, { indent: 8 });
      pdf.fillColor("black").moveDown(0.6);
      break;
    case "image":
      writeImage(pdf, fonts, block, images.get(block.blob));
  }
}

function fontOf(fonts: Fonts, { bold, italic, code }: Span): string {
  if (code === true) return fonts.code;
  if (bold === true) return italic === true ? fonts.both : fonts.bold;
  return italic === true ? fonts.italic : fonts.plain;
}

function writeSpans(pdf: Pdf, fonts: Fonts, spans: readonly Span[], indent = 0): void {
  const shown = spans.filter(({ text }) => text !== "");
  if (shown.length === 0) return void pdf.text(" ");
  for (const [at, span] of shown.entries()) {
    const continued = at < shown.length - 1;
    const isLink = span.link !== undefined;
    pdf
      .font(fontOf(fonts, span))
      .fontSize(SIZE)
      .fillColor(isLink ? "#0645ad" : "black")
      .text(span.text, { continued, underline: isLink, link: span.link ?? null, indent });
  }
  pdf.fillColor("black");
}

function writeList(
  pdf: Pdf,
  fonts: Fonts,
  { items, ordered }: Extract<Block, { kind: "list" }>,
): void {
  const left = pdf.page.margins.left;
  for (const [at, item] of items.entries()) {
    const mark = ordered ? `${at + 1}.` : "•";
    pdf
      .font(fonts.plain)
      .fontSize(SIZE)
      .text(`${mark} `, left + 10, pdf.y, { continued: true });
    writeSpans(pdf, fonts, item);
  }
  pdf.x = left;
  pdf.moveDown(0.6);
}

/** Columns of one width; a row is never torn in two pages unless it is higher than one. */
function writeTable(
  pdf: Pdf,
  fonts: Fonts,
  { head, rows }: Extract<Block, { kind: "table" }>,
): void {
  const { left, right, bottom, top } = pdf.page.margins;
  const width = (pdf.page.width - left - right) / head.length;
  const lowest = (): number => pdf.page.height - bottom;
  const writeRow = (cells: readonly string[], font: string): void => {
    pdf.font(font).fontSize(9);
    const options = { width: width - 2 * CELL_PAD };
    const height = Math.min(
      Math.max(...cells.map((cell) => pdf.heightOfString(cell || " ", options))) + 2 * CELL_PAD,
      lowest() - top,
    );
    if (pdf.y + height > lowest()) pdf.addPage();
    const y = pdf.y;
    for (const [at, cell] of cells.entries()) {
      const x = left + at * width;
      pdf.rect(x, y, width, height).strokeColor(LINE_COLOR).lineWidth(0.5).stroke();
      const inner = { ...options, height: height - 2 * CELL_PAD, ellipsis: true };
      pdf.text(cell, x + CELL_PAD, y + CELL_PAD, inner);
    }
    pdf.x = left;
    pdf.y = y + height;
  };
  writeRow(head, fonts.bold);
  for (const row of rows)
    writeRow(
      head.map((_, at) => row[at] ?? ""),
      fonts.plain,
    );
  pdf.moveDown(0.8);
}

function writeImage(
  pdf: Pdf,
  fonts: Fonts,
  { alt }: Extract<Block, { kind: "image" }>,
  bytes: Uint8Array | undefined,
): void {
  const { left, right, top, bottom } = pdf.page.margins;
  const width = pdf.page.width - left - right;
  if (bytes !== undefined) {
    try {
      pdf.image(Buffer.from(bytes), { fit: [width, (pdf.page.height - top - bottom) / 2] });
    } catch (cause) {
      throw new GantryError("bad_request", `The picture "${alt}" is no PNG or JPEG`, { cause });
    }
  }
  pdf.font(fonts.italic).fontSize(9).text(alt);
  pdf.moveDown(0.6);
}
