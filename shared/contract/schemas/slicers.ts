// What slicers expect of OctoPrint: its names, as far as PrusaSlicer, OrcaSlicer and Cura read them.
// Requests are read leniently, for other programs wrote them; replies are what their readers need.

import { z } from "zod";
import { documentSchema, idSchema, nameSchema, type SomeRoutes } from "./common.ts";
import { confirmationViewSchema } from "./confirmations.ts";

/** Besides the address /octoprint/PRINTER. */
const printerQuery = z.object({ printer: idSchema.optional() });

export const slicerUploadSchema = z.object({
  files: z.object({
    local: z.object({
      name: z.string(),
      path: z.string(),
      origin: z.literal("local"),
      refs: z.object({ resource: z.string() }),
    }),
  }),
  done: z.literal(true),
  effectiveSelect: z.boolean(),
  /** True: the job is queued. It starts once its confirmation is given. */
  effectivePrint: z.boolean(),
  /** Ours: the job and what it waits for. */
  job: z.object({ id: z.string(), state: z.string() }),
  confirmation: confirmationViewSchema.optional(),
});
export type SlicerUpload = z.infer<typeof slicerUploadSchema>;

export const slicerJobAskSchema = z.object({
  command: z.string().max(40),
  action: z.string().max(40).optional(),
});
export const slicerFileAskSchema = z.object({
  command: z.string().max(40),
  print: z.boolean().optional(),
});

export const SLICER_SCHEMAS = {
  slicerVersion: {
    query: printerQuery,
    reply: z.object({
      api: z.string(),
      server: z.string(),
      text: z.string(),
      /** Ollama's. */
      version: z.string(),
    }),
  },
  slicerServer: { query: printerQuery, reply: documentSchema },
  slicerLogin: { query: printerQuery, body: documentSchema, reply: documentSchema },
  slicerUser: { query: printerQuery, reply: documentSchema },
  slicerSettings: { query: printerQuery, reply: documentSchema },
  slicerProfiles: { query: printerQuery, reply: documentSchema },
  slicerPrinter: { query: printerQuery.loose(), reply: documentSchema },
  slicerJob: { query: printerQuery, reply: documentSchema },
  slicerJobAsked: { query: printerQuery, body: slicerJobAskSchema, reply: documentSchema },
  slicerFiles: { query: printerQuery.loose(), reply: documentSchema },
  slicerLocalFiles: { query: printerQuery.loose(), reply: documentSchema },
  slicerUploaded: {
    query: printerQuery.extend({ name: nameSchema.optional() }),
    reply: slicerUploadSchema,
  },
  slicerFile: { query: printerQuery.loose(), reply: documentSchema },
  slicerFileAsked: { query: printerQuery, body: slicerFileAskSchema, reply: documentSchema },
} satisfies SomeRoutes;
