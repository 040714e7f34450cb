// How much filament a job takes, from its length and what the slicer says of the filament.

export interface FilamentFacts {
  readonly lengthMm: number;
  readonly volumeCm3: number;
  /** Undefined where neither the slicer nor the material tells the density. */
  readonly massG?: number;
  readonly material?: string;
}

const DIAMETER_MM = 1.75;
/** g/cm3, of unfilled material: data sheets of several makers agree within 0.02. */
const DENSITIES: Readonly<Record<string, number>> = {
  PLA: 1.24,
  PETG: 1.27,
  PET: 1.34,
  ABS: 1.04,
  ASA: 1.07,
  TPU: 1.21,
  PC: 1.2,
  PA: 1.14,
  HIPS: 1.04,
  PVA: 1.23,
  PP: 0.9,
};

/** `settings` and `saidG` are the slicer's. Mass of several filaments at once is only what it says. */
export function filamentFacts(
  lengthMm: number,
  settings: Readonly<Record<string, string>>,
  saidG: number | undefined,
): FilamentFacts {
  const diameterMm = firstOver0(settings["filamentDiameterMm"]) ?? DIAMETER_MM;
  const volumeCm3 = (lengthMm * Math.PI * (diameterMm / 2) ** 2) / 1_000;
  const material = /^[A-Za-z][\w+ -]{0,19}/.exec(settings["filamentType"] ?? "")?.[0];
  const density =
    firstOver0(settings["filamentDensityGCm3"]) ??
    (material === undefined ? undefined : DENSITIES[material.toUpperCase()]);
  const massG = saidG ?? (density === undefined ? undefined : volumeCm3 * density);
  return {
    lengthMm: Math.round(lengthMm),
    volumeCm3: hundredths(volumeCm3),
    ...(massG === undefined ? {} : { massG: hundredths(massG) }),
    ...(material === undefined ? {} : { material }),
  };
}

/** `1.75,1.75` and `1.75|1.75` begin with the first tool's. */
function firstOver0(text: string | undefined): number | undefined {
  const value = Number.parseFloat(text ?? "");
  return value > 0 && value < 100 ? value : undefined;
}

const hundredths = (value: number): number => Math.round(value * 100) / 100;
