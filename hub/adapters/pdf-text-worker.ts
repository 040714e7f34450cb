// Reads the text of one PDF file at a time, in a worker: a parser of foreign bytes is kept away from the
// hub's thread, and its memory ends with it. unpdf is loaded with the first file.

import { parentPort } from "node:worker_threads";

export interface PdfAsked {
  readonly bytes: Uint8Array;
}
export type PdfAnswer = { readonly pages: readonly string[] } | { readonly error: string };

parentPort?.on("message", ({ bytes }: PdfAsked) => {
  void read(bytes).then((answer) => parentPort?.postMessage(answer));
});

async function read(bytes: Uint8Array): Promise<PdfAnswer> {
  try {
    const { extractText, getDocumentProxy } = await import("unpdf");
    const { text } = await extractText(await getDocumentProxy(bytes), { mergePages: false });
    return { pages: text };
  } catch (error) {
    return { error: String(error).slice(0, 200) };
  }
}
