import { inflateRawSync } from "node:zlib";
import { extractText, getDocumentProxy, getMeta } from "unpdf";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readZip } from "@gantry/shared/cad/zip.ts";
import type { DocumentFormat, DocumentModel } from "@gantry/shared/contract/documents.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { textsOf } from "../documents/text.ts";
import { type DocumentWriter, makeDocumentWriter } from "./document-writer.ts";

let writer: DocumentWriter;
beforeAll(() => {
  writer = makeDocumentWriter(systemClock);
});
afterAll(() => writer.close());

const BLOB = "a".repeat(64);
/** One red pixel. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
  "base64",
);
const REPORT: DocumentModel = {
  title: "Spool report",
  author: "ann",
  blocks: [
    { kind: "heading", level: 2, text: [{ text: "What was found" }] },
    {
      kind: "paragraph",
      text: [
        { text: "Three spools are " },
        { text: "nearly empty", bold: true },
        { text: ", see " },
        { text: "the shop", link: "https://shop.example.org/pla" },
        { text: "." },
      ],
    },
    {
      kind: "list",
      ordered: true,
      items: [[{ text: "Order filament" }], [{ text: "Weigh again" }]],
    },
    {
      kind: "table",
      head: ["Spool", "Grams"],
      rows: [
        ["red", "12"],
        ["blue", "8"],
      ],
    },
    { kind: "code", language: "gcode", text: "G28\nM104 S200" },
    { kind: "image", blob: BLOB, alt: "the shelf" },
  ],
};

const write = (format: DocumentFormat, model = REPORT): Promise<Uint8Array> =>
  writer.write(format, model, new Map([[BLOB, PNG]]), AbortSignal.timeout(60_000));

const squeezed = (text: string): string => text.replaceAll(/\s+/g, " ");

/** What a word processor shows of it, paragraph by paragraph, and whether its picture is in it. */
function readDocx(bytes: Uint8Array): { readonly text: string; readonly pictures: number } {
  const entries = readZip(bytes, 50_000_000, (packed, max) =>
    inflateRawSync(packed, { maxOutputLength: max }),
  );
  const xml = new TextDecoder().decode(
    entries.find(({ name }) => name === "word/document.xml")?.read(),
  );
  const text = [...xml.matchAll(/<w:t[^>]*>([^<]*)<\/w:t>|<\/w:p>|<w:br\/>/g)]
    .map(([, said]) => said ?? "\n")
    .join("");
  return {
    text: text.replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&gt;", ">"),
    pictures: entries.filter(({ name }) => name.startsWith("word/media/") && !name.endsWith("/"))
      .length,
  };
}

it("[M29] writes one document as Markdown, HTML, PDF and DOCX: each opens, and says all of it in order", async () => {
  const said = [REPORT.title, "ann", ...textsOf(REPORT.blocks)].flatMap((text) => text.split("\n"));
  const [md, html, pdf, docx] = await Promise.all(
    (["md", "html", "pdf", "docx"] as const).map((f) => write(f)),
  );
  const pages = await getDocumentProxy(new Uint8Array(pdf ?? []));
  const fromPdf = (await extractText(pages, { mergePages: true })).text;
  const word = readDocx(docx ?? new Uint8Array());
  const fromHtml = new TextDecoder()
    .decode(html)
    .replaceAll(/<style>.*<\/style>/gs, "")
    .replaceAll(/alt="([^"]*)"[^>]*>/g, ">$1")
    .replaceAll(/<[^>]*>/g, " ");
  for (const text of [new TextDecoder().decode(md), fromHtml, fromPdf, word.text]) {
    let at = 0;
    for (const part of said) {
      const found = squeezed(text)
        .replaceAll(/\*\*|\[|\]\([^)]*\)/g, "")
        .replaceAll(" , ", ", ")
        .replaceAll(" .", ".")
        .indexOf(squeezed(part), at);
      expect(found, `${part} in ${text}`).toBeGreaterThanOrEqual(at);
      at = found;
    }
  }
  expect(word.pictures).toBe(1);
  expect(new TextDecoder().decode(html)).toContain("data:image/png;base64,");
  expect((await getMeta(pages)).info).toMatchObject({ Title: "Spool report", Author: "ann" });
});

it("a PDF in Greek and Cyrillic reads as it was written", async () => {
  const text = "Η εκτύπωση τελείωσε · Печать завершена";
  const pdf = await write("pdf", {
    title: "α",
    author: "",
    blocks: [{ kind: "paragraph", text: [{ text }] }],
  });
  const pages = await getDocumentProxy(new Uint8Array(pdf));
  expect(squeezed((await extractText(pages, { mergePages: true })).text)).toContain(text);
});

it("HTML runs nothing that a text or a link brought along", async () => {
  const evil = '<script>alert(1)</script><img src=x onerror="a()">';
  const html = new TextDecoder().decode(
    await write("html", {
      title: evil,
      author: evil,
      blocks: [
        { kind: "paragraph", text: [{ text: evil, link: "javascript:alert(1)" }] },
        { kind: "code", text: evil },
        { kind: "table", head: [evil], rows: [[evil]] },
        { kind: "image", blob: "b".repeat(64), alt: evil },
      ],
    }),
  );
  expect(html).not.toContain("<script");
  expect(html).not.toContain("<img");
  expect(html).not.toContain("javascript:");
});

it("a damaged picture fails its file alone, and a thousand pages leave the main loop its turns", async () => {
  const broken = writer.write(
    "pdf",
    REPORT,
    new Map([[BLOB, PNG.subarray(0, 20)]]),
    AbortSignal.timeout(60_000),
  );
  await expect(broken).rejects.toMatchObject({ code: "bad_request" });
  const long: DocumentModel = {
    title: "long",
    author: "",
    blocks: Array.from({ length: 2_000 }, (_, at) => ({
      kind: "paragraph",
      text: [{ text: `Line ${at} `.repeat(20) }],
    })),
  };
  let turns = 0;
  const written = write("pdf", long);
  const watch = { isOver: false };
  void written.finally(() => (watch.isOver = true));
  while (!watch.isOver) {
    turns += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await written).length).toBeGreaterThan(10_000);
  expect(turns).toBeGreaterThan(100); // a loop that was held up has one or two
});

it("what nobody wants any more is not written, and the next one is", async () => {
  const stop = new AbortController();
  stop.abort(new Error("gone"));
  await expect(writer.write("md", REPORT, new Map(), stop.signal)).rejects.toThrow("gone");
  expect(new TextDecoder().decode(await write("md"))).toContain("# Spool report");
});
