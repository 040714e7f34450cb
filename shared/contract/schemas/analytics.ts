// What runs and answers came to: counts, times, faults, money.

import { z } from "zod";
import type { SomeRoutes } from "./common.ts";

/** UTC days, both included; each may be left out. */
const windowSchema = z.object({ from: z.iso.date().optional(), to: z.iso.date().optional() });
const countSchema = z.number().int().nonnegative();

const totals = {
  /** Of runs that ended in that time; replays and runs below others are not counted. */
  runs: countSchema,
  done: countSchema,
  failed: countSchema,
  cancelled: countSchema,
  /** Of those that were done or failed, from 0 to 1. */
  success_rate: z.number().optional(),
  avg_execution_ms: z.number().optional(),
  /** Within 1/64. */
  p50_execution_ms: z.number().optional(),
  p95_execution_ms: z.number().optional(),
  failures: z.array(z.object({ code: z.string(), count: countSchema })),
  /** Of models, for these runs and those below them. */
  cost_usd: z.number(),
};
const days = { from: z.iso.date(), to: z.iso.date() };
const spentSchema = z.array(
  z.object({ name: z.string(), runs: countSchema, cost_usd: z.number() }),
);

export const ANALYTICS_SCHEMAS = {
  analyticsSummary: {
    query: windowSchema,
    reply: z.object({
      ...days,
      /** Ever started. */
      total_workflows: countSchema,
      /** Not over now. */
      active: countSchema,
      ...totals,
      /** 30 days, where no time was asked for. */
      total_cost_usd: z.number(),
    }),
  },
  analyticsWorkflows: {
    query: windowSchema,
    reply: z.object({
      ...days,
      active: countSchema,
      completed: countSchema,
      /** Started in the last 24 hours. */
      recent_24h: countSchema,
      /** The last ten started, the newest first. */
      recent_task_ids: z.array(z.string()),
      /** The most run first; the name is empty for graphs without one. */
      workflows: z.array(z.object({ workflow: z.string(), ...totals })),
    }),
  },
  costs: {
    query: windowSchema,
    reply: z.object({
      /** Of answers and of runs. */
      total_cost_usd: z.number(),
      answers: z.number(),
      cached_answers: z.number(),
      prompt_tokens: z.number(),
      completion_tokens: z.number(),
      by: z.array(
        z.object({
          day: z.string(),
          person: z.string(),
          tier: z.string(),
          model: z.string(),
          answers: z.number(),
          cached_answers: z.number(),
          prompt_tokens: z.number(),
          completion_tokens: z.number(),
          cost_usd: z.number(),
        }),
      ),
      workflow_count: countSchema,
      workflow_cost_usd: z.number(),
      /** Of one run; rounded to 4 digits. */
      average_cost_usd: z.number(),
      by_workflow: spentSchema,
      by_person: spentSchema,
      by_day: spentSchema,
    }),
  },
} satisfies SomeRoutes;
