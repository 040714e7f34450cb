// What hub, node agents and clients say of parts that are made: orders, steps and results.

import { z } from "zod";
import { MATERIAL_NAMES, SLICE_DEFAULTS } from "../cad/slicing.ts";
import { LIMIT } from "../base/policy.ts";

/** Steps of the way from words to G-code, in order. */
export const MAKE_STEPS = ["render", "check", "preview", "slice", "store"] as const;
export type MakeStep = (typeof MAKE_STEPS)[number];

const mm = z.number().min(10).max(5_000);
const sizeSchema = z.object({ x: mm, y: mm, z: mm });

/** What a person may say of how it is printed; the rest is the printer's. */
export const sliceWishSchema = z.strictObject({
  material: z.enum(MATERIAL_NAMES).default(SLICE_DEFAULTS.material),
  nozzleMm: z.number().min(0.1).max(2).default(SLICE_DEFAULTS.nozzleMm),
  layerMm: z.number().min(0.05).max(1.2).default(SLICE_DEFAULTS.layerMm),
  infillPercent: z.number().int().min(0).max(100).default(SLICE_DEFAULTS.infillPercent),
  walls: z.number().int().min(1).max(20).default(SLICE_DEFAULTS.walls),
  supports: z.boolean().default(SLICE_DEFAULTS.supports),
  brimMm: z.number().min(0).max(20).default(SLICE_DEFAULTS.brimMm),
});
export type SliceWish = z.infer<typeof sliceWishSchema>;

export const sliceProfileSchema = z.object({
  ...sliceWishSchema.shape,
  sizeMm: sizeSchema,
  nozzleMaxC: z.number().min(0).max(600),
  bedMaxC: z.number().min(0).max(300),
});

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/u);
export const storedFileSchema = z.object({
  sha256: sha256Schema,
  sizeBytes: z.number().int().positive(),
});
export type StoredFile = z.infer<typeof storedFileSchema>;

/** Input of a job of kind `cad`. */
export const cadOrderSchema = z.object({
  source: z.string().min(1).max(LIMIT.cadSourceChars.max),
  /** Written by a person and not by the library: only where it can name no file. */
  isFree: z.boolean(),
  profile: sliceProfileSchema.optional(),
});
export type CadOrder = z.infer<typeof cadOrderSchema>;

/** Input of a job of kind `slice`. */
export const sliceOrderSchema = z.object({ stl: storedFileSchema, profile: sliceProfileSchema });
export type SliceOrder = z.infer<typeof sliceOrderSchema>;

const pointSchema = z.object({ x: z.number(), y: z.number(), z: z.number() });
export const meshFactsSchema = z.object({
  triangles: z.number().int(),
  vertices: z.number().int(),
  sizeMm: pointSchema,
  minMm: pointSchema,
  volumeMm3: z.number(),
});

/** Result of either job. */
export const madeSchema = z.object({
  stl: storedFileSchema,
  mesh: meshFactsSchema,
  preview: storedFileSchema.optional(),
  gcode: storedFileSchema.optional(),
  /** How long each step took, ms. */
  tookMs: z.partialRecord(z.enum(MAKE_STEPS), z.number()),
});
export type Made = z.infer<typeof madeSchema>;
