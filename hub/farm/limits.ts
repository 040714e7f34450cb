// What a file for any printer is read with: the most that a printer of the farm can do. Whether one of
// them can do all of it is judged for each (fit.ts), and once more by its bridge.

import type { FarmPrinters } from "@gantry/shared/contract/schemas/farm.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import { dialectOf, type GcodeLimits } from "@gantry/shared/gcode/scan.ts";

export type FarmLimits = FarmPrinters["limits"];

export function limitsOfFarm(printers: readonly Printer[]): FarmLimits {
  const limits: FarmLimits = {};
  for (const { driver, sizeMm, nozzleMaxC, bedMaxC } of printers) {
    const dialect = dialectOf(driver);
    if (dialect === "grbl") continue; // no printer: what is for a mill or a laser names it
    const before = limits[dialect];
    limits[dialect] = {
      sizeMm: {
        x: Math.max(sizeMm.x, before?.sizeMm.x ?? 0),
        y: Math.max(sizeMm.y, before?.sizeMm.y ?? 0),
        z: Math.max(sizeMm.z, before?.sizeMm.z ?? 0),
      },
      nozzleMaxC: Math.max(nozzleMaxC, before?.nozzleMaxC ?? 0),
      bedMaxC: Math.max(bedMaxC, before?.bedMaxC ?? 0),
    };
  }
  return limits;
}

/** Throws conflict for a farm without such a printer, or of several kinds where none was named. */
export function pickLimits(
  limits: FarmLimits,
  wanted: "marlin" | "klipper" | undefined,
): GcodeLimits & { readonly dialect: "marlin" | "klipper" } {
  const [first, ...others] = (["marlin", "klipper"] as const).filter(
    (dialect) => limits[dialect] !== undefined && (wanted === undefined || wanted === dialect),
  );
  const found = first === undefined ? undefined : limits[first];
  if (first === undefined || found === undefined) {
    throw new GantryError(
      "conflict",
      `The farm has no printer${wanted === undefined ? "" : ` that speaks ${wanted}`} yet: say what one is with gantry printer set PRINTER`,
    );
  }
  if (others.length > 0) {
    throw new GantryError(
      "conflict",
      "The farm has printers of several kinds: say for which the file was sliced, dialect marlin or klipper",
    );
  }
  return { ...found, dialect: first };
}
