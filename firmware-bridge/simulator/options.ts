// The simulator's options as text, as they stand in `sim:?speed=20&noise=300`.

import { z } from "zod";
import { GantryError } from "@gantry/shared/base/errors.ts";

const yesNo = z.enum(["0", "1"]).transform((text) => text === "1");

const optionsSchema = z.strictObject({
  /** Times faster than real time, wire included. */
  speed: z.coerce.number().min(0.1).max(1_000).default(1),
  /** Times faster heaters, on top of `speed`. */
  heat: z.coerce.number().min(0.1).max(1_000).default(1),
  /** Of the simulated wire; 0 for no pacing. */
  baud: z.coerce.number().int().min(0).max(10_000_000).default(115_200),
  /** The speed that the port must be set to, or each side reads noise; 0 for any. */
  rate: z.coerce.number().int().min(0).max(10_000_000).default(0),
  /** ADVANCED_OK and EMERGENCY_PARSER. */
  advanced: yesNo.default(true),
  emergency: yesNo.default(true),
  /** Noise from the start on, bytes in a million. */
  noise: z.coerce.number().min(0).max(1_000_000).default(0),
  seed: z.coerce.number().int().default(1),
  /** Opening the port resets the board, as DTR does on most. */
  dtr: yesNo.default(true),
  /** A printer with Marlin, or a mill with Grbl. */
  machine: z.enum(["marlin", "grbl"]).default("marlin"),
  /** Seconds without an open port until it ends by itself; 0 for never. */
  exitWhenIdleS: z.coerce.number().min(0).default(0),
});

export type SimulatorOptions = z.infer<typeof optionsSchema>;

export const SIMULATOR_OPTION_NAMES: readonly string[] = Object.keys(optionsSchema.shape);

/** Throws bad_config. */
export function parseSimulatorOptions(query: string): SimulatorOptions {
  const parsed = optionsSchema.safeParse(Object.fromEntries(new URLSearchParams(query)));
  if (parsed.success) return parsed.data;
  const why = z.prettifyError(parsed.error);
  throw new GantryError("bad_config", `The simulator's options "${query}" are not valid: ${why}`);
}
