// What a hub asks a machine about its workshop, and what comes back: devices that were found, printers that
// were adopted, how printers are, pictures.
//
// WS1. A question has one answer or one failure under its id; none is repeated by itself.
// WS2. A secret travels with the order to adopt and is kept by the bridge alone: never logged, never told.

import { z } from "zod";
import { LIMIT } from "../base/policy.ts";
import { adoptSchema, FOUND_KINDS } from "./adopt.ts";
import { printerSchema } from "./bridge.ts";

export const FOUND_BY = ["mdns", "ssdp", "bambu", "serial", "http"] as const;

const text = (max: number) => z.string().max(max);

/** Something on the network or a cable of a machine that may be a device. */
export const foundSchema = z.object({
  /** Lasting name of it: kind and serial number, host or port. */
  key: text(200).regex(/^[a-z]+:[\w.:@/%+-]{1,187}$/),
  kind: z.enum(FOUND_KINDS),
  name: text(100),
  /** Host, host:port, or the path of a serial port. */
  address: text(200),
  by: z.enum(FOUND_BY),
  model: text(100).optional(),
  serial: text(64).optional(),
});
export type Found = z.infer<typeof foundSchema>;

export const foundListSchema = z.array(foundSchema).max(LIMIT.foundDevices.max);

export const workshopAskSchema = z.discriminatedUnion("ask", [
  /** Looks around for a few seconds. Answered with a foundListSchema. */
  z.object({ ask: z.literal("discover") }),
  /** Answered with a healthSchema list. */
  z.object({ ask: z.literal("health") }),
  /** Answered with `true` once the bridge drives it. */
  z.object({ ask: z.literal("adopt"), printer: adoptSchema }),
  /** Answered with a pictureSchema. */
  z.object({ ask: z.literal("snapshot"), printer: z.string().max(64) }),
]);
export type WorkshopAsk = z.infer<typeof workshopAskSchema>;

export const HEALTH_STATES = ["well", "busy", "attention", "offline"] as const;

/** One printer at one moment. */
export const healthSchema = z.object({
  printer: z.string(),
  state: z.enum(HEALTH_STATES),
  phase: printerSchema.shape.phase,
  why: z.string().max(400).optional(),
});
export type Health = z.infer<typeof healthSchema>;
export const healthListSchema = z.array(healthSchema).max(LIMIT.farmBoard.max);

/** What a printer's own words come to. Pure. */
export function healthOf(printer: z.infer<typeof printerSchema>): Health {
  const { id, phase, fault, notices } = printer;
  const why = fault?.message ?? notices?.[0];
  const said = why === undefined ? {} : { why: why.slice(0, 400) };
  switch (phase) {
    case "offline":
    case "opening":
      return { printer: id, phase, state: "offline", ...said };
    case "fault":
    case "stopped":
      return { printer: id, phase, state: "attention", ...said };
    case "idle":
      return { printer: id, phase, state: notices === undefined ? "well" : "attention", ...said };
    case "heating":
    case "printing":
    case "paused":
    case "finishing":
      return { printer: id, phase, state: "busy", ...said };
  }
}

/** A JPEG or PNG of a camera. */
export const pictureSchema = z.object({
  type: z.enum(["image/jpeg", "image/png"]),
  /** Base64. */
  bytes: z.string().max(Math.ceil((LIMIT.pictureBytes.max * 4) / 3) + 4),
});
export type Picture = z.infer<typeof pictureSchema>;

// ── in the ledger ───────────────────────────────────────────────────────────────────────────────

/** What a person said about something that was found. */
export interface FoundRow {
  readonly key: string;
  readonly node: string;
  readonly decision: "approved" | "ignored";
  /** The printer that it became. */
  readonly printer?: string;
  readonly by: string;
  readonly atMs: number;
}

/** The last looks at all printers; the newest is `last`. */
export interface FleetCheckRow {
  readonly atMs: number;
  readonly by: string;
  readonly isScheduled: boolean;
  readonly printers: readonly (Health & { readonly node: string })[];
}

export type WorkshopCommand =
  | {
      readonly type: "foundDecided";
      readonly key: string;
      readonly node: string;
      readonly decision: "approved" | "ignored" | "forgotten";
      readonly printer?: string;
    }
  | {
      readonly type: "fleetChecked";
      readonly isScheduled: boolean;
      readonly printers: readonly (Health & { readonly node: string })[];
    };
