// Jobs for runners: commands and embeddings.

import { z } from "zod";
import { CHILD_RULES, QUEUE_NAME } from "../queues.ts";
import { EFFECTS, JOB_CLASSES } from "../rows.ts";
import {
  errorSchema,
  idSchema,
  okSchema,
  pageOf,
  pageQuerySchema,
  type SomeRoutes,
} from "./common.ts";
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
  queue: z.string().optional(),
  workspace: z.string().optional(),
  priority: z.number().optional(),
  parent: z.string().optional(),
  children: z.object({ total: z.number(), open: z.number(), failed: z.number() }).optional(),
  data: z.unknown().optional(),
  /** What its worker says of it; soft. */
  progress: z.unknown().optional(),
  node: z.string().optional(),
  dead: z.boolean(),
  result: z.unknown().optional(),
  error: errorSchema.optional(),
  confirmation: confirmationViewSchema.optional(),
});
export type JobView = z.infer<typeof jobViewSchema>;

export const queueNameSchema = z.string().regex(QUEUE_NAME, "use letters, digits, . _ : -");
export const msSchema = z.number().int().min(0).max(31_536_000_000);

/** One job as a program queues it. */
export const workSpecSchema = z.strictObject({
  job: idSchema.optional(),
  data: z.unknown().refine((data) => data !== undefined, "is missing"),
  class: z.enum(JOB_CLASSES).optional(),
  priority: z.number().int().min(-1_000_000).max(1_000_000).optional(),
  delayMs: msSchema.optional(),
  workspace: queueNameSchema.optional(),
  mutex: queueNameSchema.optional(),
  key: queueNameSchema.optional(),
  effect: z.enum(EFFECTS).optional(),
  attemptsMax: z.number().int().min(1).max(1_000).optional(),
  timeoutMs: msSchema.min(1).optional(),
  idempotencyKey: queueNameSchema.optional(),
  parent: idSchema.optional(),
  waits: z.enum(CHILD_RULES).optional(),
});

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
  workSpecSchema.extend({ kind: z.literal("work"), queue: queueNameSchema }),
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
  deadJobs: {
    query: pageQuerySchema.extend({ queue: z.string().max(120).optional() }),
    reply: pageOf("jobs", jobViewSchema),
  },
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
