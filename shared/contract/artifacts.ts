// What runs leave behind: values that an `artifact` node named, and documents. The bytes of documents
// are blobs; the record says what they are, who made them and by what they are found.

import type { DocumentFormat } from "./documents.ts";

export const ARTIFACT_KINDS = ["value", "document"] as const;
export type ArtifactKind = (typeof ARTIFACT_KINDS)[number];

export interface ArtifactFile {
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface ArtifactRow {
  readonly id: string;
  /** Its place among all that were ever kept, from 0. */
  readonly number: number;
  readonly kind: ArtifactKind;
  /** Of a document: its title. */
  readonly name: string;
  readonly mediaType: string;
  /** Who started the run, or wrote the document. */
  readonly by: string;
  readonly author?: string;
  readonly run?: string;
  /** The run at the top, where it is another one. */
  readonly root?: string;
  readonly place?: string;
  readonly workflow?: string;
  readonly atMs: number;
  readonly sizeBytes: number;
  /** Of a document: words of its text. */
  readonly words?: number;
  readonly files?: Readonly<Partial<Record<DocumentFormat, ArtifactFile>>>;
  /** Of a value that the run itself holds as a blob: its JSON. */
  readonly blob?: ArtifactFile;
}

/** A document whose files are in the blob store of enough hubs. */
export interface DocumentKept {
  readonly type: "documentKept";
  readonly artifact: string;
  readonly title: string;
  readonly author: string;
  readonly run?: string;
  readonly place?: string;
  readonly words: number;
  /** Distinct ones, lower case: it is found by them. */
  readonly found: readonly string[];
  readonly files: Readonly<Partial<Record<DocumentFormat, ArtifactFile>>>;
}

export type ArtifactCommand =
  | DocumentKept
  /** It leaves the list; its files go with the next sweep of blobs. */
  | { readonly type: "artifactDropped"; readonly artifact: string };
