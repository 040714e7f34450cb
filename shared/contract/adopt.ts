// What was found, as a printer that a bridge is to drive.

import { z } from "zod";

export const FOUND_KINDS = [
  "moonraker",
  "octoprint",
  "prusalink",
  "bambu",
  "serial",
  "wyoming",
  "mqtt",
  "camera",
] as const;
export type FoundKind = (typeof FOUND_KINDS)[number];

/** The kinds that a bridge can drive. */
export const ADOPTABLE: ReadonlySet<FoundKind> = new Set([
  "moonraker",
  "octoprint",
  "prusalink",
  "bambu",
  "serial",
]);

const text = (max: number) => z.string().max(max);

/** Options of a printer as they stand in GANTRY_PRINTERS, secrets apart. */
export const adoptSchema = z.object({
  id: z.string().regex(/^[A-Za-z0-9][\w-]{0,62}$/, "a printer's name has letters, digits, - and _"),
  kind: z.enum(FOUND_KINDS),
  address: text(200),
  serial: text(64).optional(),
  /** API key, password or access code. WS2 */
  secret: text(256).optional(),
  /** Of PrusaLink, where a password is given. */
  user: text(64).optional(),
  /** XxYxZ, mm. */
  size: z
    .string()
    .regex(/^\d{2,4}x\d{2,4}x\d{2,4}$/)
    .optional(),
  baud: z.number().int().min(1_200).max(10_000_000).optional(),
  /** On a serial port: a mill or a laser. */
  firmware: z.literal("grbl").optional(),
});
export type Adopt = z.infer<typeof adoptSchema>;
