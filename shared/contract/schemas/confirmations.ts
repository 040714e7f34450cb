// The word of a person for one dangerous action.

import { z } from "zod";
import { HAZARD_CLASSES } from "../roles.ts";
import { okSchema, type SomeRoutes } from "./common.ts";

export const confirmationViewSchema = z.object({
  id: z.string(),
  phrase: z.string(),
  hazardClass: z.enum(HAZARD_CLASSES),
  summary: z.string(),
  hazards: z.array(z.string()),
  tool: z.string(),
  args: z.record(z.string(), z.unknown()),
  state: z.enum(["pending", "consumed", "cancelled", "expired"]),
  person: z.string(),
  conversationId: z.string().optional(),
  expiresAt: z.iso.datetime(),
  secondsLeft: z.number().int().nonnegative(),
});
export type ConfirmationView = z.infer<typeof confirmationViewSchema>;

export const CONFIRMATION_SCHEMAS = {
  confirmations: { reply: z.object({ confirmations: z.array(confirmationViewSchema) }) },
  confirmation: { reply: confirmationViewSchema },
  confirm: {
    body: z.strictObject({ phrase: z.string().max(500).nullable() }),
    reply: z.object({ job: z.object({ id: z.string(), state: z.string() }) }),
  },
  confirmationCancelled: { reply: okSchema },
} satisfies SomeRoutes;
