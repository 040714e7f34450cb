import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCommand } from "./command.ts";
import { makeMotionTime } from "./motion-time.ts";
import { emptyMove, moveOf, readPlainMove } from "./move.ts";
import { type GcodeLimits, type GcodeScan, scanGcode } from "./scan.ts";
import { THUMBNAIL_BYTES_MAX, THUMBNAILS_MAX } from "./thumbnails.ts";

const LIMITS: GcodeLimits = {
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 100,
};

const scan = (...lines: readonly string[]): GcodeScan => scanGcode(`${lines.join("\n")}\n`, LIMITS);

const limitsOf = (...lines: readonly string[]): ReturnType<typeof makeMotionTime> => {
  const time = makeMotionTime();
  for (const [index, line] of lines.entries()) {
    const command = parseCommand(line, index + 1);
    if (command !== undefined) time.limit(command);
  }
  return time;
};

describe("a plain move", () => {
  const word = fc.tuple(
    fc.constantFrom("X", "Y", "Z", "E", "F", "I", "x"),
    fc.oneof(
      fc.integer({ min: -9_999, max: 9_999 }).map(String),
      fc.integer({ min: -9_999_999, max: 9_999_999 }).map((n) => String(n / 1_000)),
      fc.constantFrom("", ".5", "-.25", "5.", "+1", "1e3", "--1", "1.2.3", "00012.50000", "-0"),
    ),
  );

  it("is read as every other command is, or not at all", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("G0", "G1", "G01", "g1", "G11"),
        fc.array(fc.tuple(fc.constantFrom(" ", "  ", "", "\t"), word), { maxLength: 7 }),
        fc.constantFrom("", " ", "; note", " ;X1"),
        (name, words, tail) => {
          const text = `${name}${words.map(([gap, pair]) => gap + pair.join("")).join("")}${tail}`;
          const [quick, slow] = [emptyMove(), emptyMove()];
          if (!readPlainMove(text, quick)) return;
          const command = parseCommand(text, 1);
          expect(command).toBeDefined();
          if (command === undefined) return;
          expect(["G0", "G1"]).toContain(command.name);
          expect(moveOf(command, slow)).toBeUndefined();
          expect(quick).toEqual(slow);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("never reaches firmware with an E right behind a digit", () => {
    expect(parseCommand("G1 X1e3", 1)?.text).toBe("G1 X1 E3");
    expect(parseCommand("g1x20y10.e1.5", 1)?.text).toBe("G1X20Y10. E1.5");
  });
});

describe("the motion model", () => {
  it("times one move as a trapezoid from rest to rest, less what jerk spares", () => {
    // 100 mm at 100 mm/s with 1000 mm/s2: 5 mm of ramp from and to 0 would be 1.1 s. From jerk 10 up:
    // 0.09 s for 4.95 mm; to rest: 0.1 s for 5 mm; 90.05 mm at full speed.
    const time = limitsOf("M204 P1000 T1000", "M205 X10 Y10", "M203 X500", "M201 X9000");
    time.move(100, 0, 0, 0, 100);
    expect(time.seconds()).toBeCloseTo(0.09 + 0.1 + 0.9005, 6);
  });

  it("does not slow down between moves in one direction, and does at a corner", () => {
    const one = limitsOf("M204 T500");
    one.move(40, 0, 0, 0, 80);
    const four = limitsOf("M204 T500");
    for (let part = 0; part < 4; part += 1) four.move(10, 0, 0, 0, 80);
    expect(four.seconds()).toBeCloseTo(one.seconds(), 9);
    const bent = limitsOf("M204 T500");
    bent.move(20, 0, 0, 0, 80);
    bent.move(0, 20, 0, 0, 80);
    expect(bent.seconds()).toBeGreaterThan(one.seconds() + 0.1);
  });

  it("brakes for a corner many moves ahead", () => {
    // 600 pieces of 0.1 mm and then a turn back: more than one window, still one smooth line.
    const time = limitsOf("M204 T1000", "M205 X1 Y1");
    for (let part = 0; part < 600; part += 1) time.move(0.1, 0, 0, 0, 100);
    time.move(-60, 0, 0, 0, 100);
    const whole = limitsOf("M204 T1000", "M205 X1 Y1");
    whole.move(60, 0, 0, 0, 100);
    whole.move(-60, 0, 0, 0, 100);
    expect(time.seconds()).toBeCloseTo(whole.seconds(), 2);
  });

  it("obeys the slowest axis, M220, and junction deviation", () => {
    const slowZ = limitsOf("M203 Z5");
    slowZ.move(0, 0, 50, 0, 100);
    expect(slowZ.seconds()).toBeGreaterThan(10);
    const half = limitsOf("M220 S50");
    half.move(100, 0, 0, 0, 20);
    expect(half.seconds()).toBeGreaterThan(10);
    const seconds = (deviation: string): number => {
      const time = limitsOf("M204 T500", `M205 J${deviation}`);
      for (let side = 0; side < 40; side += 1) {
        time.move(side % 2 === 0 ? 5 : 0, side % 2 === 0 ? 0 : 5, 0, 0, 100);
      }
      return time.seconds();
    };
    expect(seconds("0.2")).toBeLessThan(seconds("0.01"));
  });

  it("counts dwelling, homing and arcs", () => {
    const still = scan("G28", "G1 X50 Y50").analysis.modelS;
    expect(scan("G28", "G1 X50 Y50", "G4 S30", "G4 P30000").analysis.modelS).toBe(still + 60);
    // A circle of r 20: 125.7 mm at 10 mm/s.
    const round = scan("G28", "G1 X50 Y50", "G2 I20 F600").analysis.modelS;
    expect(round - still).toBeGreaterThanOrEqual(12);
    expect(round - still).toBeLessThanOrEqual(14);
  });
});

describe("layers", () => {
  it("are counted with their heights, hops and travel left out", () => {
    const lines = ["G28", "M83", "G1 X10 Y20"];
    for (let layer = 0; layer < 10; layer += 1) {
      const z = 0.3 + layer * 0.2;
      lines.push(`G1 Z${z.toFixed(2)}`, "G1 X10 Y10 E1", `G1 Z${(z + 1).toFixed(2)}`, "G1 X50");
      lines.push(`G1 Z${z.toFixed(2)}`, "G1 X20 Y20 E1");
    }
    const { layers, analysis } = scan(...lines);
    expect(layers).toBe(10);
    expect(analysis.layers).toEqual({
      count: 10,
      firstHeightMm: 0.3,
      usualHeightMm: 0.2,
      topMm: 2.1,
    });
    expect(analysis.laidBoundsMm).toEqual({
      min: { x: 10, y: 10, z: 0.3 },
      max: { x: 50, y: 20, z: 2.1 },
    });
  });
});

describe("what slicers say", () => {
  it.each([
    [
      "PrusaSlicer",
      [
        "; generated by PrusaSlicer 2.7.4+linux-x64 on 2024-05-01",
        "; filament used [mm] = 1000.0, 500.0",
        "; filament used [g] = 2.98, 1.49",
        "; estimated printing time (normal mode) = 1d 2h 3m 4s",
        "; prusaslicer_config = begin",
        "; filament_type = PETG;PLA",
        "; layer_height = 0.2",
        "; printer_model = MK3S",
        "; prusaslicer_config = end",
      ],
      {
        slicer: { name: "PrusaSlicer", version: "2.7.4+linux-x64" },
        slicerS: 93_784,
        filament: { massG: 4.47, material: "PETG" },
        settings: { layerHeightMm: "0.2", printerModel: "MK3S" },
      },
      1_500,
    ],
    [
      "OrcaSlicer",
      [
        "; HEADER_BLOCK_START",
        "; generated by OrcaSlicer 2.1.1 on 2024-08-01 at 10:00:00",
        "; total layer number: 83",
        "; HEADER_BLOCK_END",
        "; EXECUTABLE_BLOCK_START",
        "; EXECUTABLE_BLOCK_END",
        "; filament used [mm] = 2000",
        "; estimated printing time (normal mode) = 12m 30s",
        "; sparse_infill_density = 15%",
        "; initial_layer_print_height = 0.25",
      ],
      {
        slicer: { name: "OrcaSlicer", version: "2.1.1" },
        slicerS: 750,
        settings: { firstLayerHeightMm: "0.25", infill: "15%" },
      },
      2_000,
    ],
    [
      "Cura",
      [
        ";FLAVOR:Marlin",
        ";TIME:77.2",
        ";Filament used: 1.5m, 0m",
        ";Layer height: 0.2",
        ";TARGET_MACHINE.NAME:Creality Ender-3",
        ";Generated with Cura_SteamEngine 5.4.0",
      ],
      {
        slicer: { name: "Cura_SteamEngine", version: "5.4.0" },
        slicerS: 78,
        settings: { layerHeightMm: "0.2", printerModel: "Creality Ender-3" },
      },
      1_500,
    ],
    [
      "Simplify3D",
      [
        "; G-Code generated by Simplify3D(R) Version 4.1.2",
        ";   extruderDiameter,0.4",
        ";   filamentDiameters,1.75|1.75",
        ";   Build time: 1 hours 2 minutes",
        ";   Filament length: 1234.5 mm (1.23 m)",
        ";   Plastic weight: 3.71 g (0.01 lb)",
      ],
      {
        slicer: { name: "Simplify3D", version: "4.1.2" },
        slicerS: 3_720,
        filament: { massG: 3.71 },
        settings: { filamentDiameterMm: "1.75|1.75", nozzleDiameterMm: "0.4" },
      },
      1_235,
    ],
  ])("%s", (_name, lines, expected, filamentMm) => {
    const found = scan("G28", "G1 X5", ...lines);
    expect(found.analysis).toMatchObject(expected);
    expect(found.filamentMm).toBe(filamentMm);
  });

  it("takes Cura's placeholder for no word at all, and settings as text of a stranger", () => {
    expect(scan(";TIME:6666", "G28").analysis.slicerS).toBeUndefined();
    const { settings } = scan(`; printer_model = \u001b[31m${"x".repeat(500)}`, "G28").analysis;
    expect(settings["printerModel"]).toMatch(/^\?\[31mx{75}$/);
  });

  it("says of a file whose end is missing that it is not whole", () => {
    expect(() => scan("; EXECUTABLE_BLOCK_START", "G28")).toThrow(/slicer's commands/);
  });

  it("weighs filament by its density, its material, or not at all", () => {
    const one = ["G28", "M83", "G1 X10 E100"];
    expect(scan(...one).analysis.filament).toEqual({ lengthMm: 100, volumeCm3: 0.24 });
    expect(scan(...one, "; filament_type = ABS").analysis.filament.massG).toBe(0.25);
    expect(scan(...one, "; filament_density = 8").analysis.filament.massG).toBe(1.92);
    expect(scan(...one, "; filament_diameter = 2.85").analysis.filament.volumeCm3).toBe(0.64);
  });
});

const block = (head: string, bytes: Uint8Array): readonly string[] => {
  const text = Buffer.from(bytes).toString("base64");
  const lines = text.match(/.{1,78}/g) ?? [];
  const end = head.split(" ")[0];
  return [`; ${head} ${text.length}`, ...lines.map((line) => `; ${line}`), `; ${end} end`];
};
const sizes = (...lines: readonly string[]): readonly string[] =>
  scan(...lines, "G28").thumbnails.map(
    ({ format, width, height }) => `${format} ${width}x${height}`,
  );

describe("thumbnails", () => {
  const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52];
  const png = (width: number, height: number, sizeBytes = 64): Uint8Array => {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(PNG);
    new DataView(bytes.buffer).setUint32(16, width);
    new DataView(bytes.buffer).setUint32(20, height);
    return bytes;
  };

  it("are taken out, the largest first, byte for byte", () => {
    const jpg = Uint8Array.from([0xff, 0xd8, 0xff, ...Array.from({ length: 61 }, (_, n) => n)]);
    const lines = [
      ...block("thumbnail begin 16x16", png(16, 16)),
      ...block("thumbnail_JPG begin 300x300", jpg),
    ];
    expect(sizes(...lines)).toEqual(["jpg 300x300", "png 16x16"]);
    expect(scan(...lines, "G28").thumbnails[1]?.bytes).toEqual(png(16, 16));
  });

  it.each([
    ["other bytes than it says", block("thumbnail begin 16x16", new Uint8Array(64))],
    ["another size than it says", block("thumbnail begin 16x16", png(16, 17))],
    ["more pixels than anybody shows", block("thumbnail begin 9999x9999", png(9_999, 9_999))],
    ["no end", block("thumbnail begin 16x16", png(16, 16)).slice(0, -1)],
    ["text that is not base64", ["; thumbnail begin 16x16 8", "; <script>", "; thumbnail end"]],
    ["a command inside", ["; thumbnail begin 16x16 8", "G21", "; iVBO", "; thumbnail end"]],
    ["too much", block("thumbnail begin 16x16", png(16, 16, THUMBNAIL_BYTES_MAX + 4))],
  ])("with %s are passed over", (_what, lines) => {
    expect(sizes(...lines)).toEqual([]);
  });

  it("are bounded in number", () => {
    const many = Array.from({ length: 20 }, () => block("thumbnail begin 16x16", png(16, 16)));
    expect(sizes(...many.flat())).toHaveLength(THUMBNAILS_MAX);
  });
});
