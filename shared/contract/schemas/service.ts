// The hub about itself: health, metrics, its own description, its backup.

import { z } from "zod";
import { documentSchema, type SomeRoutes } from "./common.ts";

export const healthSchema = z.object({
  status: z.enum(["ok", "starting", "degraded", "stopping"]),
  parts: z.record(
    z.string(),
    z.object({
      state: z.enum(["starting", "ready", "degraded", "off"]),
      note: z.string().optional(),
      tookMs: z.number().optional(),
    }),
  ),
  version: z.string(),
  uptimeS: z.number(),
});
export type Health = z.infer<typeof healthSchema>;

export const SERVICE_SCHEMAS = {
  live: { reply: healthSchema },
  ready: { reply: healthSchema },
  metrics: { reply: z.string() },
  discover: { reply: documentSchema },
  openapi: { reply: documentSchema },
  limits: { reply: documentSchema },
  /** A tar archive, as shared/contract/backup.ts says. */
  backup: { reply: z.string() },
} satisfies SomeRoutes;
