// The worker that writes files of documents, one at a time, so that laying out a thousand pages never
// delays a commit. The libraries are loaded with the first document.

import { parentPort } from "node:worker_threads";
import { type ErrorRecord, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { DocumentFormat, DocumentModel } from "@gantry/shared/contract/documents.ts";
import { imageFacts } from "../../documents/image-facts.ts";
import { type Picture, writeHtml } from "../../documents/write-html.ts";
import { writeMarkdown } from "../../documents/write-markdown.ts";

export interface WriteOrder {
  readonly id: number;
  readonly format: DocumentFormat;
  readonly model: DocumentModel;
  readonly images: ReadonlyMap<string, Uint8Array>;
  readonly atMs: number;
}

export type WriteEnd =
  | { readonly id: number; readonly bytes: Uint8Array }
  | { readonly id: number; readonly error: ErrorRecord };

async function write({ format, model, images, atMs }: WriteOrder): Promise<Uint8Array> {
  switch (format) {
    case "md":
      return Buffer.from(writeMarkdown(model));
    case "html":
      return Buffer.from(writeHtml(model, picturesOf(images)));
    case "pdf":
      return (await import("./pdf.ts")).writePdf(model, images, atMs);
    case "docx":
      return (await import("./docx.ts")).writeDocx(model, images);
  }
}

function picturesOf(images: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Picture> {
  const pictures = new Map<string, Picture>();
  for (const [blob, bytes] of images) {
    const facts = imageFacts(bytes);
    if (facts === undefined) continue;
    const base64 = Buffer.from(bytes).toString("base64");
    pictures.set(blob, { mediaType: facts.mediaType, base64 });
  }
  return pictures;
}

async function answer(order: WriteOrder): Promise<WriteEnd> {
  const { id } = order;
  try {
    return { id, bytes: await write(order) };
  } catch (error) {
    return { id, error: toErrorRecord(error) };
  }
}

parentPort?.on("message", (order: WriteOrder) => {
  void answer(order).then((end) => parentPort?.postMessage(end));
});
