// A document as data: what Markdown, HTML, PDF and DOCX are written from, and what is read out of
// Markdown. Pure.
//
// DM1. It is bounded before anything is written: blocks, characters and the bytes of its pictures.

import { z } from "zod";
import { LIMIT } from "../base/policy.ts";

export const DOCUMENT_FORMATS = ["md", "html", "pdf", "docx"] as const;
export type DocumentFormat = (typeof DOCUMENT_FORMATS)[number];

export const DOCUMENT_TYPES: Readonly<Record<DocumentFormat, string>> = {
  md: "text/markdown; charset=utf-8",
  html: "text/html; charset=utf-8",
  pdf: "application/pdf",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
};

/** A stretch of text that looks the same all through. */
export interface Span {
  readonly text: string;
  readonly bold?: true | undefined;
  readonly italic?: true | undefined;
  readonly code?: true | undefined;
  /** http, https or mailto. */
  readonly link?: string | undefined;
}

export type Block =
  | { readonly kind: "heading"; readonly level: number; readonly text: readonly Span[] }
  | { readonly kind: "paragraph"; readonly text: readonly Span[] }
  | {
      readonly kind: "list";
      readonly ordered: boolean;
      readonly items: readonly (readonly Span[])[];
    }
  | {
      readonly kind: "table";
      readonly head: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  | { readonly kind: "code"; readonly language?: string | undefined; readonly text: string }
  | { readonly kind: "image"; readonly blob: string; readonly alt: string };

export interface DocumentModel {
  readonly title: string;
  readonly author: string;
  readonly blocks: readonly Block[];
}

const text = z.string().max(100_000);
const linkSchema = z
  .string()
  .max(2_000)
  .regex(/^(?:https?:\/\/|mailto:)[^\s<>"]+$/i, "use http, https or mailto");

const spanSchema = z.strictObject({
  text,
  bold: z.literal(true).optional(),
  italic: z.literal(true).optional(),
  code: z.literal(true).optional(),
  link: linkSchema.optional(),
});
const spansSchema = z.array(spanSchema).max(10_000);

export const blockSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("heading"), level: z.int().min(1).max(6), text: spansSchema }),
  z.strictObject({ kind: z.literal("paragraph"), text: spansSchema }),
  z.strictObject({
    kind: z.literal("list"),
    ordered: z.boolean(),
    items: z.array(spansSchema).max(10_000),
  }),
  z.strictObject({
    kind: z.literal("table"),
    head: z.array(text).min(1).max(50),
    rows: z.array(z.array(text).max(50)).max(10_000),
  }),
  z.strictObject({ kind: z.literal("code"), language: z.string().max(40).optional(), text }),
  z.strictObject({
    kind: z.literal("image"),
    /** A PNG or JPEG in the blob store, by its sha256. */
    blob: z.string().regex(/^[0-9a-f]{64}$/),
    alt: z.string().max(1_000),
  }),
]);

export const blocksSchema = z.array(blockSchema).max(LIMIT.documentBlocks.max);

/** Address of a link that may be shown and followed. */
export const isSafeLink = (link: string): boolean => linkSchema.safeParse(link).success;
