// Schedules as people write and see them. Times are ISO 8601; money is in US dollars.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { JOB_CLASSES } from "../rows.ts";
import { CATCH_UPS, FIRING_WHYS, OVERLAPS } from "../schedules.ts";
import { runBudgetSchema } from "../workflow.ts";
import {
  errorSchema,
  idSchema,
  nameSchema,
  okSchema,
  pageOf,
  pageQuerySchema,
  type SomeRoutes,
} from "./common.ts";

const DAY_S = 86_400;
const timeSchema = z.iso.datetime({ offset: true });

const whenSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("cron"),
    /** 5 fields, or 6 with seconds before them. */
    pattern: z.string().min(1).max(200),
    zone: z.string().min(1).max(64).default("UTC"),
  }),
  z.strictObject({
    kind: z.literal("every"),
    everyS: z
      .number()
      .min(1)
      .max(366 * DAY_S),
    /** Its first run; default: everyS from now. */
    from: timeSchema.optional(),
  }),
  z.strictObject({ kind: z.literal("once"), at: timeSchema }),
]);

const workSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("command"),
    command: z.string().min(1).max(120),
    args: z.record(z.string(), z.unknown()).default({}),
    class: z.enum(JOB_CLASSES).default("normal"),
  }),
  z.strictObject({
    kind: z.literal("embed"),
    input: z.array(z.string().min(1).max(10_000)).min(1).max(256),
    class: z.enum(JOB_CLASSES).default("low"),
  }),
]);

const targetSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("job"), job: workSchema }),
  z.strictObject({
    type: z.literal("question"),
    text: z.string().min(1).max(10_000),
    /** Default: a new one for each answer. */
    conversation: idSchema.optional(),
  }),
  z.strictObject({
    type: z.literal("run"),
    /** `NAME`, `NAME@TAG` or `sha256:HEX`; read anew at each start. */
    workflow: z.string().min(1).max(200),
    inputs: z.record(z.string(), z.unknown()).default({}),
    /** Of each run, besides that of the workflow. */
    budget: runBudgetSchema.optional(),
  }),
  z.strictObject({
    type: z.literal("event"),
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,119}$/, "use a-z 0-9 . _ -"),
    data: z.unknown().default(null),
  }),
]);

const policyShape = {
  catchUp: z.enum(CATCH_UPS),
  catchUpMax: z.number().int().min(1).max(LIMIT.catchUps.max),
  overlap: z.enum(OVERLAPS),
  jitterS: z.number().min(0).max(DAY_S),
  lateS: z.number().min(1).max(DAY_S),
  endsAt: timeSchema.nullable(),
  runsPerDayMax: z.number().int().min(1).max(100_000).nullable(),
  costPerDayMaxUsd: z.number().positive().max(1_000_000).nullable(),
  /** Whose budget its runs spend, with other schedules. */
  workload: z.enum(["scheduled", "exploration"]),
};

export const scheduleAddSchema = z.strictObject({
  name: nameSchema,
  when: whenSchema,
  target: targetSchema,
  catchUp: policyShape.catchUp.default("once"),
  catchUpMax: policyShape.catchUpMax.default(10),
  overlap: policyShape.overlap.default("skip"),
  jitterS: policyShape.jitterS.default(0),
  lateS: policyShape.lateS.default(60),
  endsAt: policyShape.endsAt.default(null),
  runsPerDayMax: policyShape.runsPerDayMax.default(null),
  costPerDayMaxUsd: policyShape.costPerDayMaxUsd.default(null),
  workload: policyShape.workload.default("scheduled"),
});
export type ScheduleAdd = z.output<typeof scheduleAddSchema>;

const scheduleChangeSchema = z
  .strictObject({ name: nameSchema, when: whenSchema, target: targetSchema, ...policyShape })
  .partial();
export type ScheduleChange = z.output<typeof scheduleChangeSchema>;

const startedSchema = z.object({
  type: z.string(),
  id: z.string(),
  /** `open`, or how it ended. */
  state: z.string(),
  tookMs: z.number().optional(),
});

export const scheduleViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  by: z.string(),
  state: z.enum(["active", "paused", "ended"]),
  when: z.looseObject({ kind: z.string() }),
  target: z.looseObject({ type: z.string() }),
  catchUp: z.string(),
  catchUpMax: z.number(),
  overlap: z.string(),
  jitterS: z.number(),
  lateS: z.number(),
  endsAt: z.string().optional(),
  runsPerDayMax: z.number().optional(),
  costPerDayMaxUsd: z.number().optional(),
  workload: z.string().optional(),
  revision: z.number(),
  createdAt: z.string(),
  nextAt: z.string().optional(),
  /** As the clocks of its zone show it. */
  nextLocal: z.string().optional(),
  lastAt: z.string().optional(),
  queuedAt: z.string().optional(),
  last: startedSchema.optional(),
  runsToday: z.number(),
  costTodayUsd: z.number(),
  counts: z.object({
    started: z.number(),
    skipped: z.number(),
    refused: z.number(),
    missed: z.number(),
  }),
});
export type ScheduleView = z.infer<typeof scheduleViewSchema>;

export const firingViewSchema = z.object({
  id: z.string(),
  plannedAt: z.string(),
  firedAt: z.string(),
  lateMs: z.number(),
  why: z.enum(FIRING_WHYS),
  by: z.string(),
  outcome: z.string(),
  started: startedSchema.optional(),
  cancelled: z.object({ type: z.string(), id: z.string() }).optional(),
  error: errorSchema.optional(),
});
export type FiringView = z.infer<typeof firingViewSchema>;

export const SCHEDULE_SCHEMAS = {
  schedules: {
    query: pageQuerySchema,
    reply: pageOf("schedules", scheduleViewSchema).extend({
      /** False: the flag `schedules.enabled` is false and none of them fires. */
      enabled: z.boolean(),
    }),
  },
  scheduleMade: { body: scheduleAddSchema, reply: scheduleViewSchema },
  schedule: { reply: scheduleViewSchema },
  scheduleChanged: { body: scheduleChangeSchema, reply: scheduleViewSchema },
  scheduleDeleted: { reply: okSchema },
  schedulePaused: { reply: scheduleViewSchema },
  scheduleResumed: { reply: scheduleViewSchema },
  scheduleRun: {
    reply: z.object({
      firing: z.string(),
      outcome: z.string(),
      started: startedSchema.optional(),
      cancelled: z.object({ type: z.string(), id: z.string() }).optional(),
    }),
  },
  scheduleNext: {
    query: z.object({ count: z.coerce.number().int().min(1).max(100).default(10) }),
    reply: z.object({
      zone: z.string(),
      next: z.array(
        z.object({
          at: z.string(),
          local: z.string(),
          /** With its jitter. */
          startsAt: z.string(),
        }),
      ),
    }),
  },
  scheduleHistory: { query: pageQuerySchema, reply: pageOf("firings", firingViewSchema) },
} satisfies SomeRoutes;
