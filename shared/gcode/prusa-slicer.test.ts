// Our numbers next to the slicer's own: solids made here, sliced by Debian's prusa-slicer at several
// settings. Without the program (apt-get install prusa-slicer) the test says so and is skipped.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { scanGcode } from "./scan.ts";

const LIMITS = { sizeMm: { x: 250, y: 210, z: 210 }, nozzleMaxC: 300, bedMaxC: 120 };
/** Of the time; what is left is homing, which the slicer does not count. */
const TIME_ERROR = 0.02;
const HOMED_AXES_S = 20;
const LENGTH_ERROR = 0.02;

const dir = mkdtempSync(join(tmpdir(), "gantry-slice-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const version = spawnSync("prusa-slicer", ["--help"], { encoding: "utf8" }).stdout ?? "";
const isHere = version.includes("PrusaSlicer");
if (!isHere) console.warn("skipped: prusa-slicer is not installed (apt-get install prusa-slicer)");

type Vertex = readonly [number, number, number];

const facet = (corners: readonly Vertex[]): string =>
  `facet normal 0 0 0\nouter loop\n${corners.map((at) => `vertex ${at.join(" ")}`).join("\n")}\nendloop\nendfacet\n`;

/** A prism or a cone's stump over a regular polygon. `share`: the top's radius by the bottom's. */
function solid(sides: number, radiusMm: number, heightMm: number, share: number): string {
  const ring = (r: number, z: number): Vertex[] =>
    Array.from({ length: sides }, (_, side) => {
      const angle = (2 * Math.PI * side) / sides;
      return [r * Math.cos(angle), r * Math.sin(angle), z];
    });
  const [low, high] = [ring(radiusMm, 0), ring(radiusMm * share, heightMm)];
  const facets = low.flatMap((a, side) => {
    const next = (side + 1) % sides;
    const [b, c, d] = [low[next] ?? a, high[next] ?? a, high[side] ?? a];
    return [
      [a, b, c],
      [a, c, d],
      [[0, 0, 0], b, a],
      [[0, 0, heightMm], d, c],
    ] as Vertex[][];
  });
  return `solid part\n${facets.map(facet).join("")}endsolid part\n`;
}

const SOLIDS: Readonly<Record<string, string>> = {
  box: solid(4, 20, 12, 1),
  cylinder: solid(64, 15, 15, 1),
  cone: solid(48, 18, 20, 0.3),
};
const MARLIN = ["--gcode-flavor", "marlin", "--machine-limits-usage", "emit_to_gcode"];
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  defaults: [],
  fine: [...MARLIN, "--layer-height", "0.1", "--fill-density", "40%"],
  fast: [
    ...MARLIN,
    "--perimeter-speed",
    "150",
    "--infill-speed",
    "200",
    "--machine-max-acceleration-extruding",
    "5000",
  ],
  gentle: [
    ...MARLIN,
    "--machine-max-acceleration-extruding",
    "300",
    "--machine-max-jerk-x",
    "4",
    "--machine-max-jerk-y",
    "4",
  ],
  relative: [
    ...MARLIN,
    "--use-relative-e-distances",
    "--layer-gcode",
    "G92 E0",
    "--filament-density",
    "1.24",
  ],
};
const CASES = [
  ...Object.keys(SETTINGS).map((how) => ["box", how] as const),
  ["cylinder", "fast"],
  ["cone", "gentle"],
] as const;

function slice(part: string, how: string): Uint8Array {
  const [model, output] = [join(dir, `${part}.stl`), join(dir, `${part}-${how}.gcode`)];
  writeFileSync(model, SOLIDS[part] ?? "");
  const options = ["--export-gcode", model, "--output", output, ...(SETTINGS[how] ?? [])];
  const { status, stderr } = spawnSync("prusa-slicer", options, {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(stderr);
  return readFileSync(output);
}

describe.skipIf(!isHere)("[K23] the analysis agrees with PrusaSlicer's own figures:", () => {
  it.each(CASES)("%s, %s", { timeout: 60_000 }, (part, how) => {
    const { analysis, layers, filamentMm } = scanGcode(slice(part, how), LIMITS);
    const saidS = analysis.slicerS ?? Number.NaN;
    const error = (analysis.modelS - HOMED_AXES_S) / saidS - 1;
    console.info(
      `${part} ${how}: ${saidS} s said, ${analysis.modelS} s modelled with homing, ${(error * 100).toFixed(2)} %`,
    );
    expect(Math.abs(error)).toBeLessThan(TIME_ERROR);
    expect(analysis.layers?.count).toBe(layers);
    expect(analysis.layers?.usualHeightMm).toBeCloseTo(how === "fine" ? 0.1 : 0.3, 3);
    expect(Math.abs(analysis.filament.lengthMm / filamentMm - 1)).toBeLessThan(LENGTH_ERROR);
    expect(analysis.slicer?.name).toBe("PrusaSlicer");
  });
});
