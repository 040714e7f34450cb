// Jobs for runners: commands and embeddings.

import { z } from "zod";
import { JOB_CLASSES } from "../rows.ts";
import { errorSchema, okSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";
import { confirmationViewSchema } from "./confirmations.ts";

export const jobViewSchema = z.object({
  id: z.string(),
  kind: z.string(),
  class: z.enum(JOB_CLASSES),
  state: z.string(),
  needs: z.string(),
  by: z.string(),
  attempts: z.number().int(),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  node: z.string().optional(),
  dead: z.boolean(),
  result: z.unknown().optional(),
  error: errorSchema.optional(),
  confirmation: confirmationViewSchema.optional(),
});
export type JobView = z.infer<typeof jobViewSchema>;

export const jobAddSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("command"),
    command: z.string().min(1).max(120),
    args: z.record(z.string(), z.unknown()).default({}),
    class: z.enum(JOB_CLASSES).default("normal"),
  }),
  z.strictObject({
    kind: z.literal("embed"),
    input: z.array(z.string().min(1).max(10_000)).min(1).max(256),
    class: z.enum(JOB_CLASSES).default("normal"),
  }),
]);

export const JOB_SCHEMAS = {
  jobs: { query: pageQuerySchema, reply: pageOf("jobs", jobViewSchema) },
  jobAdded: {
    body: jobAddSchema,
    reply: z.object({
      job: z.object({ id: z.string(), state: z.string() }),
      confirmation: confirmationViewSchema.optional(),
    }),
  },
  deadJobs: { query: pageQuerySchema, reply: pageOf("jobs", jobViewSchema) },
  job: { reply: jobViewSchema },
  jobCancelled: { reply: jobViewSchema },
  jobRequeued: { reply: jobViewSchema },
  jobDropped: { reply: okSchema },
  exec: {
    body: z.strictObject({
      command: z.string().min(1).max(120),
      args: z.record(z.string(), z.unknown()).default({}),
    }),
    reply: jobViewSchema,
  },
} satisfies SomeRoutes;
