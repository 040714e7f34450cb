// Questions, answers, conversations, the cache, and the same under /v1 for OpenAI clients.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { PICTURE_TYPES } from "../completions.ts";
import { HAZARD_CLASSES } from "../roles.ts";
import { DATA_CLASSES, STEP_OUTCOMES, TIER_STEPS } from "../route.ts";
import { PRINT_STATES, TIERS } from "../rows.ts";
import { errorSchema, idSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";
import { confirmationViewSchema } from "./confirmations.ts";

export const querySchema = z.strictObject({
  prompt: z.string().min(1).max(LIMIT.promptChars.max),
  conversationId: idSchema.optional(),
  userId: z.string().max(120).optional(),
  intent: z.string().max(120).optional(),
  payload: z.record(z.string(), z.unknown()).optional(),
  provider: z.string().max(120).optional(),
  model: z.string().max(240).optional(),
  freshnessRequired: z.boolean().optional(),
  useAgent: z.boolean().optional(),
  /** off: rules and the model only talk; auto and on: words may also start acts (with a confirmation). */
  toolMode: z.enum(["auto", "on", "off"]).optional(),
  stream: z.boolean().optional(),
  /** Whether a cloud provider may see it; left out: what this house has decided. */
  dataClass: z.enum(DATA_CLASSES).optional(),
  /** An answer that is less sure is not taken while somebody may be surer. */
  confidence: z.number().min(0).max(1).optional(),
  /** 1: the bare answer, 5: everything; left out: as the model likes, which counts as 3. */
  verbosity: z.number().int().min(1).max(5).optional(),
  /** From now until the answer should be there. */
  deadlineMs: z.number().int().min(1).max(600_000).optional(),
  /** To be looked at, by a model that can. */
  pictures: z
    .array(
      z.strictObject({
        mediaType: z.enum(PICTURE_TYPES),
        base64: z.base64().max(1_000_000),
      }),
    )
    .max(8)
    .optional(),
});
export type QueryRequest = z.infer<typeof querySchema>;

export const routingSchema = z.object({
  tier: z.enum(TIERS),
  model: z.string(),
  confidence: z.number().min(0).max(1),
  cached: z.boolean(),
  latencyMs: z.number().nonnegative(),
  reason: z.string(),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** Why this way: what each tier did with the question, up to the one that answered. */
  route: z
    .array(
      z.object({
        tier: z.enum(TIER_STEPS),
        outcome: z.enum(STEP_OUTCOMES),
        reason: z.string(),
        target: z.string().optional(),
        expectedMs: z.number().optional(),
        worstMicroUsd: z.number().optional(),
      }),
    )
    .readonly()
    .optional(),
});

export const usageSchema = z.object({
  promptTokens: z.number().int().nonnegative(),
  completionTokens: z.number().int().nonnegative(),
  cachedTokens: z.number().int().nonnegative(),
  costMicroUsd: z.number().int().nonnegative(),
});

export const queryReplySchema = z.object({
  requestId: z.string(),
  conversationId: z.string(),
  messageId: z.string(),
  result: z.object({ output: z.string(), verbosity: z.number().int().min(1).max(5) }),
  routing: routingSchema,
  usage: usageSchema,
  requiresConfirmation: z.boolean(),
  pendingTool: z.string().optional(),
  hazardClass: z.enum(HAZARD_CLASSES).optional(),
  confirmation: confirmationViewSchema.optional(),
  /** The print job that this answer started, or that waits for the confirmation. */
  job: z.object({ id: z.string(), state: z.enum(PRINT_STATES) }).optional(),
});
export type QueryReply = z.infer<typeof queryReplySchema>;

/** SSE of a streamed query: `queued` {position, etaMs?} · `token` {text} · `reply` QueryReply · `error` problem. */
export const QUERY_STREAM_EVENTS = ["queued", "token", "reply", "error"] as const;

export const messageViewSchema = z.object({
  id: z.string(),
  seq: z.number().int(),
  role: z.enum(["user", "assistant"]),
  text: z.string(),
  at: z.iso.datetime(),
  requestId: z.string(),
  routing: routingSchema.optional(),
  usage: usageSchema.optional(),
  confirmationId: z.string().optional(),
  error: errorSchema.optional(),
});
export type MessageView = z.infer<typeof messageViewSchema>;

export const conversationViewSchema = z.object({
  id: z.string(),
  title: z.string(),
  /** Whose it is; doors that show one person's to many readers need it. */
  person: z.string().optional(),
  messages: z.number().int(),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  pendingConfirmation: confirmationViewSchema.optional(),
});
export type ConversationView = z.infer<typeof conversationViewSchema>;

export const ASKING_SCHEMAS = {
  query: { body: querySchema, reply: queryReplySchema },
  conversations: { query: pageQuerySchema, reply: pageOf("conversations", conversationViewSchema) },
  conversation: {
    query: pageQuerySchema,
    reply: conversationViewSchema.omit({ messages: true }).extend({
      total: z.number().int(),
      messages: z.array(messageViewSchema),
      next: z.string().optional(),
    }),
  },
} satisfies SomeRoutes;
