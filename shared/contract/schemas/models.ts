// What the machines' models do now: memory, who is loaded where, and who waits for them.

import { z } from "zod";
import type { SomeRoutes } from "./common.ts";

const deviceSchema = z.enum(["gpu", "cpu"]);

export const modelRuntimeSchema = z.object({
  models: z
    .array(
      z.object({
        name: z.string(),
        state: z.string(),
        device: deviceSchema.optional(),
        bytes: z.number().optional(),
        isPinned: z.boolean(),
        running: z.number().int(),
        waiting: z.number().int(),
        /** Of one answer, lately. */
        tokensPerS: z.number().optional(),
        /** Of a prompt that is read for the first time. */
        prefillTokensPerS: z.number().optional(),
        loadMs: z.number().optional(),
        /** Of the file, where this machine knows it. */
        sha256: z.string().optional(),
        sizeBytes: z.number().optional(),
      }),
    )
    .max(1_000),
  memory: z
    .array(z.object({ device: deviceSchema, totalBytes: z.number(), freeBytes: z.number() }))
    .max(8),
});
export type ModelRuntimeView = z.infer<typeof modelRuntimeSchema>;

export const modelMachinesSchema = z.object({
  machines: z.array(modelRuntimeSchema.extend({ node: z.string(), name: z.string() })),
  /** Those that were asked for since the hub leads. */
  queues: z.array(
    z.object({
      model: z.string(),
      running: z.number().int(),
      waiting: z.number().int(),
      slots: z.number().int(),
      tokensPerS: z.number().optional(),
    }),
  ),
});
export type ModelMachines = z.infer<typeof modelMachinesSchema>;

/** A megabyte of a model's file, or what is left of it. */
export const modelPieceSchema = z.object({
  sha256: z.string(),
  sizeBytes: z.number().int(),
  base64: z.string(),
});
export type ModelPiece = z.infer<typeof modelPieceSchema>;

export const MODEL_SCHEMAS = {
  modelFile: {
    query: z.strictObject({ offset: z.coerce.number().int().nonnegative().optional() }),
    reply: modelPieceSchema,
  },
  modelMachines: { reply: modelMachinesSchema },
} satisfies SomeRoutes;
