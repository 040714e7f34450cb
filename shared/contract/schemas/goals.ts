// Goals, their projects, and what the hub does by itself.

import { z } from "zod";
import { GOAL_STATES } from "../goals.ts";
import { pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";

export const goalViewSchema = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string(),
  state: z.enum(GOAL_STATES),
  impact: z.number().int(),
  by: z.string(),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  /** Until when somebody is to say yes or no. */
  dueAt: z.iso.datetime().optional(),
  decidedBy: z.string().optional(),
  reason: z.string().optional(),
  evidence: z
    .object({
      workflow: z.string(),
      code: z.string(),
      failures: z.number().int(),
      runs: z.number().int(),
      days: z.number().int(),
    })
    .optional(),
  project: z
    .object({
      at: z.iso.datetime(),
      run: z.string().optional(),
      tasks: z.array(z.object({ title: z.string(), isDone: z.boolean() })),
    })
    .optional(),
  /** Failures for each hundred runs, before the goal and since it was done. */
  outcome: z
    .object({
      measuredAt: z.iso.datetime(),
      before: z.number(),
      since: z.number(),
      runsSince: z.number().int(),
      isBetter: z.boolean(),
    })
    .optional(),
});
export type GoalView = z.infer<typeof goalViewSchema>;

const acceptedSchema = z.object({ goal: z.string(), state: z.enum(GOAL_STATES) });

export const GOAL_SCHEMAS = {
  goals: {
    query: pageQuerySchema.extend({ state: z.enum(GOAL_STATES).optional() }),
    reply: pageOf("goals", goalViewSchema),
  },
  goal: { reply: goalViewSchema },
  goalProposed: {
    body: z.strictObject({
      title: z.string().trim().min(1).max(200),
      description: z.string().max(10_000).default(""),
      impact: z.int().min(0).max(100).default(50),
    }),
    reply: goalViewSchema,
  },
  goalApproved: {
    body: z.strictObject({ reason: z.string().max(1_000).default("") }),
    reply: acceptedSchema,
  },
  goalRejected: {
    body: z.strictObject({ reason: z.string().min(1).max(1_000) }),
    reply: acceptedSchema,
  },
  goalTaskDone: { reply: acceptedSchema },
  standing: {
    reply: z.object({
      jobs: z.array(
        z.object({
          name: z.string(),
          /** UTC. */
          at: z.string(),
          weekday: z.number().int().optional(),
          lastDay: z.string().optional(),
          lastAt: z.iso.datetime().optional(),
        }),
      ),
    }),
  },
} satisfies SomeRoutes;
