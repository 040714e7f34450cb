// What runs come to: their result with its parts, artifacts, and documents.

import { z } from "zod";
import { ARTIFACT_KINDS } from "../artifacts.ts";
import { blocksSchema, DOCUMENT_FORMATS } from "../documents.ts";
import { RUN_PHASES } from "../run-rows.ts";
import { idSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";

const fileSchema = z.object({ sha256: z.string(), sizeBytes: z.number().int() });

export const artifactViewSchema = z.object({
  id: z.string(),
  kind: z.enum(ARTIFACT_KINDS),
  /** Of a document: its title. */
  name: z.string(),
  mediaType: z.string(),
  by: z.string(),
  author: z.string().optional(),
  run: z.string().optional(),
  place: z.string().optional(),
  workflow: z.string().optional(),
  at: z.iso.datetime(),
  sizeBytes: z.number().int(),
  /** Of a document: words of its text. */
  words: z.number().int().optional(),
  /** Of a document, by format. */
  files: z.partialRecord(z.enum(DOCUMENT_FORMATS), fileSchema).optional(),
});
export type ArtifactView = z.infer<typeof artifactViewSchema>;

const faultSchema = z.object({
  code: z.string(),
  message: z.string(),
  place: z.string().optional(),
});

/** What one agent of a run gave. A large output is a blob, as `{$blob, sizeBytes}`. */
export const agentResultSchema = z.object({
  place: z.string(),
  title: z.string(),
  status: z.enum(["done", "failed"]),
  output: z.json().optional(),
  error: faultSchema.optional(),
  endedAt: z.iso.datetime().optional(),
  tookMs: z.number().nonnegative().optional(),
  promptTokens: z.number().int().nonnegative(),
  completionTokens: z.number().int().nonnegative(),
  costUsd: z.number().nonnegative(),
});
export type AgentResult = z.infer<typeof agentResultSchema>;

/** What a run came to, part by part. It is JSON as it stands: read back, it is the same. */
export const runResultSchema = z.object({
  taskId: z.string(),
  title: z.string(),
  status: z.enum(RUN_PHASES),
  /** Pages of both: agents in the order in which they ended; `next` goes on. */
  agentResults: z.array(agentResultSchema),
  synthesisResults: z.array(agentResultSchema),
  finalSynthesis: z.json().optional(),
  executionTimeMs: z.number().nonnegative(),
  totalCostUsd: z.number().nonnegative(),
  totalPromptTokens: z.number().int().nonnegative(),
  totalCompletionTokens: z.number().int().nonnegative(),
  metadata: z.object({
    by: z.string(),
    version: z.string(),
    revision: z.number().int(),
    startedAt: z.iso.datetime(),
    endedAt: z.iso.datetime().optional(),
    inputs: z.record(z.string(), z.json()),
    /** Agents of runs below this one are in their own results. */
    children: z.array(z.string()),
  }),
  /** The newest hundred of each. */
  generatedDocuments: z.array(artifactViewSchema),
  artifacts: z.array(artifactViewSchema),
  error: faultSchema.optional(),
  next: z.string().optional(),
});
export type RunResult = z.infer<typeof runResultSchema>;

/** Throws a ZodError for what is none. */
export const readRunResult = (text: string): RunResult => runResultSchema.parse(JSON.parse(text));

const listQuery = pageQuerySchema.extend({
  run: idSchema.optional(),
  kind: z.enum(ARTIFACT_KINDS).optional(),
  /** A media type; of documents a format: md, html, pdf, docx. */
  type: z.string().max(200).optional(),
  by: z.string().max(120).optional(),
  /** Kept at or after, and before. */
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
  /** All of these words are in name, title, author or text. */
  text: z.string().max(200).optional(),
});

export const documentOrderSchema = z.strictObject({
  title: z.string().trim().min(1).max(200),
  author: z.string().max(200).default(""),
  formats: z.array(z.enum(DOCUMENT_FORMATS)).min(1).max(4).default(["md"]),
  /** One of the three: Markdown, blocks, or the result of a run. */
  markdown: z.string().optional(),
  blocks: blocksSchema.optional(),
  run: idSchema.optional(),
});
export type DocumentOrder = z.infer<typeof documentOrderSchema>;

/** A piece of a file on its way to the door, which gives the bytes themselves. */
export const artifactPieceSchema = z.object({
  sha256: z.string(),
  sizeBytes: z.number(),
  name: z.string(),
  mediaType: z.string(),
  base64: z.string(),
});
export type ArtifactPiece = z.infer<typeof artifactPieceSchema>;

export const ARTIFACT_SCHEMAS = {
  artifacts: { query: listQuery, reply: pageOf("artifacts", artifactViewSchema) },
  artifact: { reply: artifactViewSchema },
  artifactContent: {
    query: z.object({
      /** Of a document; left out: its first. */
      format: z.enum(DOCUMENT_FORMATS).optional(),
      offset: z.coerce.number().int().min(0).default(0),
    }),
    reply: artifactPieceSchema,
  },
  artifactDropped: { reply: z.object({ artifact: z.string() }) },
  documentWritten: { body: documentOrderSchema, reply: artifactViewSchema },
  runResult: { query: pageQuerySchema, reply: runResultSchema },
} satisfies SomeRoutes;
