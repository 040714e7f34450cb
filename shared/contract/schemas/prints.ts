// Print jobs.

import { z } from "zod";
import { ANY_PRINTER } from "../farm.ts";
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
import {
  farmOrderViewSchema,
  farmWishSchema,
  printOutcomeViewSchema,
  printUseViewSchema,
} from "./farm.ts";

const pointSchema = z.object({ x: z.number(), y: z.number(), z: z.number() });
const boundsSchema = z.object({ min: pointSchema, max: pointSchema });

/** As GcodeAnalysis of rows.ts. */
const analysisSchema = z.object({
  slicer: z.object({ name: z.string(), version: z.string().optional() }).optional(),
  modelS: z.number(),
  slicerS: z.number().optional(),
  layers: z
    .object({
      count: z.number(),
      firstHeightMm: z.number(),
      usualHeightMm: z.number(),
      topMm: z.number(),
    })
    .optional(),
  filament: z.object({
    lengthMm: z.number(),
    volumeCm3: z.number(),
    massG: z.number().optional(),
    material: z.string().optional(),
  }),
  laidBoundsMm: boundsSchema.optional(),
  chamberMaxC: z.number().optional(),
  tools: z.array(z.number()),
  settings: z.record(z.string(), z.string()),
  thumbnails: z.array(
    z.object({
      sha256: z.string(),
      sizeBytes: z.number(),
      format: z.enum(["png", "jpg", "qoi"]),
      width: z.number(),
      height: z.number(),
    }),
  ),
});

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
    boundsMm: boundsSchema.optional(),
    analysis: analysisSchema.optional(),
  }),
  /** The file was only sent to be kept; `again` prints it. */
  kept: z.literal(true).optional(),
  wish: z.enum(["pause", "resume", "cancel"]).optional(),
  /** Why a ready job has not started. */
  waitsFor: z.string().optional(),
  confirmation: confirmationViewSchema.optional(),
  error: errorSchema.optional(),
  /** Of a print for any printer. */
  farm: farmOrderViewSchema.optional(),
  grams: z.number().optional(),
  /** As far as somebody has said what filament and hours cost. */
  estimatedCostMicroUsd: z.number().optional(),
  use: printUseViewSchema.optional(),
  outcome: printOutcomeViewSchema.optional(),
});
export type PrintView = z.infer<typeof printViewSchema>;

export const printSubmitSchema = z.strictObject({
  ...farmWishSchema.shape,
  /** Left out: any printer of the farm that fits; what it must be then stands beside it. */
  printer: idSchema.default(ANY_PRINTER),
  name: nameSchema,
  gcode: z.string().min(1),
});
export const printAcceptedSchema = z.object({
  job: z.object({ id: z.string(), state: z.enum(PRINT_STATES) }),
  confirmation: confirmationViewSchema.optional(),
});
export type PrintAccepted = z.infer<typeof printAcceptedSchema>;

/** The door sends the picture itself. */
export const printThumbnailSchema = z.object({
  format: z.enum(["png", "jpg", "qoi"]),
  sha256: z.string(),
  base64: z.string(),
});
export type PrintThumbnail = z.infer<typeof printThumbnailSchema>;

export const PRINT_SCHEMAS = {
  printSubmitted: { body: printSubmitSchema, reply: printAcceptedSchema },
  prints: { query: pageQuerySchema, reply: pageOf("jobs", printViewSchema) },
  print: { reply: printViewSchema },
  printThumbnail: {
    query: z.object({ size: z.enum(["large", "small"]).default("large") }),
    reply: printThumbnailSchema,
  },
  printAgain: {
    body: z.strictObject({ printer: idSchema.optional() }),
    reply: printAcceptedSchema,
  },
  printPaused: { reply: printViewSchema },
  printResumed: { reply: printViewSchema },
  printCancelled: { reply: printViewSchema },
  printResolved: {
    body: z.strictObject({ outcome: z.enum(["done", "failed"]) }),
    reply: printViewSchema,
  },
} satisfies SomeRoutes;
