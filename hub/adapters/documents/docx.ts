// A document as DOCX, by docx. Runs in the worker of worker.ts.

import {
  Document,
  ExternalHyperlink,
  type FileChild,
  HeadingLevel,
  ImageRun,
  LevelFormat,
  Packer,
  Paragraph,
  type ParagraphChild,
  Table,
  TableCell,
  TableRow,
  TextRun,
  WidthType,
} from "docx";
import type { Block, DocumentModel, Span } from "@gantry/shared/contract/documents.ts";
import { imageFacts } from "../../documents/image-facts.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";

const LEVELS = [
  HeadingLevel.HEADING_1,
  HeadingLevel.HEADING_2,
  HeadingLevel.HEADING_3,
  HeadingLevel.HEADING_4,
  HeadingLevel.HEADING_5,
  HeadingLevel.HEADING_6,
] as const;
const BULLETS = "bullets";
const WIDTH_MAX = 600; // pixels between the margins of a page
const HEIGHT_MAX = 800;

const level = (format: (typeof LevelFormat)[keyof typeof LevelFormat], text: string) => ({
  level: 0,
  format,
  text,
  style: { paragraph: { indent: { left: 720, hanging: 360 } } },
});

/** `images`: PNG or JPEG by blob. Throws bad_request for a damaged picture. */
export async function writeDocx(
  { title, author, blocks }: DocumentModel,
  images: ReadonlyMap<string, Uint8Array>,
): Promise<Uint8Array> {
  let lists = 0;
  const children: FileChild[] = [new Paragraph({ text: title, heading: HeadingLevel.TITLE })];
  if (author !== "")
    children.push(new Paragraph({ children: [new TextRun({ text: author, italics: true })] }));
  for (const block of blocks) {
    const isOrdered = block.kind === "list" && block.ordered;
    if (isOrdered) lists += 1;
    children.push(...childrenOf(block, images, isOrdered ? `numbers-${lists}` : BULLETS));
  }
  const numbered = Array.from({ length: lists }, (_, at) => ({
    reference: `numbers-${at + 1}`, // each list counts from 1
    levels: [level(LevelFormat.DECIMAL, "%1.")],
  }));
  const made = new Document({
    title,
    creator: author === "" ? "Gantry" : author,
    numbering: {
      config: [{ reference: BULLETS, levels: [level(LevelFormat.BULLET, "•")] }, ...numbered],
    },
    sections: [{ children }],
  });
  return Packer.toBuffer(made);
}

function childrenOf(
  block: Block,
  images: ReadonlyMap<string, Uint8Array>,
  reference: string,
): readonly FileChild[] {
  switch (block.kind) {
    case "heading":
      return [
        new Paragraph({
          heading: LEVELS[block.level - 1] ?? HeadingLevel.HEADING_6,
          children: runsOf(block.text),
        }),
      ];
    case "paragraph":
      return [new Paragraph({ children: runsOf(block.text) })];
    case "list":
      return block.items.map(
        (item) => new Paragraph({ numbering: { reference, level: 0 }, children: runsOf(item) }),
      );
    case "table":
      return [tableOf(block), new Paragraph({})];
    case "code":
      return [new Paragraph({ children: linesOf(block.text, "Courier New") })];
    case "image":
      return imageOf(block, images.get(block.blob));
  }
}

const linesOf = (text: string, font?: string): TextRun[] =>
  text.split("\n").map(
    (line, at) =>
      new TextRun({
        text: line,
        ...(at > 0 ? { break: 1 } : {}),
        ...(font === undefined ? {} : { font }),
      }),
  );

function runsOf(spans: readonly Span[]): ParagraphChild[] {
  return spans.map((span) => {
    const { text, bold, italic, code, link } = span;
    const run = new TextRun({
      text,
      ...(bold === true ? { bold } : {}),
      ...(italic === true ? { italics: true } : {}),
      ...(code === true ? { font: "Courier New" } : {}),
      ...(link === undefined ? {} : { style: "Hyperlink" }),
    });
    return link === undefined ? run : new ExternalHyperlink({ link, children: [run] });
  });
}

const row = (cells: readonly string[], isHead: boolean): TableRow =>
  new TableRow({
    tableHeader: isHead,
    children: cells.map(
      (cell) =>
        new TableCell({
          children: [
            new Paragraph({
              children: isHead ? [new TextRun({ text: cell, bold: true })] : linesOf(cell),
            }),
          ],
        }),
    ),
  });

function tableOf({ head, rows }: Extract<Block, { kind: "table" }>): Table {
  return new Table({
    width: { size: 100, type: WidthType.PERCENTAGE },
    rows: [
      row(head, true),
      ...rows.map((cells) =>
        row(
          head.map((_, at) => cells[at] ?? ""),
          false,
        ),
      ),
    ],
  });
}

function imageOf(
  { alt }: Extract<Block, { kind: "image" }>,
  bytes: Uint8Array | undefined,
): readonly FileChild[] {
  const words = new Paragraph({ children: [new TextRun({ text: alt, italics: true })] });
  if (bytes === undefined) return [words];
  const facts = imageFacts(bytes);
  if (facts === undefined)
    throw new GantryError("bad_request", `The picture "${alt}" is no PNG or JPEG`);
  const scale = Math.min(1, WIDTH_MAX / facts.width, HEIGHT_MAX / facts.height);
  const picture = new ImageRun({
    type: facts.mediaType === "image/png" ? "png" : "jpg",
    data: Buffer.from(bytes),
    transformation: {
      width: Math.max(1, Math.round(facts.width * scale)),
      height: Math.max(1, Math.round(facts.height * scale)),
    },
  });
  return [new Paragraph({ children: [picture] }), words];
}
