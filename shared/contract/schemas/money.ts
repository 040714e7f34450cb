// Budgets for what leaves the house, providers, and texts to be translated.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { BUDGET_ID } from "../money.ts";
import { DATA_CLASSES } from "../route.ts";
import { routingSchema, usageSchema } from "./asking.ts";
import { okSchema, type SomeRoutes } from "./common.ts";

const usdSchema = z.number().min(0).max(1_000_000);
export const budgetIdSchema = z.string().regex(BUDGET_ID);

/** Of one bound: a budget in a period. Amounts are US dollars. */
export const budgetUseSchema = z.object({
  period: z.string(),
  maxUsd: z.number(),
  spentUsd: z.number(),
  /** Part of `spentUsd`: calls that broke off, counted at their worst case. */
  uncertainUsd: z.number(),
  reservedUsd: z.number(),
  calls: z.number().int(),
});

export const budgetViewSchema = z.object({
  id: z.string(),
  perDayUsd: z.number().optional(),
  perMonthUsd: z.number().optional(),
  by: z.string(),
  changedAt: z.iso.datetime(),
  /** Of today and this month; for `person:*` nothing is counted by itself. */
  use: z.array(budgetUseSchema),
});
export type BudgetView = z.infer<typeof budgetViewSchema>;

export const providerViewSchema = z.object({
  name: z.string(),
  hasKey: z.boolean(),
  /** False: it failed too often and is left alone for now. */
  isUp: z.boolean(),
  models: z.array(
    z.object({
      name: z.string(),
      contextTokens: z.number(),
      answerTokensMax: z.number(),
      seesImages: z.boolean(),
      inputUsdPerMillion: z.number(),
      outputUsdPerMillion: z.number(),
    }),
  ),
});

const languageSchema = z.string().regex(/^\p{L}[\p{L}-]{1,30}$/u);

export const MONEY_SCHEMAS = {
  budgets: {
    reply: z.object({
      budgets: z.array(budgetViewSchema),
      /** Calls of providers under way, by their worst case. */
      reserved: z.array(
        z.object({
          id: z.string(),
          person: z.string(),
          workload: z.string(),
          provider: z.string(),
          model: z.string(),
          worstUsd: z.number(),
          at: z.iso.datetime(),
        }),
      ),
    }),
  },
  budgetSet: {
    body: z
      .strictObject({ perDayUsd: usdSchema.optional(), perMonthUsd: usdSchema.optional() })
      .refine(
        ({ perDayUsd, perMonthUsd }) => perDayUsd !== undefined || perMonthUsd !== undefined,
        {
          message: "a budget is for the day, the month or both",
        },
      ),
    reply: budgetViewSchema,
  },
  budgetDropped: { reply: okSchema },
  providers: {
    reply: z.object({
      defaultClass: z.enum(DATA_CLASSES),
      providers: z.array(providerViewSchema),
    }),
  },
  translated: {
    body: z.strictObject({
      text: z
        .string()
        .min(1)
        .max(LIMIT.promptChars.max - 200),
      to: languageSchema,
      from: languageSchema.optional(),
      provider: z.string().max(120).optional(),
      model: z.string().max(240).optional(),
      dataClass: z.enum(DATA_CLASSES).optional(),
    }),
    reply: z.object({
      requestId: z.string(),
      text: z.string(),
      routing: routingSchema,
      usage: usageSchema,
    }),
  },
} satisfies SomeRoutes;
