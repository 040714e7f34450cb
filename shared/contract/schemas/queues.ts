// Named queues and the work in them.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { idSchema, type SomeRoutes } from "./common.ts";
import { jobViewSchema, msSchema, queueNameSchema, workSpecSchema } from "./jobs.ts";

const ms = msSchema;
const count = z.number().int().min(1).max(1_000_000);

export const workBatchSchema = z.strictObject({
  queue: queueNameSchema,
  jobs: z.array(workSpecSchema).min(1).max(LIMIT.jobsInBatch.max),
});

const allowance = {
  concurrency: count.optional(),
  rate: z.strictObject({ max: count, perMs: ms.min(1) }).optional(),
};

const queuePolicySchema = z.strictObject({
  ...allowance,
  perKey: z.strictObject(allowance).optional(),
  bounds: z
    .strictObject({ high: count.optional(), normal: count.optional(), low: count.optional() })
    .optional(),
  attemptsMax: z.number().int().min(1).max(1_000).optional(),
  backoff: z
    .strictObject({
      firstMs: ms,
      factor: z.number().min(1).max(10),
      maxMs: ms,
      jitter: z.number().min(0).max(1),
    })
    .optional(),
  timeoutMs: ms.min(1).optional(),
  keepDone: z.boolean().optional(),
  weights: z.record(queueNameSchema, z.number().int().min(1).max(100)).optional(),
});

export const queueViewSchema = z.object({
  name: z.string(),
  isPaused: z.boolean(),
  pausedUntil: z.iso.datetime().optional(),
  pausedKeys: z.record(z.string(), z.iso.datetime()).optional(),
  policy: queuePolicySchema,
  /** That could start now; kept back by a limit of a key or mutex; for a time; for children. */
  ready: z.number().int(),
  parked: z.number().int(),
  delayed: z.number().int(),
  waiting: z.number().int(),
  leased: z.number().int(),
  dead: z.number().int(),
  /** Age of the job that has been ready the longest. */
  lagMs: z.number(),
});
export type QueueView = z.infer<typeof queueViewSchema>;

const pauseSchema = z.strictObject({
  key: queueNameSchema.optional(),
  /** Left out: until somebody resumes it; a key needs it. */
  forMs: ms.min(1).optional(),
});

export const QUEUE_SCHEMAS = {
  workAdded: {
    body: workBatchSchema,
    /** Ids in the order of the jobs; of those that an idempotency key knows, the first one's. */
    reply: z.object({ jobs: z.array(z.string()) }),
  },
  deadDirected: {
    body: z.strictObject({
      wish: z.enum(["requeue", "drop"]),
      queue: queueNameSchema.optional(),
      code: z.string().max(60).optional(),
      /** Failed so long ago or longer. */
      olderThanMs: ms.optional(),
      jobs: z.array(idSchema).max(LIMIT.jobsInBatch.max).optional(),
      /** Only says which they would be. */
      preview: z.boolean().default(false),
    }),
    reply: z.object({ count: z.number().int(), jobs: z.array(z.string()) }),
  },
  queues: { reply: z.object({ queues: z.array(queueViewSchema) }) },
  queue: { reply: queueViewSchema },
  queueJobs: {
    query: z.object({
      state: z.enum(["open", "waiting", "leased", "ended", "dead"]).default("open"),
      limit: z.coerce.number().int().min(1).max(500).default(50),
    }),
    reply: z.object({ jobs: z.array(jobViewSchema) }),
  },
  queueSet: { body: queuePolicySchema, reply: queueViewSchema },
  queuePaused: { body: pauseSchema, reply: queueViewSchema },
  queueResumed: {
    body: z.strictObject({ key: queueNameSchema.optional() }),
    reply: queueViewSchema,
  },
} satisfies SomeRoutes;
