// Traces: what a request set in motion, on which machines, and how long each part took.

import { z } from "zod";
import type { SomeRoutes } from "./common.ts";

export const spanViewSchema = z.object({
  spanId: z.string(),
  parentId: z.string().optional(),
  /** Whose time it is. */
  service: z.enum(["hub", "node", "device"]),
  name: z.string(),
  startedAt: z.iso.datetime(),
  tookMs: z.number(),
  error: z.string().optional(),
  attributes: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type SpanView = z.infer<typeof spanViewSchema>;

const summarySchema = z.object({
  traceId: z.string(),
  name: z.string(),
  startedAt: z.iso.datetime(),
  tookMs: z.number(),
  spans: z.number().int(),
  services: z.array(z.string()),
  errors: z.number().int(),
});
export type TraceSummary = z.infer<typeof summarySchema>;

export const TRACE_SCHEMAS = {
  traces: {
    query: z.object({ limit: z.coerce.number().int().min(1).max(500).default(50) }),
    reply: z.object({ traces: z.array(summarySchema) }),
  },
  /** The oldest span first. */
  trace: { reply: z.object({ traceId: z.string(), spans: z.array(spanViewSchema) }) },
} satisfies SomeRoutes;
