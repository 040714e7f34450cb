// Webhooks as people see them: never with their secret, but once.

import { z } from "zod";
import { errorSchema, okSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";

export const webhookViewSchema = z.object({
  id: z.string(),
  url: z.string(),
  types: z.array(z.string()),
  subject: z.string().optional(),
  by: z.string(),
  createdAt: z.string(),
  /** Every event up to this log position was delivered or is a dead letter. */
  cursor: z.number(),
  delivery_count: z.number(),
  failure_count: z.number(),
  dead: z.number(),
  lastDeliveredAt: z.string().optional(),
  lastError: errorSchema.optional(),
});
export type WebhookView = z.infer<typeof webhookViewSchema>;

export const deadLetterViewSchema = z.object({
  id: z.string(),
  type: z.string(),
  subject: z.string(),
  at: z.string(),
  diedAt: z.string(),
  attempts: z.number(),
  error: errorSchema,
  /** It is being tried again. */
  wanted: z.boolean(),
});

export const WEBHOOK_SCHEMAS = {
  webhooks: { reply: z.object({ webhooks: z.array(webhookViewSchema) }) },
  webhookMade: {
    body: z.strictObject({
      url: z.url({ protocol: /^https?$/ }).max(2_000),
      /** `*`, prefixes like `job.*`, exact types. */
      types: z.array(z.string().min(1).max(60)).min(1).max(32).default(["*"]),
      /** Only events about this run, job, printer ... */
      subject: z.string().min(1).max(200).optional(),
    }),
    reply: webhookViewSchema.extend({
      /** Shown once: signatures are made with it. */
      secret: z.string(),
    }),
  },
  webhook: { reply: webhookViewSchema },
  webhookDeleted: { reply: okSchema },
  webhookDead: { query: pageQuerySchema, reply: pageOf("deadLetters", deadLetterViewSchema) },
  webhookRedelivered: {
    body: z.strictObject({
      /** Ids of dead letters; left out: all. */
      deliveries: z.array(z.string().max(200)).min(1).max(1_000).optional(),
    }),
    reply: z.object({ count: z.number().int() }),
  },
} satisfies SomeRoutes;
