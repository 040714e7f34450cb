// What is remembered of people, what is known from folders, and answers that may be given again, as people
// and programs see them.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { CACHE_DROPS, MEMORY_KINDS, MEMORY_STATES } from "../memory.ts";
import { errorSchema, okSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";

const textSchema = z.string().trim().min(1).max(LIMIT.memoryChars.max);
const searchSchema = z.object({
  q: z.string().min(1).max(2_000),
  limit: z.coerce.number().int().min(1).max(50).default(10),
});

export const memoryViewSchema = z.object({
  id: z.string(),
  kind: z.enum(MEMORY_KINDS),
  text: z.string(),
  about: z.string().optional(),
  state: z.enum(MEMORY_STATES),
  /** How often it was said. */
  said: z.number().int(),
  at: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
  /** The message it was said in, and the words; left out: written down by hand. */
  source: z.object({ message: z.string(), quote: z.string() }).optional(),
  replaces: z.string().optional(),
  replacedBy: z.string().optional(),
});
export type MemoryView = z.infer<typeof memoryViewSchema>;

const foundSchema = z.object({
  /** Cosine with the question; left out where words alone found it. */
  likeness: z.number().optional(),
  byWords: z.boolean(),
});

export const knowledgeViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  folder: z.string(),
  by: z.string(),
  version: z.number().int(),
  documents: z.number().int(),
  refreshedAt: z.iso.datetime().optional(),
  /** Files that could not be read; they keep their last version. */
  faults: z.array(z.object({ path: z.string(), error: errorSchema })),
});
export type KnowledgeView = z.infer<typeof knowledgeViewSchema>;

export const documentViewSchema = z.object({
  path: z.string(),
  title: z.string(),
  format: z.string(),
  sizeBytes: z.number(),
  version: z.number().int(),
  at: z.iso.datetime(),
});

export const knowledgeHitSchema = z.object({
  path: z.string(),
  knowledge: z.string(),
  title: z.string(),
  headings: z.array(z.string()),
  line: z.number().int(),
  text: z.string(),
  version: z.number().int(),
  likeness: z.number().optional(),
});
export type KnowledgeHitView = z.infer<typeof knowledgeHitSchema>;

const refreshedSchema = z.object({
  version: z.number().int(),
  read: z.number().int(),
  gone: z.number().int(),
  faults: z.number().int(),
});

export const cacheStatusSchema = z.object({
  size: z.number(),
  hits: z.number(),
  misses: z.number(),
  /** Since the ledger began. */
  exactHits: z.number(),
  semanticHits: z.number(),
  savedMs: z.number(),
  /** Questions that can be found by likeness now. */
  vectors: z.number(),
  embedder: z.string().optional(),
  dimensions: z.number().optional(),
  threshold: z.number(),
  calibration: z
    .object({
      threshold: z.number(),
      recall: z.number(),
      falseHits: z.number(),
      pairs: z.number(),
    })
    .optional(),
  /** Hits that were answered anew as well, and compared. */
  audits: z.object({
    agree: z.number(),
    differ: z.number(),
    /** 0 to 1; left out before the first audit. */
    falseHitRate: z.number().optional(),
    /** Its upper bound with 95 % confidence. */
    falseHitRateMost: z.number().optional(),
  }),
  dropped: z.record(z.enum(CACHE_DROPS), z.number()),
  /** Since this hub leads: alike by their vectors, refused for what differs. */
  refused: z.record(z.string(), z.number()),
});
export type CacheStatusView = z.infer<typeof cacheStatusSchema>;

export const cacheEntrySchema = z.object({
  key: z.string(),
  prompt: z.string(),
  text: z.string(),
  model: z.string(),
  hits: z.number(),
  person: z.string().optional(),
  role: z.string().optional(),
  depends: z.array(z.string()),
  tags: z.array(z.string()),
  at: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type CacheEntryView = z.infer<typeof cacheEntrySchema>;

const countSchema = z.object({ count: z.number().int() });

export const MEMORY_SCHEMAS = {
  memories: {
    query: pageQuerySchema.extend({ state: z.enum(MEMORY_STATES).optional() }),
    reply: pageOf("memories", memoryViewSchema),
  },
  memoryKept: {
    body: z.strictObject({
      text: textSchema,
      kind: z.enum(MEMORY_KINDS).default("fact"),
      /** What there is one value of; a newer one takes its place. */
      about: z.string().trim().min(1).max(80).optional(),
      days: z.number().int().min(1).max(3_650).optional(),
    }),
    reply: memoryViewSchema,
  },
  memorySearched: {
    query: searchSchema,
    reply: z.object({ memories: z.array(memoryViewSchema.extend(foundSchema.shape)) }),
  },
  memoryForgotten: { reply: countSchema },
  memoriesForgotten: {
    query: z.object({
      /** Left out: you. Anybody else's: admins alone. */
      person: z.string().min(1).max(120).optional(),
    }),
    reply: countSchema,
  },
  memoryReviewed: {
    body: z.strictObject({ verdict: z.enum(["keep", "drop"]) }),
    reply: okSchema,
  },
  knowledge: { reply: z.object({ knowledge: z.array(knowledgeViewSchema) }) },
  knowledgeAdded: {
    body: z.strictObject({
      name: z.string().trim().min(1).max(80),
      /** Of the hub's machine, within GANTRY_KNOWLEDGE. */
      folder: z.string().min(1).max(1_000),
    }),
    reply: knowledgeViewSchema,
  },
  knowledgeSearched: {
    query: searchSchema,
    reply: z.object({ hits: z.array(knowledgeHitSchema) }),
  },
  knowledgeDocuments: {
    query: pageQuerySchema,
    reply: knowledgeViewSchema.extend({
      list: z.array(documentViewSchema),
      next: z.string().optional(),
    }),
  },
  knowledgeRefreshed: { reply: refreshedSchema },
  knowledgeRemoved: { reply: okSchema },
  cacheList: { query: pageQuerySchema, reply: cacheStatusSchema },
  cacheEntries: {
    query: pageQuerySchema.extend({ q: z.string().max(200).optional() }),
    reply: pageOf("entries", cacheEntrySchema),
  },
  cacheCleared: {
    query: z.object({
      /** Of questions; in any case. */
      prefix: z.string().min(1).max(200).optional(),
      /** `model:NAME`, `tier:local`, or a thing an answer speaks of: `device:sim`. */
      tag: z.string().min(1).max(200).optional(),
    }),
    reply: z.object({ ok: z.literal(true), count: z.number().int().optional() }),
  },
  cacheDropped: { reply: countSchema },
  cacheWrong: {
    body: z.strictObject({
      /** What you had asked, if it was found by likeness: the two are never taken for alike again. */
      question: z.string().min(1).max(LIMIT.likenessChars.max).optional(),
    }),
    reply: countSchema,
  },
} satisfies SomeRoutes;
