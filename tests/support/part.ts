// A small part as G-code: squares of 20 mm, one above the other. For tests that print.

export interface PartOptions {
  readonly layers?: number;
  readonly nozzleC?: number;
  readonly bedC?: number;
}

export function partGcode({ layers = 4, nozzleC = 60, bedC = 40 }: PartOptions = {}): string {
  const lines = [
    "G90",
    "M82",
    "G21",
    `M140 S${bedC}`,
    `M104 S${nozzleC}`,
    `M190 S${bedC}`,
    `M109 S${nozzleC}`,
    "G28",
    "G92 E0",
  ];
  let extruded = 0;
  for (let layer = 0; layer < layers; layer += 1) {
    lines.push(`;LAYER:${layer}`, `G1 Z${(0.2 * (layer + 1)).toFixed(2)} F600`);
    for (const [x, y] of [
      [100, 100],
      [120, 100],
      [120, 120],
      [100, 120],
      [100, 100],
    ]) {
      extruded += 0.6;
      lines.push(`G1 X${x} Y${y} E${extruded.toFixed(3)} F1800`);
    }
  }
  lines.push("M104 S0", "M140 S0", "M107", "G1 Z30 F600", "M84");
  return `${lines.join("\n")}\n`;
}
