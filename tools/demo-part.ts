// G-code of a small real part: the 20 mm calibration tile, sliced by hand arithmetic. Safe on any
// printer with a bed of 100 x 100 mm or more: PLA temperatures, homes first, cools down at the end.

export interface PartOptions {
  /** Middle of the part on the bed, mm. */
  readonly centerMm: number;
  readonly layers: number;
  readonly nozzleC: number;
  readonly bedC: number;
}

const SIDE_MM = 20;
const LAYER_MM = 0.2;
const LINE_MM = 0.45;
const PERIMETERS = 2;
/** Solid lines would take minutes; a gap of four lines shows the same at a glance. */
const INFILL_STEP_MM = LINE_MM * 4;
const PRINT_MM_PER_MIN = 2_400;
const TRAVEL_MM_PER_MIN = 7_200;
const FILAMENT_DIAMETER_MM = 1.75;

/** Filament for one millimetre of a line: its cross-section over the filament's. */
const FILAMENT_PER_MM = (LINE_MM * LAYER_MM) / (Math.PI * (FILAMENT_DIAMETER_MM / 2) ** 2);

const mm = (value: number): string => value.toFixed(3);

/** The tile as G-code with absolute positions and relative extrusion. */
export function demoPart(options: PartOptions): string {
  const { centerMm, layers, nozzleC, bedC } = options;
  const lines = [
    "; 20 mm calibration tile, made by gantry",
    "M140 S" + bedC,
    "M104 S" + nozzleC,
    "G28",
    "M190 S" + bedC,
    "M109 S" + nozzleC,
    "G21",
    "G90",
    "M83",
    "M107",
  ];
  for (let layer = 0; layer < layers; layer += 1) {
    lines.push(`;LAYER:${layer}`, `G1 Z${mm((layer + 1) * LAYER_MM)} F600`);
    if (layer === 1) lines.push("M106 S255"); // the first layer sticks better without the fan
    for (let ring = 0; ring < PERIMETERS; ring += 1) {
      lines.push(...square(centerMm, SIDE_MM / 2 - LINE_MM * (ring + 0.5)));
    }
    lines.push(...infill(centerMm, SIDE_MM / 2 - LINE_MM * (PERIMETERS + 0.5), layer % 2 === 0));
  }
  lines.push(
    "G1 E-2 F1800",
    `G1 Z${mm(layers * LAYER_MM + 10)} F600`,
    "M107",
    "M104 S0",
    "M140 S0",
    `G0 X0 Y${mm(centerMm * 2 - 10)} F${TRAVEL_MM_PER_MIN}`,
    "M84",
  );
  return `${lines.join("\n")}\n`;
}

const travel = (x: number, y: number): string => `G0 X${mm(x)} Y${mm(y)} F${TRAVEL_MM_PER_MIN}`;

const draw = (x: number, y: number, lengthMm: number): string =>
  `G1 X${mm(x)} Y${mm(y)} E${(lengthMm * FILAMENT_PER_MM).toFixed(5)} F${PRINT_MM_PER_MIN}`;

function square(centerMm: number, halfMm: number): string[] {
  const [low, high] = [centerMm - halfMm, centerMm + halfMm];
  return [
    travel(low, low),
    draw(high, low, halfMm * 2),
    draw(high, high, halfMm * 2),
    draw(low, high, halfMm * 2),
    draw(low, low, halfMm * 2),
  ];
}

/** Straight lines, to and fro, turned by 90 degrees from layer to layer. */
function infill(centerMm: number, halfMm: number, isAlongX: boolean): string[] {
  const [low, high] = [centerMm - halfMm, centerMm + halfMm];
  const lines: string[] = [];
  let isForth = true;
  for (let across = low; across <= high; across += INFILL_STEP_MM) {
    const [from, to] = isForth ? [low, high] : [high, low];
    lines.push(isAlongX ? travel(from, across) : travel(across, from));
    lines.push(isAlongX ? draw(to, across, halfMm * 2) : draw(across, to, halfMm * 2));
    isForth = !isForth;
  }
  return lines;
}
