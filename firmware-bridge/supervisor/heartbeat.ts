// What the bridge leaves behind for its supervisor, twice a second: which ports may hold a hot heater.
//
// HB1. A printer counts as hot from the first sign until it was seen idle with all targets at 0:
//      one that is offline, halted or opening may still heat.
// HB2. The number grows with each beat, so a reader needs no clock in common with the writer.

import { z } from "zod";
import type { Printer } from "@gantry/shared/contract/bridge.ts";

export const BEAT_MS = 500;
const PRINTERS_MAX = 256;

const beatSchema = z.object({
  pid: z.number().int().positive(),
  count: z.number().int().nonnegative(),
  printers: z
    .array(
      z.object({
        id: z.string().max(64),
        path: z.string().max(4_096),
        baud: z.number().int().positive(),
        /** Hot, or with a tool that runs. */
        isHot: z.boolean(),
        /** Marlin where it is absent. */
        firmware: z.literal("grbl").optional(),
      }),
    )
    .max(PRINTERS_MAX),
});
export type Beat = z.infer<typeof beatSchema>;

export const formatBeat = (beat: Beat): string => `${JSON.stringify(beat)}\n`;

/** Undefined for what is no beat: a file that is being replaced, or is damaged. Never throws. */
export function parseBeat(text: string): Beat | undefined {
  try {
    const parsed = beatSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** HB1. `wasHot`: as of the beat before. */
export function isHotNow({ phase, temperatures }: Printer, wasHot: boolean): boolean {
  const isAimed = (temperatures?.nozzleTargetC ?? 0) > 0 || (temperatures?.bedTargetC ?? 0) > 0;
  if (isAimed) return true;
  switch (phase) {
    case "heating":
    case "printing":
    case "paused":
    case "finishing":
      return true;
    case "idle":
      return wasHot && temperatures === undefined;
    case "offline":
    case "opening":
    case "fault":
    case "stopped":
      return wasHot;
  }
}
