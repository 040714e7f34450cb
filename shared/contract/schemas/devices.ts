// Printers, their beds, and the emergency stop.

import { z } from "zod";
import { printerSchema } from "../bridge.ts";
import { errorSchema, idSchema, okSchema, type SomeRoutes } from "./common.ts";

export const temperaturesViewSchema = z.object({
  nozzleC: z.number(),
  nozzleTargetC: z.number(),
  bedC: z.number(),
  bedTargetC: z.number(),
});

export const deviceViewSchema = z.object({
  id: z.string(),
  kind: z.string(),
  type: z.string(),
  node: z.string(),
  /** The node's name. */
  machine: z.string(),
  online: z.boolean(),
  phase: z.string(),
  simulated: z.boolean(),
  sizeMm: z.object({ x: z.number(), y: z.number(), z: z.number() }),
  /** Hottest that the printer's own configuration allows. */
  nozzleMaxC: z.number(),
  bedMaxC: z.number(),
  temperatures: temperaturesViewSchema.optional(),
  bed: z.enum(["clear", "part"]),
  bedJob: z.string().optional(),
  job: z.string().optional(),
  progress: z.number().optional(),
  remainingS: z.number().optional(),
  fault: errorSchema.optional(),
  /** What it wants people to know, as it says it. */
  notices: printerSchema.shape.notices,
  power: printerSchema.shape.power,
  /** Loaded spools. */
  materials: printerSchema.shape.materials,
  webcamUrl: printerSchema.shape.webcamUrl,
});
export type DeviceView = z.infer<typeof deviceViewSchema>;

export const DEVICE_SCHEMAS = {
  devices: {
    query: z.object({ kind: z.string().optional(), online: z.stringbool().optional() }),
    reply: z.object({ devices: z.array(deviceViewSchema) }),
  },
  device: { reply: deviceViewSchema },
  bedCleared: { body: z.strictObject({ job: idSchema.optional() }), reply: deviceViewSchema },
  deviceReset: { body: z.strictObject({}), reply: okSchema },
  stop: {
    body: z.strictObject({ printer: idSchema.optional() }),
    reply: z.object({ stopped: z.array(z.string()), unreachable: z.array(z.string()) }),
  },
} satisfies SomeRoutes;
