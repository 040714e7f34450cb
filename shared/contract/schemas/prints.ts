// Print jobs.

import { z } from "zod";
import { PRINT_STATES } from "../rows.ts";
import {
  errorSchema,
  idSchema,
  nameSchema,
  pageOf,
  pageQuerySchema,
  type SomeRoutes,
} from "./common.ts";
import { confirmationViewSchema } from "./confirmations.ts";

export const printViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  printer: z.string(),
  state: z.enum(PRINT_STATES),
  progress: z.number().min(0).max(1),
  startedCount: z.number().int(),
  by: z.string(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  estimatedS: z.number(),
  remainingS: z.number().optional(),
  gcode: z.object({
    sha256: z.string(),
    sizeBytes: z.number(),
    commands: z.number(),
    nozzleMaxC: z.number(),
    bedMaxC: z.number(),
    filamentMm: z.number(),
    layers: z.number(),
    hazards: z.array(z.string()),
  }),
  wish: z.enum(["pause", "resume", "cancel"]).optional(),
  /** Why a ready job has not started. */
  waitsFor: z.string().optional(),
  confirmation: confirmationViewSchema.optional(),
  error: errorSchema.optional(),
});
export type PrintView = z.infer<typeof printViewSchema>;

export const printSubmitSchema = z.strictObject({
  printer: idSchema,
  name: nameSchema,
  gcode: z.string().min(1),
});
export const printAcceptedSchema = z.object({
  job: z.object({ id: z.string(), state: z.enum(PRINT_STATES) }),
  confirmation: confirmationViewSchema.optional(),
});
export type PrintAccepted = z.infer<typeof printAcceptedSchema>;

export const PRINT_SCHEMAS = {
  printSubmitted: { body: printSubmitSchema, reply: printAcceptedSchema },
  prints: { query: pageQuerySchema, reply: pageOf("jobs", printViewSchema) },
  print: { reply: printViewSchema },
  printPaused: { reply: printViewSchema },
  printResumed: { reply: printViewSchema },
  printCancelled: { reply: printViewSchema },
  printResolved: {
    body: z.strictObject({ outcome: z.enum(["done", "failed"]) }),
    reply: printViewSchema,
  },
} satisfies SomeRoutes;
