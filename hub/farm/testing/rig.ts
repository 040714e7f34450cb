// Test equipment: prints and printers of a farm; what a test does not care about has a default here.

import type { FarmOrder, FarmPrinterRow, PrintNeeds } from "@gantry/shared/contract/farm.ts";
import type { DeviceRow, GcodeFacts, PrintRow } from "@gantry/shared/contract/rows.ts";
import type { FarmPrinter } from "../fit.ts";

export const NOW_MS = 1_700_000_000_000;
export const HOUR_MS = 3_600_000;

export const file = (facts: Partial<GcodeFacts> = {}): GcodeFacts => ({
  sha256: "0".repeat(64),
  sizeBytes: 3,
  commands: 1,
  estimatedS: 3_600,
  nozzleMaxC: 210,
  bedMaxC: 60,
  filamentMm: 1_000,
  layers: 1,
  boundsMm: { min: { x: 0, y: 0, z: 0 }, max: { x: 100, y: 100, z: 100 } },
  hazards: [],
  ...facts,
});

export interface OrderFacts extends Omit<Partial<PrintRow>, "farm"> {
  readonly needs?: PrintNeeds;
  readonly farm?: Partial<FarmOrder>;
}

/** A print of the farm that is ready. */
export const order = (id: string, { needs = {}, farm, ...facts }: OrderFacts = {}): PrintRow => ({
  id,
  printer: "any",
  name: id,
  state: "ready",
  gcode: file(),
  by: "ada",
  createdAtMs: NOW_MS,
  changedAtMs: NOW_MS,
  startedCount: 0,
  progress: 0,
  farm: { dialect: "marlin", priority: 5, needs, ...farm },
  ...facts,
});

/** A print for the one printer that is named. */
export function directed(id: string, printer: string, facts: Partial<PrintRow> = {}): PrintRow {
  const { farm: _, ...row } = order(id);
  return { ...row, printer, ...facts };
}

export interface PrinterFacts extends Omit<Partial<FarmPrinter>, "device" | "profile"> {
  readonly device?: Partial<DeviceRow>;
  readonly profile?: Partial<FarmPrinterRow>;
  readonly size?: number;
}

/** Idle, clear, of the farm, with PLA and a 0.4 mm nozzle. */
export const machine = (
  id: string,
  { device, profile, size = 200, ...facts }: PrinterFacts = {},
): FarmPrinter => ({
  device: {
    id,
    node: "node_1",
    kind: "printer",
    printer: {
      id,
      driver: "marlin",
      phase: "idle",
      isSimulated: true,
      sizeMm: { x: size, y: size, z: size },
      nozzleMaxC: 260,
      bedMaxC: 100,
    },
    isOnline: true,
    bed: "clear",
    token: 0,
    changedAtMs: NOW_MS,
    ...device,
  },
  phase: "idle",
  remainingS: undefined,
  holder: undefined,
  profile: {
    id,
    nozzleMm: 0.4,
    material: "PLA",
    labels: [],
    isHeld: false,
    printedS: 0,
    sinceMaintenanceS: 0,
    changedAtMs: NOW_MS,
    ...profile,
  },
  spool: undefined,
  isReachable: true,
  isOffPeak: true,
  ...facts,
});
