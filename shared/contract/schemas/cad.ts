// Parts: what can be made, an order for one, how far it is, its files.

import { z } from "zod";
import { MAKE_STEPS, meshFactsSchema, sliceWishSchema } from "../cad.ts";
import { JOB_STATES } from "../rows.ts";
import { LIMIT } from "../../base/policy.ts";
import { errorSchema, idSchema, nameSchema, type SomeRoutes } from "./common.ts";
import { printAcceptedSchema } from "./prints.ts";

const valueSchema = z.union([z.number(), z.boolean(), z.string()]);
const valuesSchema = z.record(z.string().max(60), valueSchema);

/** A parameter as a form needs it. */
export const partParameterSchema = z.object({
  name: z.string(),
  title: z.string(),
  kind: z.enum(["length", "angle", "count", "flag", "choice", "text"]),
  default: valueSchema,
  min: z.number().optional(),
  max: z.number().optional(),
  unit: z.string().optional(),
  options: z.array(z.string()).optional(),
  charsMax: z.number().int().optional(),
});
export type PartParameter = z.infer<typeof partParameterSchema>;

export const partViewSchema = z.object({
  id: z.string(),
  title: z.string(),
  summary: z.string(),
  parameters: z.array(partParameterSchema),
});

/** Exactly one of `prompt`, `part` and `source`. */
export const makeOrderSchema = z.strictObject({
  /** "a box 40x30x20 with lid". */
  prompt: z.string().min(1).max(2_000).optional(),
  part: idSchema.optional(),
  parameters: valuesSchema.optional(),
  /** A program in OpenSCAD; it may name no file. */
  source: z.string().min(1).max(LIMIT.cadSourceChars.max).optional(),
  name: nameSchema.optional(),
  /** For whose room it is checked and sliced; needed for `slice` where there are several. */
  printer: idSchema.optional(),
  slice: z.union([z.literal(true), sliceWishSchema]).optional(),
});
export type MakeOrder = z.infer<typeof makeOrderSchema>;

const fileViewSchema = z.object({ url: z.string(), sha256: z.string(), sizeBytes: z.number() });
const stepViewSchema = z.object({
  step: z.enum(MAKE_STEPS),
  state: z.enum(["waiting", "running", "done"]),
  tookMs: z.number().optional(),
});

export const makeViewSchema = z.object({
  id: z.string(),
  state: z.enum(JOB_STATES),
  name: z.string(),
  /** What is made, in words, with what was assumed. */
  summary: z.string(),
  part: z.string().optional(),
  parameters: valuesSchema.optional(),
  printer: z.string().optional(),
  /** The same was made before: nothing was rendered for this order. */
  cached: z.boolean(),
  progress: z.number().min(0).max(1),
  steps: z.array(stepViewSchema),
  node: z.string().optional(),
  mesh: meshFactsSchema.optional(),
  files: z.object({
    stl: fileViewSchema.optional(),
    preview: fileViewSchema.optional(),
    gcode: fileViewSchema.optional(),
  }),
  error: errorSchema.optional(),
});
export type MakeView = z.infer<typeof makeViewSchema>;

export const PART_FILES = ["stl", "preview", "gcode"] as const;
export type PartFile = (typeof PART_FILES)[number];

/** A piece of a file on its way to the door, which gives the bytes themselves. */
export const partPieceSchema = z.object({
  sha256: z.string(),
  sizeBytes: z.number(),
  name: z.string(),
  base64: z.string(),
});
export type PartPiece = z.infer<typeof partPieceSchema>;

export const CAD_SCHEMAS = {
  cadParts: { reply: z.object({ parts: z.array(partViewSchema) }) },
  cadGenerated: { body: makeOrderSchema, reply: makeViewSchema },
  cadJob: { reply: makeViewSchema },
  cadSliced: {
    body: z.strictObject({ printer: idSchema.optional(), slice: sliceWishSchema.optional() }),
    reply: makeViewSchema,
  },
  cadFile: {
    query: z.object({ offset: z.coerce.number().int().min(0).default(0) }),
    reply: partPieceSchema,
  },
  cadPrinted: {
    body: z.strictObject({ printer: idSchema.optional(), name: nameSchema.optional() }),
    reply: printAcceptedSchema,
  },
} satisfies SomeRoutes;
