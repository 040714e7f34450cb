// What a node agent and a firmware bridge say to each other over the bridge's local socket.
//
// BR1. `start`, `pause`, `resume` and `cancel` carry a fencing token; the bridge keeps the highest
//      token per printer on disk and refuses a lower one with `stale_token`.
// BR2. `stop` (emergency) carries none: nobody is ever too old to stop a machine.
// BR3. A report that ends a job is repeated after each connect until it is acknowledged.

import { z } from "zod";
import { LIMIT } from "../base/policy.ts";
import { adoptSchema } from "./adopt.ts";

export const temperaturesSchema = z.object({
  nozzleC: z.number(),
  nozzleTargetC: z.number(),
  bedC: z.number(),
  bedTargetC: z.number(),
});
/** Degrees Celsius. */
export type Temperatures = z.infer<typeof temperaturesSchema>;

export const PRINTER_PHASES = [
  "offline",
  "opening",
  "idle",
  "heating",
  "printing",
  "paused",
  "finishing",
  "fault",
  "stopped",
] as const;
export type PrinterPhase = (typeof PRINTER_PHASES)[number];

export const printerSchema = z.object({
  id: z.string(),
  /** `marlin` for serial Marlin, `moonraker`, `octoprint`, `prusalink`, `bambu`. */
  driver: z.string(),
  phase: z.enum(PRINTER_PHASES),
  /** True when the far end says in its own banner that it is test equipment. */
  isSimulated: z.boolean(),
  firmware: z.string().optional(),
  /** Printable volume in mm, from the firmware's `area` or the driver's configuration. */
  sizeMm: z.object({ x: z.number(), y: z.number(), z: z.number() }),
  nozzleMaxC: z.number(),
  bedMaxC: z.number(),
  temperatures: temperaturesSchema.optional(),
  /** The job whose bytes are being sent, if any. */
  job: z.string().optional(),
  /** 0..1 of the job's bytes acknowledged by the firmware. */
  progress: z.number().min(0).max(1).optional(),
  remainingS: z.number().nonnegative().optional(),
  fault: z.object({ code: z.string(), message: z.string() }).optional(),
  /** What it wants people to know, as it says it: health messages, why it paused. */
  notices: z.array(z.string().max(400)).max(LIMIT.printerFacts.max).optional(),
  /** Switched outlets that belong to it. */
  power: z
    .array(z.object({ name: z.string().max(100), isOn: z.boolean() }))
    .max(LIMIT.printerFacts.max)
    .optional(),
  webcamUrl: z.string().max(2_000).optional(),
  /** Loaded spools: what, which colour (RRGGBB), and how much is left (0..1) where it is known. */
  materials: z
    .array(
      z.object({
        slot: z.string().max(20),
        material: z.string().max(40),
        color: z.string().max(8).optional(),
        remaining: z.number().min(0).max(1).optional(),
        isActive: z.boolean(),
      }),
    )
    .max(LIMIT.printerFacts.max)
    .optional(),
});
export type Printer = z.infer<typeof printerSchema>;

const fenced = { printer: z.string(), job: z.string(), token: z.number().int().positive() };

/** Agent to bridge. `id` names the request; the bridge answers each with `accepted` or `refused`. */
export const bridgeOrderSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("start"),
    id: z.string(),
    ...fenced,
    /** A readable file on this machine; the bridge checks size and hash before the first byte. */
    path: z.string(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    sizeBytes: z.number().int().positive(),
  }),
  z.object({ type: z.literal("pause"), id: z.string(), ...fenced }),
  z.object({ type: z.literal("resume"), id: z.string(), ...fenced }),
  z.object({ type: z.literal("cancel"), id: z.string(), ...fenced }),
  /** Emergency stop of one printer, or of all. */
  z.object({ type: z.literal("stop"), id: z.string(), printer: z.string().optional() }),
  /** A person says a stopped or faulty printer may be used again: reset, handshake, idle. */
  z.object({ type: z.literal("reset"), id: z.string(), printer: z.string() }),
  /** An admin of the hub has made this a printer of this machine: kept, and driven from now on. */
  z.object({ type: z.literal("adopt"), id: z.string(), adopt: adoptSchema }),
  /** The hub has the end of this job on record; the bridge may forget it. */
  z.object({ type: z.literal("acknowledge"), id: z.string(), ...fenced }),
]);
export type BridgeOrder = z.infer<typeof bridgeOrderSchema>;

export const JOB_PHASES = [
  "started",
  "paused",
  "resumed",
  "done",
  "failed",
  "cancelled",
  /** The bridge, the printer or the power went away in the middle; a person decides. */
  "interrupted",
] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

/** Bridge to agent. */
export const bridgeReportSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("accepted"), id: z.string(), note: z.string().optional() }),
  z.object({
    type: z.literal("refused"),
    id: z.string(),
    error: z.object({ code: z.string(), message: z.string() }),
  }),
  /** All printers, on connect and whenever a phase changes; at most 1/s with temperatures else. */
  z.object({ type: z.literal("printers"), printers: z.array(printerSchema) }),
  z.object({
    type: z.literal("job"),
    ...fenced,
    phase: z.enum(JOB_PHASES),
    progress: z.number().min(0).max(1),
    /** How often the first byte of this job was sent to the firmware. Must stay 0 or 1. */
    startedCount: z.number().int().nonnegative(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  }),
]);
export type BridgeReport = z.infer<typeof bridgeReportSchema>;
