// Devices that were found, and how the fleet is.

import { z } from "zod";
import { adoptSchema } from "../adopt.ts";
import { foundSchema, healthSchema, pictureSchema } from "../workshop.ts";
import { okSchema, type SomeRoutes } from "./common.ts";

const foundViewSchema = foundSchema.extend({
  node: z.string(),
  machine: z.string(),
  state: z.enum(["waiting", "approved", "ignored", "printer"]),
  /** The printer that it is, or has become. */
  printer: z.string().optional(),
  canAdopt: z.boolean(),
  seenAt: z.iso.datetime(),
});
export type FoundView = z.infer<typeof foundViewSchema>;

const foundListViewSchema = z.object({
  /** Null: nobody has looked around since this hub leads. */
  scannedAt: z.iso.datetime().nullable(),
  found: z.array(foundViewSchema),
  /** Machines that did not answer, and why. */
  silent: z.array(z.object({ machine: z.string(), why: z.string() })),
});
export type FoundListView = z.infer<typeof foundListViewSchema>;

const fleetCheckSchema = z.object({
  at: z.iso.datetime(),
  by: z.string(),
  isScheduled: z.boolean(),
  printers: z.array(healthSchema.extend({ machine: z.string() })),
});
export type FleetCheckView = z.infer<typeof fleetCheckSchema>;

const fleetHealthSchema = z.object({
  /** The newest first. */
  checks: z.array(fleetCheckSchema),
  nextAt: z.iso.datetime().nullable(),
});
export type FleetHealthView = z.infer<typeof fleetHealthSchema>;

const cameraPictureSchema = pictureSchema;
export type CameraPicture = z.infer<typeof cameraPictureSchema>;

/** Of one picture. */
const DRAWN_LAYERS_MAX = 60;
const layerNumber = z.coerce.number().int().min(1).max(1_000_000);
const printLayersSchema = z.object({
  /** Of the whole file, by its scan. */
  layers: z.number().int(),
  drawn: z.array(
    z.object({
      layer: z.number().int(),
      zMm: z.number(),
      /** x0, y0, x1, y1 of each line, mm. */
      lines: z.array(z.number()),
      stride: z.number().int(),
    }),
  ),
});
export type PrintLayersView = z.infer<typeof printLayersSchema>;

const keySchema = z.string().min(3).max(200);

export const WORKSHOP_SCHEMAS = {
  printLayers: {
    query: z
      .object({ from: layerNumber.default(1), to: layerNumber.default(1) })
      .refine(
        ({ from, to }) => to >= from && to - from < DRAWN_LAYERS_MAX,
        `from 1 to ${DRAWN_LAYERS_MAX} layers`,
      ),
    reply: printLayersSchema,
  },
  camera: {
    query: z.object({
      stream: z
        .enum(["0", "1"])
        .optional()
        .transform((text) => text === "1"),
    }),
    reply: cameraPictureSchema,
  },
  found: { reply: foundListViewSchema },
  foundScanned: { body: z.strictObject({}), reply: foundListViewSchema },
  foundApproved: {
    body: z.strictObject({
      key: keySchema,
      printer: adoptSchema.shape.id,
      ...adoptSchema.pick({ secret: true, user: true, size: true, baud: true, firmware: true })
        .shape,
    }),
    reply: foundViewSchema,
  },
  foundIgnored: {
    body: z.strictObject({ key: keySchema, ignored: z.boolean().default(true) }),
    reply: okSchema,
  },
  fleetHealth: { reply: fleetHealthSchema },
  fleetChecked: { body: z.strictObject({}), reply: fleetCheckSchema },
} satisfies SomeRoutes;
