// What has happened, and what it cost.

import { z } from "zod";
import { documentSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";

export const RECORD_SCHEMAS = {
  audit: {
    query: pageQuerySchema,
    reply: pageOf(
      "entries",
      z.object({
        seq: z.number(),
        position: z.number(),
        at: z.iso.datetime(),
        actor: z.string(),
        action: z.string(),
        object: z.string(),
        requestId: z.string(),
        detail: documentSchema,
        hash: z.string(),
      }),
    ),
  },
  events: {
    query: z.object({
      since: z.coerce.number().int().nonnegative().optional(),
      types: z.string().max(1_000).optional(),
      /** `json`: one page of past events and an end, instead of a stream. */
      format: z.enum(["sse", "json"]).default("sse"),
      limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
    }),
    reply: z.object({ events: z.array(z.unknown()), next: z.number().optional() }),
  },
} satisfies SomeRoutes;
