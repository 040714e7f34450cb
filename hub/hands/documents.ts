// Writes documents: the model, its pictures out of the blob store, its files into it, and the record.
//
// DO1. Files are on enough hubs before the record names them, and until then no one lists them.
// DO2. One order gives one document: its id is made of the order, and the ledger keeps the first.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ArtifactFile } from "@gantry/shared/contract/artifacts.ts";
import {
  type Block,
  blocksSchema,
  type DocumentFormat,
  type DocumentModel,
} from "@gantry/shared/contract/documents.ts";
import type { DocumentWriter } from "../adapters/document-writer.ts";
import { contentSections, valueBlocks } from "../documents/sections.ts";
import { readMarkdown } from "../documents/read-markdown.ts";
import { imagesOf, wordsOf } from "../documents/text.ts";
import { act, type By, type Hub } from "../hub.ts";
import type { RunRow } from "../ledger/run-row.ts";
import type { BlobStore } from "../ports.ts";
import { isObject, type Json } from "../workflow/json-value.ts";
import { type RunSource, resultOf } from "./run-results.ts";

export interface DocumentHands {
  /** Gives the record's id. Throws what writing throws, and not_found for a picture. */
  write(order: DocumentDraft, by: By, signal: AbortSignal): Promise<KeptDocument>;
}

export interface DocumentDraft {
  readonly model: DocumentModel;
  readonly formats: readonly DocumentFormat[];
  readonly run?: string;
  readonly place?: string;
  /** What it is named by (DO2). */
  readonly key: string;
}

export interface KeptDocument {
  readonly artifact: string;
  readonly words: number;
  readonly files: Readonly<Partial<Record<DocumentFormat, ArtifactFile>>>;
}

interface DocumentParts {
  readonly hub: Hub;
  readonly writer: Pick<DocumentWriter, "write">;
  readonly blobs: {
    readonly store: BlobStore;
    spread(sha256: string, signal: AbortSignal): Promise<void>;
  };
}

export function makeDocuments({ hub, writer, blobs }: DocumentParts): DocumentHands {
  async function picturesOf(model: DocumentModel): Promise<ReadonlyMap<string, Uint8Array>> {
    const pictures = new Map<string, Uint8Array>();
    let left: number = LIMIT.documentImageBytes.max;
    for (const blob of imagesOf(model.blocks)) {
      const sizeBytes = await blobs.store.size(blob);
      if (sizeBytes === undefined)
        throw new GantryError("not_found", `There is no picture ${blob} among the blobs`);
      left -= sizeBytes;
      if (left < 0)
        throw new GantryError(
          "too_large",
          `The pictures of a document have ${LIMIT.documentImageBytes.max} bytes at most`,
        );
      pictures.set(blob, await blobs.store.read(blob, 0, sizeBytes));
    }
    return pictures;
  }

  async function keep(bytes: Uint8Array, signal: AbortSignal): Promise<ArtifactFile> {
    const writing = await blobs.store.write();
    let file: ArtifactFile;
    try {
      await writing.write(bytes);
      file = await writing.finish();
    } catch (error) {
      await writing.abort();
      throw error;
    }
    await blobs.spread(file.sha256, signal); // DO1
    return { sha256: file.sha256, sizeBytes: file.sizeBytes };
  }

  return {
    async write({ model, formats, run, place, key }, by, signal) {
      const pictures = await picturesOf(model);
      const files: Partial<Record<DocumentFormat, ArtifactFile>> = {};
      for (const format of new Set(formats))
        files[format] = await keep(await writer.write(format, model, pictures, signal), signal);
      const { count, words } = wordsOf(model, LIMIT.documentWords.max);
      const artifact = `art_${sha256(`document ${key}`).slice(0, 26)}`; // DO2
      const body = {
        type: "documentKept" as const,
        artifact,
        title: model.title,
        author: model.author,
        ...(run === undefined ? {} : { run }),
        ...(place === undefined ? {} : { place }),
        words: count,
        found: words,
        files,
      };
      await act(hub, body, by, signal);
      return { artifact, words: count, files };
    },
  };
}

/** Throws bad_request, too_large. */
export function blocksOf(content: Json): readonly Block[] {
  if (typeof content === "string") return readMarkdown(content);
  if (!isObject(content) || !("blocks" in content)) return valueBlocks(content, 2);
  const read = blocksSchema.safeParse(content["blocks"]);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new GantryError(
    "bad_request",
    `blocks: ${issue?.path.join("/") ?? ""} ${issue?.message ?? "is no list of blocks"}`,
  );
}

/** What a run has come to so far, as a document. */
export function runReport(
  hub: Pick<Hub, "rows" | "stampMs">,
  source: RunSource,
): { readonly blocks: readonly Block[]; readonly title: string } {
  const page = { after: 0, limit: LIMIT.documentAgents.max };
  const result = resultOf(hub.rows, source, page, hub.stampMs());
  const isWhole = result.next === undefined;
  const blocks = contentSections(result);
  return {
    title: result.title,
    blocks: isWhole
      ? blocks
      : [
          ...blocks,
          { kind: "paragraph", text: [{ text: "More agents are in the result of the run." }] },
        ],
  };
}

export const liveSource = ({ rows }: Pick<Hub, "rows">, row: RunRow): RunSource => ({
  row,
  get: (table, place) => rows.get(table, `${row.id}/${place}`),
});
