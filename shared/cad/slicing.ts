// How a part is to be printed, and the profile that PrusaSlicer reads. Every word of the profile is made
// here out of checked numbers: a profile can name programs to run, so none is taken from outside.

import { GantryError } from "../base/errors.ts";
import type { Size } from "./mesh.ts";

/** °C, and g/cm3 so that the slicer can tell grams. Usual values of makers; a spool's label wins. */
export const MATERIALS = {
  pla: { nozzleC: 210, bedC: 60, density: 1.24, fanPercent: 100 },
  petg: { nozzleC: 235, bedC: 80, density: 1.27, fanPercent: 50 },
  abs: { nozzleC: 245, bedC: 100, density: 1.04, fanPercent: 0 },
  asa: { nozzleC: 250, bedC: 100, density: 1.07, fanPercent: 0 },
  tpu: { nozzleC: 225, bedC: 50, density: 1.21, fanPercent: 60 },
} as const;
export type Material = keyof typeof MATERIALS;
export const MATERIAL_NAMES = Object.keys(MATERIALS) as [Material, ...Material[]];

export interface SliceProfile {
  /** Room of the printer; its origin is the front left corner. */
  readonly sizeMm: Size;
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  readonly nozzleMm: number;
  readonly material: Material;
  readonly layerMm: number;
  readonly infillPercent: number;
  readonly walls: number;
  readonly supports: boolean;
  /** 0 for none. */
  readonly brimMm: number;
}

export const SLICE_DEFAULTS = {
  nozzleMm: 0.4,
  material: "pla",
  layerMm: 0.2,
  infillPercent: 15,
  walls: 3,
  supports: false,
  brimMm: 0,
} as const;

/** What does not go together; throws bad_request with `details.fields`. */
export function assertProfile(profile: SliceProfile): void {
  const { nozzleC, bedC } = MATERIALS[profile.material];
  const faults = [
    ...(nozzleC <= profile.nozzleMaxC
      ? []
      : [
          fault(
            "material",
            `needs ${nozzleC} °C, the printer's nozzle stands ${profile.nozzleMaxC} °C`,
          ),
        ]),
    ...(bedC <= profile.bedMaxC || profile.bedMaxC === 0
      ? []
      : [
          fault(
            "material",
            `needs a bed of ${bedC} °C, the printer's has at most ${profile.bedMaxC} °C`,
          ),
        ]),
    ...(profile.layerMm <= profile.nozzleMm * 0.8
      ? []
      : [fault("layerMm", `is more than 80 % of the nozzle (${profile.nozzleMm} mm)`)]),
  ];
  const [first] = faults;
  if (first === undefined) return;
  throw new GantryError("bad_request", `The profile does not fit: ${first.path} ${first.message}`, {
    details: { fields: faults },
  });
}

const fault = (path: string, message: string): { path: string; message: string } => ({
  path,
  message,
});

/** PrusaSlicer's own form; for a checked profile. `\\n` in custom G-code is a line end there. */
export function sliceIni(profile: SliceProfile): string {
  const { sizeMm, nozzleMm, layerMm, infillPercent, walls, supports, brimMm } = profile;
  const { nozzleC, bedC, density, fanPercent } = MATERIALS[profile.material];
  const bed = profile.bedMaxC === 0 ? 0 : bedC;
  const { x, y, z } = sizeMm;
  const shell = Math.max(3, Math.ceil(0.8 / layerMm));
  const settings: Readonly<Record<string, string | number>> = {
    printer_technology: "FFF",
    gcode_flavor: "marlin",
    bed_shape: `0x0,${x}x0,${x}x${y},0x${y}`,
    max_print_height: z,
    nozzle_diameter: nozzleMm,
    filament_diameter: 1.75,
    filament_density: density,
    filament_type: profile.material.toUpperCase(),
    temperature: nozzleC,
    first_layer_temperature: nozzleC + 5 <= profile.nozzleMaxC ? nozzleC + 5 : nozzleC,
    bed_temperature: bed,
    first_layer_bed_temperature: bed,
    layer_height: layerMm,
    first_layer_height: Math.max(layerMm, Math.min(0.2, nozzleMm * 0.6)),
    perimeters: walls,
    top_solid_layers: shell,
    bottom_solid_layers: shell,
    fill_density: `${infillPercent}%`,
    fill_pattern: "gyroid",
    support_material: supports ? 1 : 0,
    support_material_auto: 1,
    brim_width: brimMm,
    skirts: brimMm > 0 ? 0 : 1,
    min_fan_speed: fanPercent,
    max_fan_speed: fanPercent,
    disable_fan_first_layers: 1,
    retract_length: 0.8,
    use_relative_e_distances: 0,
    gcode_comments: 0,
    machine_limits_usage: "time_estimate_only",
    start_gcode: String.raw`G21\nG90\nM82\nG28\nG1 Z5 F1200\nG92 E0`,
    // The head goes up as far as there is room, and everything that is hot is switched off.
    end_gcode: String.raw`M104 S0\nM140 S0\nM107\n{if max_layer_z < max_print_height}G1 Z{min(max_layer_z+5, max_print_height)} F1200\n{endif}G1 X0 Y${y} F6000\nM84`,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join("");
}
