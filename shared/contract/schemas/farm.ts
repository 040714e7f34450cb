// The farm: what prints need, printers, spools, the queue, outcomes, and the wall.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { FAILURES, PRIORITY } from "../farm.ts";
import { idSchema, okSchema, type SomeRoutes } from "./common.ts";
import { deviceViewSchema, temperaturesViewSchema } from "./devices.ts";

export const materialSchema = z
  .string()
  .trim()
  .regex(/^[A-Za-z][\w+ -]{0,39}$/, "a material begins with a letter: PLA, PETG, PA-CF");
export const colorSchema = z
  .string()
  .regex(/^#?[0-9A-Fa-f]{6}$/, "a colour is RRGGBB")
  .transform((color) => color.replace("#", "").toUpperCase());
export const labelSchema = z.string().regex(/^[A-Za-z0-9][\w.-]{0,39}$/, "not a label");
const clockSchema = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time of day is HH:MM");
const gramsSchema = z.coerce.number().min(0).max(100_000);
const prioritySchema = z.coerce.number().int().min(PRIORITY.min).max(PRIORITY.max);
const nozzleSchema = z.coerce.number().min(0.05).max(5);

/** `200x200x180`, in mm. */
const volumeSchema = z
  .string()
  .regex(/^\d{1,4}x\d{1,4}x\d{1,4}$/, "a volume is XxYxZ in mm: 200x200x180")
  .transform((text) => {
    const [x = 0, y = 0, z = 0] = text.split("x").map(Number);
    return { x, y, z };
  });

const labelListSchema = z.array(labelSchema).max(LIMIT.farmLabels.max);
/** In a form they come as `one,two`. */
const labelsSchema = z.union([
  labelListSchema,
  z
    .string()
    .transform((text) => text.split(",").filter((label) => label !== ""))
    .pipe(labelListSchema),
]);

export const DIALECTS = ["marlin", "klipper"] as const;

/** What an order for any printer may ask for; in JSON, a form or a query alike. */
export const farmWishSchema = z.strictObject({
  material: materialSchema.optional(),
  color: colorSchema.optional(),
  nozzle: nozzleSchema.optional(),
  volume: volumeSchema.optional(),
  labels: labelsSchema.optional(),
  deadline: z.iso.datetime({ offset: true }).optional(),
  priority: prioritySchema.optional(),
  /** Filament that it takes, where the file does not say. */
  grams: gramsSchema.optional(),
  /** For which kind of printer it was sliced; needed only where the farm has several kinds. */
  dialect: z.enum(DIALECTS).optional(),
});
export type FarmWish = z.infer<typeof farmWishSchema>;
export const FARM_FIELDS = Object.keys(farmWishSchema.shape);

/** As PrintNeeds, FarmOrder, PrintUse and PrintOutcome of contract/farm.ts, for people and programs. */
export const farmOrderViewSchema = z.object({
  needs: z.object({
    material: z.string().optional(),
    color: z.string().optional(),
    nozzleMm: z.number().optional(),
    sizeMm: z.object({ x: z.number(), y: z.number(), z: z.number() }).optional(),
    labels: z.array(z.string()).optional(),
  }),
  dialect: z.enum(DIALECTS),
  priority: z.number().int(),
  deadline: z.iso.datetime().optional(),
});
export const printUseViewSchema = z.object({
  printedS: z.number(),
  grams: z.number().optional(),
  material: z.string().optional(),
  spool: z.string().optional(),
  costMicroUsd: z.number().optional(),
});
export const printOutcomeViewSchema = z.object({
  isGood: z.boolean(),
  reason: z.enum(FAILURES).optional(),
  note: z.string().optional(),
  by: z.string(),
  at: z.iso.datetime(),
});

const obstacleSchema = z.object({
  printer: z.string(),
  code: z.string(),
  message: z.string(),
  change: z.string(),
});
export const waitReasonSchema = z.object({
  code: z.string(),
  message: z.string(),
  /** What would change it. */
  change: z.string(),
  printers: z.array(obstacleSchema),
});

export const queuedPrintSchema = z.object({
  id: z.string(),
  name: z.string(),
  by: z.string(),
  state: z.string(),
  /** `any`, or the one it is for. */
  printer: z.string(),
  farm: farmOrderViewSchema.optional(),
  estimatedS: z.number(),
  grams: z.number().optional(),
  createdAt: z.iso.datetime(),
  /** Prints are served by this time. */
  dueAt: z.iso.datetime(),
  reason: waitReasonSchema,
});
export const farmViewSchema = z.object({
  /** The first served first. */
  queue: z.array(queuedPrintSchema),
  /** Those that are not in `queue` as it is too long. */
  more: z.number().int(),
  /** What to load where, so that few filaments are changed. */
  loadings: z.array(
    z.object({
      printer: z.string(),
      material: z.string(),
      color: z.string().optional(),
      jobs: z.array(z.string()),
    }),
  ),
});
export type FarmView = z.infer<typeof farmViewSchema>;
export type QueuedPrint = z.infer<typeof queuedPrintSchema>;

const offPeakSchema = z.strictObject({
  from: clockSchema,
  to: clockSchema,
  zone: z.string().min(1).max(64),
  longerThanS: z.number().int().min(0).max(31_536_000),
});
export const profileSchema = z.strictObject({
  nozzleMm: z.number().min(0.05).max(5).optional(),
  material: materialSchema.optional(),
  color: colorSchema.optional(),
  labels: labelListSchema.default([]),
  maintenanceEveryH: z.number().positive().max(100_000).optional(),
  offPeak: offPeakSchema.optional(),
  costMicroUsdPerH: z.number().int().min(0).max(1_000_000_000).optional(),
  isHeld: z.boolean().default(false),
});
export type ProfileFacts = z.input<typeof profileSchema>;

export const farmPrinterViewSchema = z.object({
  device: deviceViewSchema,
  /** Left out: it is not of the farm. */
  profile: profileSchema
    .extend({
      spool: z.string().optional(),
      printedH: z.number(),
      sinceMaintenanceH: z.number(),
      isMaintenanceDue: z.boolean(),
      maintainedAt: z.iso.datetime().optional(),
      maintainedBy: z.string().optional(),
    })
    .optional(),
  loaded: z.object({
    material: z.string().optional(),
    color: z.string().optional(),
    freeG: z.number().optional(),
  }),
});
export type FarmPrinterView = z.infer<typeof farmPrinterViewSchema>;

const limitsSchema = z.object({
  sizeMm: z.object({ x: z.number(), y: z.number(), z: z.number() }),
  nozzleMaxC: z.number(),
  bedMaxC: z.number(),
});
export const farmPrintersSchema = z.object({
  printers: z.array(farmPrinterViewSchema),
  /** By dialect, the most that any printer of the farm can do: what a file for it is read with. */
  limits: z.object({ marlin: limitsSchema.optional(), klipper: limitsSchema.optional() }),
});
export type FarmPrinters = z.infer<typeof farmPrintersSchema>;

export const spoolViewSchema = z.object({
  id: z.string(),
  material: z.string(),
  color: z.string().optional(),
  name: z.string().optional(),
  leftG: z.number(),
  reservedG: z.number(),
  reservedFor: z.string().optional(),
  usedG: z.number(),
  costMicroUsdPerKg: z.number().optional(),
  printer: z.string().optional(),
  changedAt: z.iso.datetime(),
});
export type SpoolView = z.infer<typeof spoolViewSchema>;

const spoolFactsSchema = z.strictObject({
  material: materialSchema,
  color: colorSchema.optional(),
  name: z.string().trim().min(1).max(80).optional(),
  leftG: z.number().min(0).max(100_000),
  costMicroUsdPerKg: z.number().int().min(0).max(10_000_000_000).optional(),
});
export type SpoolFactsBody = z.input<typeof spoolFactsSchema>;

export const tallyViewSchema = z.object({
  /** A printer's id, a material, or the hash of a file. */
  id: z.string(),
  name: z.string(),
  good: z.number().int(),
  bad: z.number().int(),
  /** 0 to 1, of those that somebody judged. */
  goodShare: z.number(),
  reasons: z.record(z.string(), z.number().int()),
  printedH: z.number(),
  grams: z.number(),
});
export type TallyView = z.infer<typeof tallyViewSchema>;

/** No person, no name of a file, no id of a job: it hangs where anybody may look at it. */
export const wallSchema = z.object({
  at: z.iso.datetime(),
  printers: z.array(
    z.object({
      id: z.string(),
      state: z.string(),
      bed: z.enum(["clear", "part"]),
      isMaintenanceDue: z.boolean(),
      temperatures: temperaturesViewSchema.optional(),
      progress: z.number().optional(),
      remainingS: z.number().optional(),
      endsAt: z.iso.datetime().optional(),
      material: z.string().optional(),
      fault: z.string().optional(),
    }),
  ),
  waiting: z.number().int(),
});
export type WallView = z.infer<typeof wallSchema>;

export const FARM_SCHEMAS = {
  farm: { reply: farmViewSchema },
  farmPrinters: { reply: farmPrintersSchema },
  printerProfiled: { body: profileSchema, reply: farmPrinterViewSchema },
  printerUnprofiled: { reply: okSchema },
  printerMaintained: { body: z.strictObject({}), reply: farmPrinterViewSchema },
  spoolLoaded: {
    body: z.strictObject({ spool: idSchema.nullable() }),
    reply: farmPrinterViewSchema,
  },
  printRanked: {
    body: z
      .strictObject({
        priority: prioritySchema.optional(),
        /** null takes it away. */
        deadline: z.iso.datetime({ offset: true }).nullable().optional(),
      })
      .refine(
        ({ priority, deadline }) => priority !== undefined || deadline !== undefined,
        "give a priority or a deadline",
      ),
    reply: farmViewSchema,
  },
  spools: { reply: z.object({ spools: z.array(spoolViewSchema) }) },
  spoolKept: { body: spoolFactsSchema, reply: spoolViewSchema },
  spoolDropped: { reply: okSchema },
  outcomes: {
    query: z.object({ of: z.enum(["printer", "material", "file"]).default("printer") }),
    reply: z.object({ outcomes: z.array(tallyViewSchema) }),
  },
  bedJudged: {
    body: z.strictObject({
      job: idSchema.optional(),
      outcome: z.enum(["ok", "failed"]),
      reason: z.enum(FAILURES).optional(),
      note: z.string().trim().max(200).optional(),
    }),
    reply: deviceViewSchema,
  },
  wall: { reply: wallSchema },
} satisfies SomeRoutes;
