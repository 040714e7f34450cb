// Printers as the planner of the farm sees them, read off the rows.

import type { DeviceRow, PrintRow } from "@gantry/shared/contract/rows.ts";
import { type FarmPrinter, isMaintenanceDue, misfitOf, type Obstacle } from "../farm/fit.ts";
import type { Rows } from "./rows.ts";

/** What the rows do not hold: what is true at this moment, as the hub sees it. */
export type Moment = Pick<FarmPrinter, "phase" | "remainingS" | "isReachable" | "isOffPeak">;

export function farmPrinterOf(
  rows: Rows,
  device: DeviceRow,
  holder: string | undefined,
  moment: Moment,
): FarmPrinter {
  const profile = rows.get("farmPrinter", device.id);
  const spool = profile?.spool === undefined ? undefined : rows.get("spool", profile.spool);
  return { device, holder, profile, spool, ...moment };
}

/** By printer, the print that has it by a lease. One pass, for who looks at many. */
export function holdersOf(rows: Rows): ReadonlyMap<string, string> {
  const holders = new Map<string, string>();
  for (const { id, printer, lease } of rows.hot("print").values()) {
    if (lease !== undefined) holders.set(printer, id);
  }
  return holders;
}

/** For the fold, which judges what it can know: the hours of the day and live phases are not its own. */
export const foldedMoment = ({ printer: { phase } }: DeviceRow): Moment => ({
  phase: phase === "fault" || phase === "stopped" ? phase : "idle",
  remainingS: undefined,
  isReachable: true,
  isOffPeak: true,
});

/** Why the print must not start there, in what only the farm knows; undefined where nobody said anything. */
export function farmObstacle(rows: Rows, job: PrintRow, device: DeviceRow): Obstacle | undefined {
  const printer = farmPrinterOf(rows, device, undefined, foldedMoment(device));
  const misfit = misfitOf(job, printer);
  if (misfit !== undefined || job.farm === undefined || !isMaintenanceDue(printer.profile))
    return misfit;
  return { code: "maintenance_due", message: "its maintenance is due", change: "Maintain it" };
}
