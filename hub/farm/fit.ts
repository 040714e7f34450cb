// Does a printer fit a print, and may it take one now? Each "no" in words, with what would change it.
//
// FM1. A misfit is of what the two are: no waiting ends it, somebody must change something. A
//      hindrance is of the moment. A print is given to a printer that has neither.
// FM2. What is not known does not fit: a nozzle that nobody named is no 0.4 mm nozzle.

import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { FarmPrinterRow, PrintNeeds, SpoolRow } from "@gantry/shared/contract/farm.ts";
import type { DeviceRow, GcodeFacts, PrintRow } from "@gantry/shared/contract/rows.ts";
import { gramsOf } from "./use.ts";
import { dialectOf } from "@gantry/shared/gcode/scan.ts";

export const MISFITS = [
  "not_in_farm",
  "held",
  "wrong_dialect",
  "too_small",
  "too_cold",
  "bed_too_cold",
  "nozzle_unknown",
  "nozzle_differs",
  "label_missing",
  "material_not_loaded",
  "color_not_loaded",
  "not_enough_filament",
] as const;
export const HINDRANCES = [
  "printing",
  "taken",
  "bed_not_clear",
  "off_peak",
  "maintenance_due",
  "not_idle",
  "offline",
  "fault",
] as const;
export type WaitCode =
  | (typeof MISFITS)[number]
  | (typeof HINDRANCES)[number]
  | "confirmation"
  | "no_printer"
  | "starting";

export interface Obstacle {
  readonly code: WaitCode;
  /** A clause about the printer: `its bed holds a part`. */
  readonly message: string;
  /** What somebody could do, or what will happen by itself. */
  readonly change: string;
}

/** A printer as the planner sees it. */
export interface FarmPrinter {
  readonly device: DeviceRow;
  /** What it does now, by soft state where that is newer. */
  readonly phase: Printer["phase"];
  readonly remainingS: number | undefined;
  /** The print that has it by a lease. */
  readonly holder: string | undefined;
  readonly profile: FarmPrinterRow | undefined;
  /** Of the inventory, loaded there. */
  readonly spool: SpoolRow | undefined;
  /** A node is there to be told, and the printer may be tried now. */
  readonly isReachable: boolean;
  /** In its off-peak hours, or it has none. */
  readonly isOffPeak: boolean;
}

export interface Loaded {
  readonly material?: string;
  readonly color?: string;
  /** Not reserved; undefined where nobody counts it. */
  readonly freeG?: number;
}

/** The spool of the inventory, else what a person said, else what the printer itself says. */
export function loadedOf({ profile, spool, device }: FarmPrinter): Loaded {
  if (spool !== undefined) {
    const { material, color, leftG, reserved } = spool;
    const freeG = Math.max(0, leftG - (reserved?.grams ?? 0));
    return { material, freeG, ...(color === undefined ? {} : { color }) };
  }
  if (profile?.material !== undefined) {
    const { material, color } = profile;
    return { material, ...(color === undefined ? {} : { color }) };
  }
  const active = device.printer.materials?.find(({ isActive }) => isActive);
  if (active === undefined) return {};
  const { material, color } = active;
  return { material, ...(color === undefined ? {} : { color }) };
}

/** FM1: why this printer can never do it as both are. */
export function misfitOf(job: PrintRow, printer: FarmPrinter): Obstacle | undefined {
  const { farm, gcode } = job;
  const { device, profile } = printer;
  const grams = job.grams ?? gramsOf(gcode, undefined);
  if (farm === undefined) {
    return device.id === job.printer ? lackOf(printer, grams) : wrongPrinter(job.printer);
  }
  if (profile === undefined) {
    return {
      code: "not_in_farm",
      message: "it is not of the farm",
      change: `Say what it is: gantry printer set ${device.id}`,
    };
  }
  if (profile.isHeld) {
    return {
      code: "held",
      message: "it is kept out of the farm",
      change: `Let it take prints again: gantry printer set ${device.id} --release`,
    };
  }
  return (
    machineMisfit(farm.dialect, gcode, device.printer) ??
    needMisfit(farm.needs, printer) ??
    lackOf(printer, grams)
  );
}

const wrongPrinter = (wanted: string): Obstacle => ({
  code: "no_printer",
  message: `the print is for ${wanted}`,
  change: "Order it for any printer",
});

const AXES = ["x", "y", "z"] as const;

function machineMisfit(
  dialect: string,
  { boundsMm, nozzleMaxC, bedMaxC }: GcodeFacts,
  { driver, sizeMm, ...can }: Printer,
): Obstacle | undefined {
  if (dialectOf(driver) !== dialect) {
    return {
      code: "wrong_dialect",
      message: `it speaks ${dialectOf(driver)}, the file is for ${dialect}`,
      change: "Slice the part for this printer",
    };
  }
  const axis = AXES.find((name) => boundsMm.min[name] < 0 || boundsMm.max[name] > sizeMm[name]);
  if (axis !== undefined) {
    return {
      code: "too_small",
      message: `the part needs ${axis.toUpperCase()} from ${boundsMm.min[axis]} to ${boundsMm.max[axis]} mm, it has ${sizeMm[axis]}`,
      change: "A larger printer, or a smaller part",
    };
  }
  if (nozzleMaxC > can.nozzleMaxC) {
    return {
      code: "too_cold",
      message: `the file heats the nozzle to ${nozzleMaxC} °C, it may have ${can.nozzleMaxC}`,
      change: "A printer with a hotter nozzle, or another material",
    };
  }
  if (bedMaxC > can.bedMaxC) {
    return {
      code: "bed_too_cold",
      message: `the file heats the bed to ${bedMaxC} °C, it may have ${can.bedMaxC}`,
      change: "A printer with a hotter bed, or another material",
    };
  }
  return undefined;
}

function needMisfit(needs: PrintNeeds, printer: FarmPrinter): Obstacle | undefined {
  const { device, profile } = printer;
  const { sizeMm: wanted } = needs;
  const { sizeMm } = device.printer;
  const small = AXES.find((axis) => wanted !== undefined && wanted[axis] > sizeMm[axis]);
  if (wanted !== undefined && small !== undefined) {
    return {
      code: "too_small",
      message: `${wanted[small]} mm in ${small.toUpperCase()} are asked for, it has ${sizeMm[small]}`,
      change: "A larger printer, or a smaller need",
    };
  }
  const nozzle = nozzleMisfit(needs, printer);
  if (nozzle !== undefined) return nozzle;
  const label = needs.labels?.find((name) => profile?.labels.includes(name) !== true); // FM2
  if (label !== undefined) {
    return {
      code: "label_missing",
      message: `it is not labelled ${label}`,
      change: `If it is: gantry printer set ${device.id} --label ${label}`,
    };
  }
  return materialMisfit(needs, printer);
}

function nozzleMisfit(needs: PrintNeeds, { device, profile }: FarmPrinter): Obstacle | undefined {
  if (needs.nozzleMm === undefined || needs.nozzleMm === profile?.nozzleMm) return undefined;
  const isKnown = profile?.nozzleMm !== undefined;
  return {
    code: isKnown ? "nozzle_differs" : "nozzle_unknown", // FM2
    message: isKnown
      ? `its nozzle has ${profile.nozzleMm} mm, not ${needs.nozzleMm}`
      : "nobody has said which nozzle it has",
    change: `${isKnown ? "Change the nozzle, then" : "Say it"}: gantry printer set ${device.id} --nozzle ${needs.nozzleMm}`,
  };
}

function materialMisfit(needs: PrintNeeds, printer: FarmPrinter): Obstacle | undefined {
  const loaded = loadedOf(printer);
  const { id } = printer.device;
  if (needs.material !== undefined && !isSame(needs.material, loaded.material)) {
    return {
      code: "material_not_loaded",
      message: `it holds ${loaded.material ?? "no material that is known"}, not ${needs.material}`,
      change: `Load ${needs.material}: gantry printer load ${id} SPOOL`,
    };
  }
  if (needs.color !== undefined && !isSame(needs.color, loaded.color)) {
    return {
      code: "color_not_loaded",
      message: `its filament is ${loaded.color ?? "of no colour that is known"}, not ${needs.color}`,
      change: `Load that colour: gantry printer load ${id} SPOOL`,
    };
  }
  return undefined;
}

/** Enough on the spool? What nobody counts is not judged. */
function lackOf(printer: FarmPrinter, grams: number): Obstacle | undefined {
  const { freeG } = loadedOf(printer);
  if (freeG === undefined || grams <= freeG) return undefined;
  return {
    code: "not_enough_filament",
    message: `its spool ${printer.spool?.id ?? ""} has ${Math.floor(freeG)} g, the print takes ${Math.ceil(grams)}`,
    change: `Load another spool (gantry printer load ${printer.device.id} SPOOL), or correct this one's grams`,
  };
}

export const isSame = (wanted: string, found: string | undefined): boolean =>
  found !== undefined && wanted.toUpperCase() === found.toUpperCase();

export const isMaintenanceDue = (profile: FarmPrinterRow | undefined): boolean =>
  profile?.maintenanceEveryH !== undefined &&
  profile.sinceMaintenanceS >= profile.maintenanceEveryH * 3_600;

/** FM1: why it takes nothing at this moment. A print for one named printer waits for no service. */
export function hindranceOf(job: PrintRow, printer: FarmPrinter): Obstacle | undefined {
  const { device, phase, holder, profile, remainingS } = printer;
  const { id } = device;
  if (!device.isOnline || !printer.isReachable) {
    return { code: "offline", message: "it is offline", change: `Switch ${id} on, or its machine` };
  }
  if (phase === "fault" || phase === "stopped") {
    return { code: "fault", message: `it is in ${phase}`, change: `gantry devices reset ${id}` };
  }
  if (holder !== undefined && holder !== job.id) {
    const left = remainingS === undefined ? "" : `, about ${Math.ceil(remainingS / 60)} min`;
    return { code: "printing", message: `it has ${holder}${left}`, change: "Its print ends" };
  }
  if (device.bed === "part") {
    return {
      code: "bed_not_clear",
      message: `its bed holds the part of ${device.bedJob ?? "another job"}`,
      change: `Take it off and say so: gantry bed clear ${id} --outcome ok|failed`,
    };
  }
  if (job.farm !== undefined && isMaintenanceDue(profile)) {
    return {
      code: "maintenance_due",
      message: `it has printed ${Math.floor((profile?.sinceMaintenanceS ?? 0) / 3_600)} h since it was maintained`,
      change: `Maintain it, then: gantry printer maintained ${id}`,
    };
  }
  if (job.farm !== undefined && isTooLong(job, printer)) {
    return {
      code: "off_peak",
      message: "prints as long as this one start there in its off-peak hours only",
      change: "These hours come",
    };
  }
  if (phase !== "idle") {
    return { code: "not_idle", message: `it is ${phase}`, change: "It becomes idle" };
  }
  return undefined;
}

const isTooLong = (job: PrintRow, { profile, isOffPeak }: FarmPrinter): boolean =>
  profile?.offPeak !== undefined &&
  !isOffPeak &&
  job.gcode.estimatedS > profile.offPeak.longerThanS;
